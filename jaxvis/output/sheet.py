"""Contact sheets: many images on one page, each with its caption."""

from collections.abc import Callable, Sequence

import numpy as np

from jaxvis.output.arrays import listed, shown
from jaxvis.output.io import resize, text


def contact_sheet(
    images: np.ndarray | Sequence[np.ndarray],
    *,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    cell: int | None = None,
    gap: int = 8,
    background: float = 1.0,
    font_size: int = 13,
) -> np.ndarray:
    """Returns one image that shows many, row by row, captions below.

    Images of different sizes stand in the middle of cells as large as the largest; none
    is enlarged. Pixels that are not finite are shown in magenta. A caption is broken
    between words into up to three lines; what does not fit ends in "...".

    Args:
      images: `[N, H, W, 3]`, `[N, S, H, W, 3]` (S columns), or a sequence of images,
        `[H, W, 3]` or grey `[H, W]`; float in [0, 1], clipped.
      captions: one for each image; for `[N, S, H, W, 3]` also one for each of the N.
      columns: images in a row; None takes S, or makes the sheet about square.
      cell: the longest side of an image in pixels; larger ones are shrunk to it.
      gap: pixels between images and around them.
      background: grey level in [0, 1].
      font_size: in pixels.

    Returns:
      numpy.ndarray: `[H, W, 3]` float32 RGB in [0, 1].

    Raises:
      ValueError: if there is no image, or the captions are not as many as the images.
    """
    pictures, notes, natural = listed(images, captions)
    columns = min(columns or natural, len(pictures))
    pictures = [_shrunk(picture, cell) for picture in pictures]
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    inks = [_ink(note, width, font_size) for note in notes or [""] * len(pictures)]
    below = max(ink.shape[0] for ink in inks)
    step, rows = (height + below + gap, width + gap), -(-len(pictures) // columns)
    shape = (rows * step[0] + gap, columns * step[1] + gap, 3)
    page = np.full(shape, background, np.float32)
    pen = 0.0 if background > 0.5 else 1.0
    for i, (picture, ink) in enumerate(zip(pictures, inks)):
        top, left = gap + i // columns * step[0], gap + i % columns * step[1]
        _centre(page[top : top + height, left : left + width], picture)
        here = page[top + height : top + height + len(ink), left : left + width]
        here += (pen - here) * ink[..., None]
    return page


def _shrunk(image: np.ndarray, cell: int | None) -> np.ndarray:
    """Returns `[h, w, 3]` in [0, 1], shrunk to the cell, failures in magenta."""
    image = shown(image)
    longest = max(image.shape[:2])
    if cell is None or longest <= cell:
        return image
    height, width = (max(1, round(n * cell / longest)) for n in image.shape[:2])
    return resize(image, (height, width))


def _centre(place: np.ndarray, picture: np.ndarray) -> None:
    top = (place.shape[0] - picture.shape[0]) // 2
    left = (place.shape[1] - picture.shape[1]) // 2
    place[top : top + picture.shape[0], left : left + picture.shape[1]] = picture


def _ink(caption: str, width: int, size: int) -> np.ndarray:
    """Returns a caption as `[h, width]` ink: centred lines, h = 0 if it is empty."""
    lines = []
    for line in _broken(caption, width, size):
        ink = text(line, size=size)[:, :width]
        left = (width - ink.shape[1]) // 2
        lines.append(np.pad(ink, ((0, 0), (left, width - ink.shape[1] - left))))
    return np.concatenate(lines) if lines else np.zeros((0, width), np.float32)


def _broken(caption: str, width: int, size: int, most: int = 3) -> list[str]:
    """Returns a caption as lines that fit a width in pixels, `most` of them."""

    def fits(line: str) -> bool:
        return text(line, size=size).shape[1] <= width

    lines: list[str] = []
    for word in caption.split():
        if lines and fits(f"{lines[-1]} {word}"):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > most:
        lines[most - 1 :] = [f"{lines[most - 1]}..."]
    return [_shortened(line, fits) for line in lines]


def _shortened(line: str, fits: Callable[[str], bool]) -> str:
    if fits(line):
        return line
    line = line.removesuffix("...")
    while line and not fits(f"{line}..."):
        line = line[:-1]
    return f"{line}..."
