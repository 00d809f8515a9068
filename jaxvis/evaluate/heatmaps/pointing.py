"""The pointing game: whether the hottest pixel of a heatmap lies on the object."""

import numpy as np

from jaxvis.evaluate.heatmaps.judging import check_heat
from jaxvis.types import ArrayLike


def pointing_game(
    heat: ArrayLike,
    *,
    boxes: ArrayLike | None = None,
    masks: ArrayLike | None = None,
    tolerance: int = 15,
) -> np.ndarray:
    """Tells whether the hottest pixel of each heatmap lies on the object, or near it.

    The mean over many images is the accuracy of the pointing game. A flat map points
    nowhere and misses.

    Args:
      heat: `[..., H, W]`, the heatmaps.
      boxes: `[..., 4]`, (top, left, bottom, right) of the object in pixels; bottom and right
        are the first pixels outside. Leading axes are broadcast to those of the maps.
      masks: instead of boxes `[..., H, W]`, true on the object.
      tolerance: how many pixels beside the object still count.

    Returns:
      np.ndarray: `[...]`, true or false.

    Raises:
      ValueError: for heatmaps that are none, for boxes and masks at once or neither, for a
        negative tolerance, or for shapes that do not fit.

    Source: Zhang et al., Top-down neural attention by excitation backprop (2018).

    >>> import numpy as np
    >>> import jaxvis
    >>> heat = np.zeros((64, 64))
    >>> heat[20, 30] = 1
    >>> bool(jaxvis.pointing_game(heat, boxes=(10, 10, 40, 40)))
    True
    """
    maps = check_heat(heat)
    if (boxes is None) == (masks is None):
        raise ValueError("pass either boxes= or masks=: they say where the object is")
    if tolerance < 0:
        raise ValueError(f"tolerance is a number of pixels from 0, not {tolerance}")
    height, width = maps.shape[-2:]
    flat = maps.reshape(*maps.shape[:-2], -1)
    y, x = np.divmod(flat.argmax(-1), width)
    points = flat.max(-1) > flat.min(-1)
    if boxes is not None:
        corners = np.asarray(boxes)
        if corners.shape[-1:] != (4,):
            raise ValueError(f"boxes are [..., 4], not of shape {corners.shape}")
        top, left, bottom, right = np.moveaxis(corners, -1, 0)
        down = np.maximum(np.maximum(top - y, y - (bottom - 1)), 0)
        across = np.maximum(np.maximum(left - x, x - (right - 1)), 0)
        return _check_lead(points & (down**2 + across**2 <= tolerance**2), maps)
    objects = np.asarray(masks, bool)
    if objects.shape[-2:] != (height, width):
        raise ValueError(f"masks are [..., {height}, {width}], not of shape {objects.shape}")
    squares = (np.arange(height)[:, None] - y[..., None, None]) ** 2
    squares = squares + (np.arange(width) - x[..., None, None]) ** 2
    near = squares <= tolerance**2
    return _check_lead(points & (objects & near).any((-2, -1)), maps)


def _check_lead(found: np.ndarray, maps: np.ndarray) -> np.ndarray:
    if np.shape(found) != maps.shape[:-2]:
        raise ValueError(
            f"the objects' leading axes do not fit to heatmaps of shape {maps.shape}: one "
            "object a heatmap, or one for all"
        )
    return found
