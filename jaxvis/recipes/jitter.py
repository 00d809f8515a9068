"""Jitter as a crop of a larger canvas: the canvas and the view that belong together."""

from jaxvis.loss.canvas import Pixels
from jaxvis.loss.views import Centre, Crop, Identity

START = 80.0 / 3**0.5  # grey levels: B / sqrt 3 on every channel is a pixel of norm B


def extent(stride: int) -> int:
    """Returns J = max(round(stride / 4), 1), halves rounded away from zero.

    Offsets are drawn from 0..J-1, so J = 1 is no jitter.

    Args:
      stride: of the tap, in pixels.

    Source: Mahendran & Vedaldi (IJCV 2016), 3.2.3 and section 5; the authors' code.
    """
    return max(int(stride / 4 + 0.5), 1)


def jittered(size: tuple[int, int], stride: int) -> tuple[Pixels, Crop | Identity, Centre]:
    """Returns the canvas, J - 1 pixels larger than `size`, its view and its finish.

    Args:
      size: (H, W) in pixels of what the network sees.
      stride: of the tap, in pixels.
    """
    margin = extent(stride) - 1
    canvas = Pixels((size[0] + margin, size[1] + margin), scale=255.0, init_range=START)
    return canvas, Crop(size) if margin else Identity(), Centre(size)
