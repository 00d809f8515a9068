"""Images to train on: from a folder or an array, read ahead, in a repeatable order.

Which images step k gets depends on the seed and on k alone. A training that is resumed
therefore sees the same images as an uninterrupted one.
"""

import os
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jaxvis.output.folder import list_images, read_folder
from jaxvis.output.io import read_image
from jaxvis.output.resample import crop_to, resample
from jaxvis.output.threads import map_ahead

MEMORY = 2**30
"""Bytes of decoded images that are kept; those beyond are read again when needed."""
AHEAD = 3
"""Batches made ready before they are asked for."""
FITS = ("crop", "stretch")
"""How an image gets its size: cover it and cut the middle, or ignore the aspect ratio."""


@dataclass(frozen=True, eq=False)
class Images:
    """A numbered collection of images of one size.

    Args:
      size: (H, W) in pixels.
      names: of every image: its path inside the folder, or its number.
      sources: of every image: uint8 `[H, W, 3]`, or the path of a file to read.
      fit: a name of `FITS`, for files.
      skipped: file -> why it was left out.
    """

    size: tuple[int, int]
    names: tuple[str, ...]
    sources: tuple[np.ndarray | Path, ...]
    fit: str = "crop"
    skipped: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Gives the number of images."""
        return len(self.sources)

    def __getitem__(self, index: int) -> np.ndarray:
        """Returns one image, `[H, W, 3]` uint8; it is read if it is not in memory."""
        source = self.sources[index]
        if isinstance(source, np.ndarray):
            return source
        return read_at_size(source, self.size, fit=self.fit)

    def take(self, index: np.ndarray) -> "Images":
        """Returns a collection of some of the images.

        Args:
          index: the numbers of the images, `[k]` int.
        """
        return Images(
            self.size,
            tuple(self.names[i] for i in index),
            tuple(self.sources[i] for i in index),
            self.fit,
            self.skipped,
        )


def read_at_size(path: Path, size: tuple[int, int], *, fit: str = "crop") -> np.ndarray:
    """Reads an image file and resizes it, `[H, W, 3]` uint8.

    Args:
      path: the file.
      size: (H, W) in pixels.
      fit: a name of `FITS`.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is no image, is damaged, or has a side of less than half of
        `size`: images enlarged more than twice would teach the network to blur.
    """
    image = read_image(path)
    if any(2 * have < want for have, want in zip(image.shape[:2], size)):
        raise ValueError(
            f"{path} has {image.shape[0]}x{image.shape[1]} pixels, less than half of "
            f"{size[0]}x{size[1]}: use a larger image, or train at a smaller size"
        )
    image = crop_to(image, size) if fit == "crop" else resample(image, size)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def open_folder(
    folder: str | os.PathLike,
    *,
    size: tuple[int, int],
    fit: str = "crop",
    only: Collection[str] | None = None,
    memory: int = MEMORY,
    progress: bool = False,
) -> Images:
    """Opens the images of a folder and its subfolders; each is decoded once to check it.

    Files that cannot be read, are too small, or are no images, are skipped; `Images.skipped`
    says why.

    Args:
      folder: the folder; hidden files are left out.
      size: (H, W) in pixels that every image gets.
      fit: a name of `FITS`.
      only: the names of the files to open, as `list_files` gives them, of which none has to
        be usable; None opens all.
      memory: bytes of decoded images to keep; the others are read when needed.
      progress: whether to show a bar.

    Raises:
      OSError: if there is no such folder.
      ValueError: for an unknown fit, a folder without images, or one of which none can
        be used; the message says why not.
    """
    if fit not in FITS:
        raise ValueError(f"fit is {' or '.join(FITS)}, not {fit!r}")
    keep = memory // (size[0] * size[1] * 3)
    names: list[str] = []
    sources: list[np.ndarray | Path] = []
    skipped: dict[str, str] = {}
    for image in read_folder(
        folder,
        skipped=skipped,
        read=lambda path: read_at_size(path, size, fit=fit),
        only=only,
        progress=progress,
    ):
        names.append(image.name)
        sources.append(image.value if len(sources) < keep else image.path)
    return Images(size, tuple(names), tuple(sources), fit, skipped)


def list_files(folder: str | os.PathLike) -> dict[str, Path]:
    """Lists the image files of a folder and its subfolders by name, without opening them.

    Args:
      folder: the folder; hidden files are left out.

    Raises:
      OSError: if there is no such folder.
      ValueError: for a folder without images.
    """
    root = Path(folder)
    return {path.relative_to(root).as_posix(): path for path in list_images(root)}


def from_array(images: np.ndarray) -> Images:
    """Makes a collection of the images of an array.

    Args:
      images: `[N, H, W, 3]` or grey `[N, H, W]`, uint8.

    Raises:
      ValueError: for another shape or type, or no image.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = np.repeat(images[..., None], 3, axis=-1)
    if images.dtype != np.uint8 or images.ndim != 4 or not images.size:
        raise ValueError(
            "images are [N, H, W, 3] or grey [N, H, W] uint8 in 0..255, not "
            f"{images.dtype} {images.shape}"
        )
    names = tuple(str(i) for i in range(len(images)))
    return Images(images.shape[1:3], names, tuple(images))


def split(images: Images, fraction: float, *, seed: int = 0) -> tuple[Images, Images]:
    """Splits images at random, into those to train on and those held out.

    Args:
      images: all of them.
      fraction: the share to hold out; unless it is 0, at least one image is held out.
      seed: of the random choice.

    Returns:
      tuple: (images to train on, images held out).

    Raises:
      ValueError: for a fraction outside [0, 1), or if nothing is left to train on.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"the held out fraction is in [0, 1), not {fraction}")
    held = max(1, round(fraction * len(images))) if fraction else 0
    if held >= len(images):
        raise ValueError(f"{len(images)} images are too few to hold out {fraction:g} of them")
    order = np.random.default_rng((seed, 1)).permutation(len(images))
    return images.take(np.sort(order[held:])), images.take(np.sort(order[:held]))


def draw_batch(count: int, step: int, *, batch: int, seed: int = 0) -> np.ndarray:
    """Draws the numbers of the images of a step, `[batch]`: every image once an epoch.

    Args:
      count: how many images there are.
      step: how many steps came before.
      batch: images a step.
      seed: of the order, which is different in every epoch.
    """
    at = np.arange(step * batch, (step + 1) * batch)
    epochs, places = np.divmod(at, count)
    orders = {
        epoch: np.random.default_rng((seed, 0, epoch)).permutation(count)
        for epoch in map(int, np.unique(epochs))
    }
    return np.array([orders[int(e)][p] for e, p in zip(epochs, places)])


def read_batches(
    images: Images, steps: range, *, batch: int, seed: int = 0, ahead: int = AHEAD
) -> Generator[np.ndarray, None, None]:
    """Yields the batches of steps, `[batch, H, W, 3]` uint8, read ahead in threads.

    Args:
      images: what to draw from.
      steps: the numbers of the steps.
      batch: images a step.
      seed: of the order.
      ahead: batches that are read while others are used.
    """

    def read(step: int) -> np.ndarray:
        index = draw_batch(len(images), step, batch=batch, seed=seed)
        return np.stack([images[i] for i in index])

    yield from map_ahead(read, steps, ahead=ahead)


def read_in_order(
    images: Images, *, batch: int, ahead: int = AHEAD
) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
    """Yields all images once, in their order: (numbers `[batch]`, images `[batch, H, W, 3]`).

    They are read ahead in threads. The last batch is filled up with its first image, whose
    number then comes again.

    Args:
      images: what to read.
      batch: images at a time.
      ahead: batches that are read while others are used.
    """

    def read(first: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.arange(first, first + batch)
        numbers[numbers >= len(images)] = first
        return numbers, np.stack([images[int(i)] for i in numbers])

    yield from map_ahead(read, range(0, len(images), batch), ahead=ahead)
