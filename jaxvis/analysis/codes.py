"""The codes of many images at a tap, read in one pass through one compiled program."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from tqdm import tqdm

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
from jaxvis.images import check_images, to_channels
from jaxvis.loss.objectives import average_positions
from jaxvis.network import Network
from jaxvis.optimize import memory
from jaxvis.platform import platform_of
from jaxvis.train.images import Images, open_folder, read_in_order
from jaxvis.types import Array, ImageLike, Params

PIXELS = "pixels"
"""The word for the image itself, in the place of a tap."""
Pool = Literal["mean", "flatten"]
"""What becomes of a tap's positions: their mean, or all of them in a row."""
ImagesLike = str | os.PathLike | Images | ImageLike | Sequence[ImageLike]
"""Images: a folder, an opened one, or `[N, H, W, C]` in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of images.

    Attributes:
      values: `[N, d]` float32.
      names: `[N]`, of the images.
      tap: the layer, or "pixels".
      pool: what became of its positions.
      size: (H, W) of the images in pixels.
    """

    values: np.ndarray
    names: tuple[str, ...]
    tap: str
    pool: Pool
    size: tuple[int, int]

    def __len__(self) -> int:
        """Gives the number of images."""
        return len(self.names)


@dataclass(frozen=True)
class Look:
    """What is read from an image. Static and hashable.

    Args:
      net: the network.
    """

    net: Network

    def __call__(self, params: Any, image: Array, number: Array) -> Any:
        """Computes a pytree of arrays.

        Args:
          params: what `stream` was given: the network's parameters, or a pytree with them.
          image: `[H, W, C]` float32 in [0, 1], as the network takes it.
          number: `[]` int, of the image.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it reads")


@dataclass(frozen=True)
class ReadCode(Look):
    """The reading of the code at a tap, `[d]`.

    Args:
      tap: the layer, or "pixels".
      pool: what becomes of its positions.
    """

    tap: str
    pool: Pool

    def __call__(self, params: Any, image: Array, number: Array) -> Array:
        """Computes the code.

        Args:
          params, image, number: see `Look`.
        """
        del number
        values = image
        if self.tap != PIXELS:
            values = self.net.apply(params, image, stop=self.tap)[self.tap]
        return average_positions(values) if self.pool == "mean" else values.reshape(-1)


def open_images(
    net: Network,
    images: ImagesLike,
    *,
    size: tuple[int, int] | None = None,
    progress: bool = False,
) -> Images:
    """Opens the images of a folder, or checks images that are there.

    Args:
      net: the network that will see them.
      images: a folder, an opened one, or `[N, H, W, C]` in [0, 1].
      size: (H, W) in pixels to which the images of a folder are cropped; None takes the
        network's native size.
      progress: whether to show a bar.

    Raises:
      OSError: if there is no such folder.
      ValueError: for what are no images.
    """
    if isinstance(images, Images):
        return images
    if isinstance(images, str | os.PathLike):
        return open_folder(images, size=size or net.input_size, progress=progress)
    there = np.asarray(check_images(images, "the images", channels=net.channels))
    names = tuple(str(number) for number in range(len(there)))
    return Images((there.shape[1], there.shape[2]), names, tuple(there))


def collect_codes(
    net: Network,
    params: Params,
    images: ImagesLike,
    tap: str,
    *,
    pool: Pool | None = None,
    size: tuple[int, int] | None = None,
    chunk: int | None = None,
    progress: bool = False,
) -> Codes:
    """Collects the codes of images at a tap, or their pixels.

    The images stream through the network; only the codes are kept.

    Args:
      net, params: the network.
      images: a folder (files that cannot be used are skipped), an opened one, or
        `[N, H, W, C]` in [0, 1].
      tap: the layer, or "pixels".
      pool: "mean" averages a map `[h, w, c]` over its positions, "flatten" keeps it whole, as
        `[h w c]`. None averages the maps of layers and keeps pixels. A vector stays one.
      size: (H, W) in pixels to which the images of a folder are cropped; None takes the
        network's native size.
      chunk: images that a device takes together; None fits them to the machine.
      progress: whether to show a bar.

    Returns:
      Codes: values `[N, d]` and the names of the images.

    Raises:
      OSError: if there is no such folder.
      ValueError: for an unknown tap or way to pool, what are no images, or codes that together
        do not fit into memory.

    >>> import numpy as np
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((64, 64, 3))
    >>> jaxvis.collect_codes(net, params, [image], "conv2_1").values.shape
    (1, 32)
    """
    if tap != PIXELS:
        net.check_taps(tap)
    chosen: Pool = pool or ("flatten" if tap == PIXELS else "mean")
    if chosen not in get_args(Pool):
        raise ValueError(f"pool is {' or '.join(get_args(Pool))}, not {pool!r}")
    shown = open_images(net, images, size=size, progress=progress)
    look = ReadCode(net, tap, chosen)
    values = stream(look, params, shown, chunk=chunk, progress=progress)
    return Codes(values, shown.names, tap, chosen, shown.size)


def stream(
    look: Look,
    params: Any,
    images: Images,
    *,
    chunk: int | None = None,
    progress: bool = False,
) -> Any:
    """Looks at every image once, on all devices: a pytree of NumPy arrays `[N, ...]`.

    Args:
      look: what is read; equal ones never compile again.
      params: the network's parameters, or a pytree with them that `look` understands.
      images: those to look at.
      chunk: images that a device takes together; None fits them to the machine.
      progress: whether to show a bar.

    Raises:
      ValueError: for a chunk below 1, or if what is read does not fit into memory.
    """
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    mesh = make_mesh(find_devices(params)[: len(images)])
    count = count_devices(mesh)
    whole = _make_room(look, params, images)
    each = chunk or _choose_chunk(look, params, images, count)
    ready = copy_to_all(params, mesh)
    with tqdm(total=len(images), disable=not progress, delay=1) as bar:
        for numbers, batch in read_in_order(images, batch=min(each, len(images)) * count):
            found = _run(look, mesh, ready, *split_items((batch, numbers.astype(np.int32)), mesh))
            real = slice(0, min(len(numbers), len(images) - numbers[0]))
            place = slice(numbers[0], numbers[0] + real.stop)
            for room, leaf in zip(whole[0], jax.tree.leaves(found)):
                room[place] = np.asarray(leaf)[real]
            bar.update(real.stop)
    return jax.tree.unflatten(whole[1], whole[0])


def _make_room(look: Look, params: Any, images: Images) -> tuple[list[np.ndarray], Any]:
    """Makes the arrays that the results of all images go to."""
    shapes = _run.eval_shape(look, None, params, *_describe(images, 1))
    leaves, tree = jax.tree.flatten(shapes)
    size = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves) * len(images)
    if size > memory.budget() and platform_of(params) == "cpu":
        raise ValueError(
            f"what is read from {len(images)} images takes {size / 2**30:.1f} GiB, more than "
            "there is memory for: average it over positions (pool='mean'), or take fewer images"
        )
    return [np.empty((len(images), *leaf.shape[1:]), leaf.dtype) for leaf in leaves], tree


def _choose_chunk(look: Look, params: Any, images: Images, devices: int) -> int:
    """Chooses how many images each of the devices takes together."""
    most = -(-len(images) // devices)
    if platform_of(params) == "cpu":
        return memory.choose_core_items(math.prod(images.size), most, devices)
    one, two = (
        memory.peak_bytes(_run.trace(look, None, params, *_describe(images, n)).jaxpr.jaxpr)
        for n in (1, 2)
    )
    return max(1, min(most, (memory.budget() - one) // max(two - one, 1)))


def _describe(images: Images, count: int) -> Iterator[jax.ShapeDtypeStruct]:
    first = images[0]
    yield jax.ShapeDtypeStruct((count, *first.shape), first.dtype)
    yield jax.ShapeDtypeStruct((count,), np.int32)


@jit(static_argnums=(0, 1))
def _run(look: Look, mesh: Mesh | None, params: Any, images: Array, numbers: Array) -> Any:
    """Looks at a chunk of images."""

    def see(params: Any, image: Array, number: Array) -> Any:
        if image.dtype == jnp.uint8:
            image = image.astype(jnp.float32) / 255
        return look(params, jnp.asarray(to_channels(image, look.net.channels)), number)

    def compute(params: Any, images: Array, numbers: Array) -> Any:
        return jax.vmap(see, in_axes=(None, 0, 0))(params, images, numbers)

    return share(mesh, compute, (WHOLE, PARTS, PARTS), PARTS)(params, images, numbers)
