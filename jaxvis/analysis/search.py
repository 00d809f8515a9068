"""The pass over images that finds the largest responses of all channels of several layers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from tqdm import tqdm

from jaxvis.analysis.relevance import weigh_taps
from jaxvis.analysis.responses import (
    NONE,
    Counts,
    Tops,
    add_counts,
    add_tops,
    begin_counts,
    begin_tops,
    find_largest,
    find_several,
    join_counts,
    join_tops,
)
from jaxvis.compiler import jit
from jaxvis.devices import (
    PARTS,
    WHOLE,
    copy_to_all,
    count_devices,
    find_devices,
    make_mesh,
    share,
    split_items,
)
from jaxvis.images import to_channels
from jaxvis.network import Network
from jaxvis.optimize import memory
from jaxvis.platform import platform_of
from jaxvis.train.images import Images, read_in_order
from jaxvis.types import Array, Params


class Findings(NamedTuple):
    """What is known of the channels of one layer, or of several in a row.

    Attributes:
      tops: the largest activations.
      counts: the histogram.
      relevant: the largest relevance, or None.
    """

    tops: Tops
    counts: Counts
    relevant: Tops | None


@dataclass(frozen=True)
class Search:
    """What is searched for. Static and hashable.

    Args:
      net: the network.
      taps: the layers.
      top: how many of each channel.
      several: whether an image may give several of them.
      relevance: whether the largest relevance is searched for too.
    """

    net: Network
    taps: tuple[str, ...]
    top: int
    several: bool = False
    relevance: bool = False

    def begin(self, channels: int, images: int) -> Findings:
        """Makes what is known before the first image.

        Args:
          channels: of all layers together.
          images: how many will come.
        """
        top = self.top if self.several else min(self.top, images)
        relevant = begin_tops(channels, min(top, images)) if self.relevance else None
        return Findings(begin_tops(channels, top), begin_counts(channels), relevant)

    def look(self, params: Params, image: Array, index: Array) -> tuple:
        """Finds the largest responses of all layers to one image, `[m, c]` and `[c]`.

        Args:
          params: the network's parameters.
          image: `[H, W, C]`, float in [0, 1] or uint8.
          index: the class that is explained; -1 for the image's best.
        """
        if image.dtype == jnp.uint8:
            image = image.astype(jnp.float32) / 255
        image = jnp.asarray(to_channels(image, self.net.channels))
        if self.relevance:
            found, weighed = weigh_taps(self.net, params, image, self.taps, index)
        else:
            found, weighed = self.net.apply(params, image, stop=self.taps), {}
        # The channels of all layers stand in a row: what is done with them is done once.
        each = [self._measure(found[tap], weighed.get(tap)) for tap in self.taps]
        return jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=-1), *each)

    def _measure(self, values: Array, relevance: Array | None) -> tuple:
        largest = find_largest(values)
        if self.several:
            tops = find_several(values, self.top)
        else:
            tops = (largest[0][None], largest[1][None])
        if relevance is None:
            return tops, largest, None
        whole = relevance.sum((0, 1)) if relevance.ndim == 3 else relevance
        return tops, largest, (whole[None], find_largest(relevance)[1][None])


def run_search(
    search: Search,
    params: Params,
    images: Images,
    *,
    index: int = -1,
    chunk: int | None = None,
    progress: bool = False,
) -> dict[str, Findings]:
    """Searches images, which stream through all devices; gives NumPy arrays for each layer.

    Args:
      search: what is searched for.
      params: the network's parameters.
      images: those to search.
      index: the class that is explained; -1 for each image's best.
      chunk: images that a device takes together; None fits them to the machine.
      progress: whether to show a bar.
    """
    devices = find_devices(params)
    mesh = make_mesh(devices[: len(images)])
    count = count_devices(mesh)
    ready = copy_to_all(search.net.prepare(params, size=images.size), mesh)
    widths = [search.net.shape(params, tap, size=images.size)[-1] for tap in search.taps]
    begun = search.begin(sum(widths), len(images))
    each = chunk or _choose_chunk(search, ready, images, begun, count)
    known = split_items(jax.tree.map(lambda leaf: jnp.stack([leaf] * count), begun), mesh)
    target = copy_to_all(jnp.int32(index), mesh)
    with tqdm(total=len(images), disable=not progress, delay=1) as bar:
        for numbers, batch in _read(images, each * count):
            given = split_items((batch, numbers), mesh)
            known = _update(search, mesh, ready, known, *given, target)
            bar.update(int(np.sum(numbers != NONE)))
    whole, ends = _join(known), np.cumsum(widths)
    places = [slice(end - width, end) for width, end in zip(widths, ends)]
    return {
        tap: jax.tree.map(lambda leaf, place=place: leaf[place], whole)
        for tap, place in zip(search.taps, places)
    }


def _read(images: Images, batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields numbers and images; those that fill up the last batch have no number."""
    for numbers, batch_ in read_in_order(images, batch=batch):
        again = numbers[0] + np.arange(len(numbers)) != numbers
        yield np.where(again, NONE, numbers).astype(np.int32), batch_


def _join(found: Findings) -> Findings:
    relevant = None if found.relevant is None else join_tops(found.relevant)
    return Findings(join_tops(found.tops), join_counts(found.counts), relevant)


def _choose_chunk(
    search: Search, params: Params, images: Images, begun: Findings, devices: int
) -> int:
    """Chooses how many images each of the devices takes together."""
    most = -(-len(images) // devices)
    if platform_of(params) == "cpu":
        return memory.choose_core_items(math.prod(images.size), most, devices)
    known = jax.tree.map(lambda leaf: leaf[None], begun)

    def peak(count: int) -> int:
        batch = jax.ShapeDtypeStruct((count, *images[0].shape), images[0].dtype)
        numbers = jax.ShapeDtypeStruct((count,), jnp.int32)
        traced = _update.trace(search, None, params, known, batch, numbers, jnp.int32(-1))
        return memory.peak_bytes(traced.jaxpr.jaxpr)

    one, two = peak(1), peak(2)
    return max(1, min(most, (memory.budget() - one) // max(two - one, 1)))


@jit(static_argnums=(0, 1), donate_argnums=(3,))
def _update(
    search: Search,
    mesh: Mesh | None,
    params: Params,
    known: Findings,
    images: Array,
    numbers: Array,
    index: Array,
) -> Findings:
    """Adds a chunk of images to what is known; leaves are `[d, ...]` for d devices."""

    def compute(
        params: Params, known: Findings, images: Array, numbers: Array, index: Array
    ) -> Findings:
        seen = jax.vmap(lambda image: search.look(params, image, index))(images)
        new = _add(jax.tree.map(lambda leaf: leaf[0], known), seen, numbers)
        return jax.tree.map(lambda leaf: leaf[None], new)

    specs = (WHOLE, PARTS, PARTS, PARTS, WHOLE)
    return share(mesh, compute, specs, PARTS)(params, known, images, numbers, index)


def _add(known: Findings, seen: tuple, numbers: Array) -> Findings:
    (values, units), (largest, places), relevant = seen
    tops = (
        None
        if known.relevant is None
        else add_tops(known.relevant, relevant[0], relevant[1], numbers)
    )
    return Findings(
        add_tops(known.tops, values, units, numbers),
        add_counts(known.counts, largest, places, numbers),
        tops,
    )
