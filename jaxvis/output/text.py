"""Text as ink on an array, with Pillow's own font."""

import functools
import math

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont


def draw_text(line: str, *, size: int = 13) -> np.ndarray:
    """Draws one line of text as ink, in the font that comes with Pillow.

    Args:
      line: the text.
      size: font size in pixels.

    Returns:
      numpy.ndarray: `[h, w]` float32, 1 where there is ink; h depends on `size` alone.
    """
    font = _load_font(size)
    ascent, descent = font.getmetrics()
    left, _, right, _ = font.getbbox(line or " ")
    width = max(1, math.ceil(right - min(left, 0)))
    page = Pillow.new("L", (width, ascent + descent), 0)
    ImageDraw.Draw(page).text((-min(left, 0), 0), line, fill=255, font=font)
    return np.asarray(page, np.float32) / 255


@functools.lru_cache(maxsize=16)
def _load_font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise OSError("Pillow lacks FreeType, which captions are drawn with: reinstall Pillow")
    return font
