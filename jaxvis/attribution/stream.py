"""Many explanations in few compiled calls: images, scores and samples in chunks.

Every method is a function of one image, one score and one sample (a step of a path, a noise,
a mask). `explain` maps it over all of them, spreads them over the devices, and adds up or
keeps what the samples give. What does not depend on the score, such as the forward pass, is
computed once for all scores of a chunk, because `jax.vmap` leaves it alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxvis.attribution.subject import Subject
from jaxvis.compiler import jit
from jaxvis.devices import AXIS, WHOLE, copy_to_all, count_devices, find_devices, make_mesh, share
from jaxvis.loss.algebra import Algebra
from jaxvis.network import Network
from jaxvis.optimize import memory
from jaxvis.optimize.check import check_counts
from jaxvis.platform import platform_of
from jaxvis.types import Array, Params

CORE_BYTES = 2**24
"""Bytes of values that a core of a CPU holds for one chunk, about what its cache has."""
MOST = 64
"""Scores or samples that a device takes together at most on a CPU."""


@dataclass(frozen=True)
class Explanation:
    """A method: what one sample says of one score of one image. Static and hashable.

    Args:
      net: the network.
    """

    net: Network

    def __call__(self, params: Params, image: Array, item: Algebra, sample: Any) -> Any:
        """Computes a pytree of arrays.

        Args:
          params: the network's parameters.
          image: `[H, W, C]`.
          item: the objective whose negative is the score.
          sample: a pytree of arrays, one entry of what `explain` was given; None without.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it computes")


def explain(
    method: Explanation,
    params: Params,
    subject: Subject,
    *,
    samples: Any = None,
    keep: bool = False,
    chunk: int | None = None,
) -> Any:
    """Explains every score of every image, streamed in chunks.

    Args:
      method: what is computed; equal methods never compile again.
      params: the network's parameters.
      subject: the images and the scores. Instead of the images it may have a pytree of what
        the method is given of each, leaves `[N, ...]`, such as the image and its baseline.
      samples: a pytree, leaves `[S, ...]`, that the method is given one by one; None for a
        method without samples.
      keep: whether the samples' results are kept, `[N, K, S, ...]`, instead of added up.
      chunk: how many scores, samples or images a device takes together, along the longest of
        these axes; None fits them to the memory.

    Returns:
      A pytree of NumPy arrays `[N, K, ...]`.

    Raises:
      ValueError: for a chunk below 1.
    """
    check_counts(chunk=chunk)
    work = _Work(method, params, subject, samples, keep)
    mesh, axis, chunks = _plan(work, chunk)
    work = work.share(mesh, axis)
    parts = [work.explain_images(places, chunks) for places in _cut(work.sizes[0], chunks[0])]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


@dataclass(frozen=True)
class _Work:
    """What is to be explained, whole, and the devices that share it along one axis."""

    method: Explanation
    params: Params
    subject: Subject
    samples: Any
    keep: bool
    mesh: Mesh | None = None
    axis: int = 0

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The lengths N, K and S of the axes."""
        leaves = jax.tree.leaves(self.samples)
        samples = len(leaves[0]) if leaves else 1
        images = jax.tree.leaves(self.subject.images)[0]
        return len(images), self.subject.scores, samples

    def share(self, mesh: Mesh | None, axis: int) -> "_Work":
        """Returns the same work for the devices of `mesh`."""
        params = copy_to_all(self.params, mesh)
        return _Work(self.method, params, self.subject, self.samples, self.keep, mesh, axis)

    def inputs(self, places: np.ndarray, scores: np.ndarray, chosen: np.ndarray) -> tuple:
        """Returns what a chunk reads: images `[n]`, items `[n, k]`, samples `[s]`, weights."""
        subject = self.subject
        if subject.paired:
            items = jax.tree.map(lambda leaf: leaf[places][:, scores], subject.items)
        else:
            items = jax.tree.map(
                lambda leaf: np.broadcast_to(
                    np.asarray(leaf)[scores], (len(places), len(scores), *np.shape(leaf)[1:])
                ),
                subject.items,
            )
        samples = jax.tree.map(lambda leaf: leaf[chosen], self.samples)
        images = jax.tree.map(lambda leaf: leaf[places], subject.images)
        return images, items, samples, _mark_first(chosen)

    def explain_images(self, places: np.ndarray, chunks: tuple[int, ...]) -> Any:
        """Returns the explanations of some images, `[n, K, ...]`."""
        _, scores, samples = self.sizes
        parts = [
            self._explain_scores(places, chosen, samples, chunks[2])
            for chosen in _cut(scores, chunks[1])
        ]
        whole = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *parts)
        rows = int(np.sum(_mark_first(places)))
        return jax.tree.map(lambda leaf: leaf[:rows, :scores], whole)

    def _explain_scores(
        self, places: np.ndarray, scores: np.ndarray, count: int, chunk: int
    ) -> Any:
        """Returns the explanations of some scores of some images, `[n, k, ...]`."""
        static = (self.method, self.keep, self.axis, self.mesh)
        total: Any = None
        kept: list[Any] = []
        for chosen in _cut(count, chunk):
            found = _run(*static, self.params, *self.inputs(places, scores, chosen))
            if self.keep:
                # The one before goes to the host while this one is computed.
                kept[-1:] = [jax.tree.map(np.asarray, one) for one in kept[-1:]]
                kept.append(found)
            else:
                total = found if total is None else jax.tree.map(jnp.add, total, found)
        if not self.keep:
            # The sums of the devices meet on the host: no device waits for another one.
            return jax.tree.map(lambda leaf: np.sum(np.asarray(leaf), axis=2), total)
        return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=2)[:, :, :count], *kept)


def _plan(work: _Work, chunk: int | None) -> tuple[Mesh | None, int, tuple[int, ...]]:
    """Chooses the devices, the axis that they share, and how many of each axis are a chunk."""
    devices, sizes = find_devices((work.params, work.subject.images)), work.sizes
    # The longest axis is shared; of equal ones that whose entries have most in common.
    axis = max((1, 2, 0), key=lambda one: sizes[one])
    mesh = make_mesh(devices[: sizes[axis]]) if 2 * sizes[axis] >= len(devices) else None
    shares = count_devices(mesh)
    chunks = [1, 1, 1]
    for one in dict.fromkeys((1, axis)):  # scores first: they share a forward pass
        each = -(-sizes[one] // (shares if one == axis else 1))
        most = chunk if chunk and one == axis else _fit(work, chunks, one, each)
        # As equal as possible: what a last chunk has too little is filled with copies.
        chunks[one] = -(-each // -(-each // min(each, most)))
    chunks[axis] *= shares
    return mesh, axis, tuple(chunks)


def _fit(work: _Work, chunks: list[int], axis: int, each: int) -> int:
    """Returns how many entries of an axis a device has room for, beside the other chunks."""
    if each == 1:
        return 1

    def peak(count: int) -> int:
        numbers = [np.zeros(size, int) for size in chunks]
        numbers[axis] = np.zeros(count, int)
        inputs = work.inputs(*numbers)
        traced = _run.trace(work.method, work.keep, axis, None, work.params, *inputs)
        return memory.peak_bytes(traced.jaxpr.jaxpr)

    one, two = peak(1), peak(2)
    growth = max(two - one, 1)
    if platform_of(work.params) == "cpu":
        return max(1, min(each, MOST, CORE_BYTES // growth))
    return max(1, min(each, (memory.budget() - one) // growth))


@jit(static_argnums=(0, 1, 2, 3))
def _run(
    method: Explanation,
    keep: bool,
    axis: int,
    mesh: Mesh | None,
    params: Params,
    images: Any,
    items: Algebra,
    samples: Any,
    weights: Array,
) -> Any:
    """Computes a chunk `[n, k, s, ...]`; s is 1 a device where samples are added up."""

    def explain_one(params: Params, image: Any, items: Any, sample: Any, weight: Array) -> Any:
        found = jax.vmap(lambda item: method(params, image, item, sample))(items)
        # What fills a chunk up may be NaN, so it is no product with 0.
        return jax.tree.map(lambda leaf: jnp.where(weight > 0, leaf, 0), found)

    def compute(params: Params, images: Any, items: Any, samples: Any, weights: Array) -> Any:
        of_samples = jax.vmap(explain_one, in_axes=(None, None, None, 0, 0), out_axes=1)
        found = jax.vmap(of_samples, in_axes=(None, 0, 0, None, None))(
            params, images, items, samples, weights
        )
        return found if keep else jax.tree.map(lambda leaf: jnp.sum(leaf, 2, keepdims=True), found)

    def lie(*axes: int) -> PartitionSpec:
        return PartitionSpec(*(AXIS if one == axis else None for one in axes))

    # Where items or images are shared, each device adds up the samples of its own.
    specs = (WHOLE, lie(0), lie(0, 1), lie(2), lie(2))
    return share(mesh, compute, specs, lie(0, 1, 2))(params, images, items, samples, weights)


def _cut(count: int, chunk: int) -> Iterator[np.ndarray]:
    """Cuts 0 .. count - 1 into chunks of one length; the last is filled up with copies."""
    for start in range(0, count, chunk):
        places = np.arange(start, start + chunk)
        yield np.where(places < count, places, start)


def _mark_first(places: np.ndarray) -> np.ndarray:
    """Marks by 1 what a chunk is made for, and by 0 the copies at its end."""
    return (places == places[0] + np.arange(len(places))).astype(np.float32)
