"""Images to train on: a folder or an array, read ahead, the same again after a resume.

Which images step k gets is a function of the seed and k alone: a training that goes on
after a kill sees what it would have seen.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxvis.output.io import crop_to, read_image, resize

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")
"""Endings of the files that are tried; others are not looked at."""
MEMORY = 2**30
"""Bytes of decoded images that are kept; what is beyond is read again when needed."""
AHEAD = 3
"""Batches made ready before they are asked for."""
FITS = ("crop", "stretch")
"""How an image gets its size: cover it and cut the middle, or ignore its shape."""


@dataclass(frozen=True, eq=False)
class Images:
    """Returns images of one size, by number.

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
        """Returns how many there are."""
        return len(self.sources)

    def __getitem__(self, index: int) -> np.ndarray:
        """Returns one image, `[H, W, 3]` uint8."""
        source = self.sources[index]
        if isinstance(source, np.ndarray):
            return source
        return fitted(source, self.size, fit=self.fit)

    def take(self, index: np.ndarray) -> "Images":
        """Returns some of the images.

        Args:
          index: `[k]` int, which.
        """
        return Images(
            self.size,
            tuple(self.names[i] for i in index),
            tuple(self.sources[i] for i in index),
            self.fit,
            self.skipped,
        )


def fitted(path: Path, size: tuple[int, int], *, fit: str = "crop") -> np.ndarray:
    """Returns an image file at a size, `[H, W, 3]` uint8.

    Args:
      path: the file.
      size: (H, W) in pixels.
      fit: a name of `FITS`.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is no image, is damaged, or is less than half of `size` on a
        side: enlarged further it would teach nothing but blur.
    """
    image = read_image(path)
    if any(2 * have < want for have, want in zip(image.shape[:2], size)):
        raise ValueError(
            f"{path} has {image.shape[0]}x{image.shape[1]} pixels, less than half of "
            f"{size[0]}x{size[1]}"
        )
    image = crop_to(image, size) if fit == "crop" else resize(image, size)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def open_folder(
    folder: str | os.PathLike,
    *,
    size: tuple[int, int],
    fit: str = "crop",
    memory: int = MEMORY,
    progress: bool = False,
) -> Images:
    """Returns the images of a folder and its subfolders, each decoded once to check it.

    Files that cannot be read, or are too small, are skipped; `Images.skipped` says why.

    Args:
      folder: where; hidden files are left out.
      size: (H, W) in pixels that every image gets.
      fit: a name of `FITS`.
      memory: bytes of decoded images to keep; the others are read when needed.
      progress: whether to show a bar.

    Raises:
      OSError: if there is no such folder.
      ValueError: for an unknown fit, a folder without images, or one of which none can
        be read; the message says why not.
    """
    folder = Path(folder)
    if fit not in FITS:
        raise ValueError(f"fit is {' or '.join(FITS)}, not {fit!r}")
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not paths:
        raise ValueError(f"{folder} holds no image ({', '.join(ENDINGS)})")

    def check(path: Path) -> np.ndarray | Exception:
        try:
            return fitted(path, size, fit=fit)
        except (OSError, ValueError) as error:
            return error

    names, sources, skipped = [], [], {}
    keep = memory // (size[0] * size[1] * 3)
    with ThreadPoolExecutor(_workers()) as pool:
        # In portions: what is beyond `memory` must not pile up decoded.
        results = _in_order(pool, check, paths)
        bar = tqdm(results, total=len(paths), disable=not progress, delay=1)
        for path, image in zip(paths, bar):
            name = path.relative_to(folder).as_posix()
            if isinstance(image, Exception):
                skipped[name] = str(image)
                continue
            names.append(name)
            sources.append(image if len(sources) < keep else path)
    if not sources:
        first = next(iter(skipped.values()))
        raise ValueError(
            f"none of the {len(skipped)} images in {folder} can be used; the first: {first}"
        )
    return Images(size, tuple(names), tuple(sources), fit, skipped)


def from_array(images: np.ndarray) -> Images:
    """Returns the images of an array.

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
    """Returns (images to train on, images held out), chosen at random.

    Args:
      images: all of them.
      fraction: held out; at least one image is, unless it is 0.
      seed: of the choice.

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


def drawn(count: int, step: int, *, batch: int, seed: int = 0) -> np.ndarray:
    """Returns which images a step gets, `[batch]`: all of them once an epoch.

    Args:
      count: images there are.
      step: how many steps came before.
      batch: images a step.
      seed: of the order, which is another one in every epoch.
    """
    at = np.arange(step * batch, (step + 1) * batch)
    epochs, places = np.divmod(at, count)
    orders = {
        epoch: np.random.default_rng((seed, 0, epoch)).permutation(count)
        for epoch in map(int, np.unique(epochs))
    }
    return np.array([orders[int(e)][p] for e, p in zip(epochs, places)])


def batches(
    images: Images, steps: range, *, batch: int, seed: int = 0, ahead: int = AHEAD
) -> Iterator[np.ndarray]:
    """Yields the batches of steps, `[batch, H, W, 3]` uint8, made ready in threads.

    Args:
      images: what to draw from.
      steps: the numbers of the steps.
      batch: images a step.
      seed: of the order.
      ahead: batches that are made ready while others are used.
    """

    def ready(step: int) -> np.ndarray:
        index = drawn(len(images), step, batch=batch, seed=seed)
        return np.stack([images[i] for i in index])

    with ThreadPoolExecutor(_workers()) as pool:
        yield from _in_order(pool, ready, steps, ahead=ahead)


def _workers() -> int:
    return min(8, os.cpu_count() or 1)


def _in_order(pool: ThreadPoolExecutor, call: Callable, values, *, ahead: int = 64) -> Iterator:
    """Yields call(value) in order, at most `ahead` of them under way or waiting."""
    values = iter(values)
    waiting = [pool.submit(call, value) for value in islice(values, ahead)]
    try:
        while waiting:
            done = waiting.pop(0).result()
            waiting += [pool.submit(call, value) for value in islice(values, 1)]
            yield done
    finally:
        for future in waiting:
            future.cancel()
