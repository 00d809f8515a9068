"""Contact sheets: many images on one page, each with its caption."""

from collections.abc import Callable, Sequence

import numpy as np

from jaxvis.output.arrays import lay_out, to_display
from jaxvis.output.resample import resample
from jaxvis.output.text import draw_text
from jaxvis.types import Run


def contact_sheet(
    images: np.ndarray | Sequence[np.ndarray] | Run,
    *,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    cell: int | None = None,
    gap: int = 8,
    background: float = 1.0,
    font_size: int = 13,
) -> np.ndarray:
    """Draws one image that shows many, row by row, with captions below.

    All cells are as large as the largest image. A smaller image stands in the middle of
    its cell and is not enlarged. Pixels that are not finite are shown in magenta. A
    caption is broken between words into up to three lines; what does not fit ends in
    "...".

    Args:
      images: `[N, H, W, 3]`, `[N, S, H, W, 3]` (S columns), or a sequence of images,
        `[H, W, 3]` or grey `[H, W]`; float in [0, 1], clipped, or uint8. A Run is shown
        with a note under every item that did not end well.
      captions: one for each image; for `[N, S, H, W, 3]` also one for each of the N.
      columns: images in a row; None takes S if it is above 1, or makes the sheet about
        square.
      cell: the longest side of an image in pixels; larger ones are shrunk to it.
      gap: pixels between images and around them.
      background: grey level in [0, 1].
      font_size: in pixels.

    Returns:
      numpy.ndarray: `[H, W, 3]` float32 RGB in [0, 1].

    Raises:
      ValueError: if there is no image, or the captions are not as many as the images.
    """
    pictures, notes, natural = lay_out(images, captions)
    columns = min(columns or natural, len(pictures))
    pictures = [_shrink(picture, cell) for picture in pictures]
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    inks = [_draw_caption(note, width, font_size) for note in notes or [""] * len(pictures)]
    below = max(ink.shape[0] for ink in inks)
    step, rows = (height + below + gap, width + gap), -(-len(pictures) // columns)
    shape = (rows * step[0] + gap, columns * step[1] + gap, 3)
    page = np.full(shape, background, np.float32)
    pen = 0.0 if background > 0.5 else 1.0
    for i, (picture, ink) in enumerate(zip(pictures, inks)):
        top, left = gap + i // columns * step[0], gap + i % columns * step[1]
        _place(page[top : top + height, left : left + width], picture)
        here = page[top + height : top + height + len(ink), left : left + width]
        here += (pen - here) * ink[..., None]
    return page


def _shrink(image: np.ndarray, cell: int | None) -> np.ndarray:
    """Shrinks an image to the cell: `[h, w, 3]` in [0, 1], failures in magenta."""
    image = to_display(image)
    longest = max(image.shape[:2])
    if cell is None or longest <= cell:
        return image
    height, width = (max(1, round(n * cell / longest)) for n in image.shape[:2])
    return resample(image, (height, width))


def _place(place: np.ndarray, picture: np.ndarray) -> None:
    """Copies a picture into the middle of its place on the page."""
    top = (place.shape[0] - picture.shape[0]) // 2
    left = (place.shape[1] - picture.shape[1]) // 2
    place[top : top + picture.shape[0], left : left + picture.shape[1]] = picture


def _draw_caption(caption: str, width: int, size: int) -> np.ndarray:
    """Draws a caption as `[h, width]` ink: centred lines, h = 0 if it is empty."""
    lines = []
    for line in _break_lines(caption, width, size):
        ink = draw_text(line, size=size)[:, :width]
        left = (width - ink.shape[1]) // 2
        lines.append(np.pad(ink, ((0, 0), (left, width - ink.shape[1] - left))))
    return np.concatenate(lines) if lines else np.zeros((0, width), np.float32)


def _break_lines(caption: str, width: int, size: int, most: int = 3) -> list[str]:
    """Breaks a caption into at most `most` lines that fit a width in pixels."""

    def fits(line: str) -> bool:
        return draw_text(line, size=size).shape[1] <= width

    lines: list[str] = []
    for word in caption.split():
        if lines and fits(f"{lines[-1]} {word}"):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > most:
        lines[most - 1 :] = [f"{lines[most - 1]}..."]
    return [_shorten(line, fits) for line in lines]


def _shorten(line: str, fits: Callable[[str], bool]) -> str:
    if fits(line):
        return line
    line = line.removesuffix("...")
    while line and not fits(f"{line}..."):
        line = line[:-1]
    return f"{line}..."
