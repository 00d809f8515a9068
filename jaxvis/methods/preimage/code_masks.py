"""Parts of a code: masks M that keep some positions or channels and free the others."""

import numpy as np


def mask_window(shape: tuple[int, ...], side: int) -> np.ndarray:
    """Makes a mask `[h, w, 1]` of the central side x side cells of a tap.

    The first cell is ceil((h - side + 1) / 2), counted from one, as in the authors'
    code.

    Args:
      shape: (h, w, c) of the tap.
      side: cells of a side.

    Raises:
      ValueError: for a tap without positions, or fewer cells than that.

    Source: Mahendran & Vedaldi (IJCV 2016), 5.2.5, figure 9: side = 5.
    """
    if len(shape) != 3 or not 1 <= side <= min(shape[:2]):
        raise ValueError(
            f"a window of {side}x{side} cells does not fit a tap of shape "
            f"{'x'.join(map(str, shape))}: choose an earlier tap or fewer cells"
        )
    mask = np.zeros((*shape[:2], 1), np.float32)
    top, left = (-(-(cells - side + 1) // 2) - 1 for cells in shape[:2])
    top, left = max(top, 0), max(left, 0)
    mask[top : top + side, left : left + side] = 1
    return mask


def mask_group(shape: tuple[int, ...], number: int, *, groups: int = 2) -> np.ndarray:
    """Makes a mask `[c]` of one of a tap's equal groups of channels.

    Args:
      shape: (h, w, c) or (d,) of the tap.
      number: which group, 1 .. groups.
      groups: how many there are.

    Raises:
      ValueError: for a group that is not there, or channels that do not divide.

    Source: Mahendran & Vedaldi (IJCV 2016), 5.2.5, figure 10: the two groups of
      CaffeNet's filters.
    """
    if not 1 <= number <= groups:
        raise ValueError(f"group {number} of {groups} is not there: count from 1")
    if shape[-1] % groups:
        raise ValueError(f"{shape[-1]} channels are no {groups} equal groups")
    width = shape[-1] // groups
    mask = np.zeros(shape[-1], np.float32)
    mask[(number - 1) * width : number * width] = 1
    return mask


def parse_mask(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """Makes the mask that words name: "window:5", "group:1/2" or "channels:0:48".

    Args:
      text: the words.
      shape: of the tap.

    Raises:
      ValueError: for other words, or a part that the tap does not have.
    """
    kind, _, rest = text.partition(":")
    try:
        if kind == "window":
            side = int(rest)
        elif kind == "group":
            number, groups = (int(word) for word in rest.split("/"))
        elif kind == "channels":
            first, last = (int(word) for word in rest.split(":"))
        else:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{text!r} is no mask: write window:5, group:1/2 or channels:0:48"
        ) from None
    if kind == "window":
        return mask_window(shape, side)
    if kind == "group":
        return mask_group(shape, number, groups=groups)
    if not 0 <= first < last <= shape[-1]:
        raise ValueError(f"{text!r}: this tap has channels 0 to {shape[-1] - 1}")
    mask = np.zeros(shape[-1], np.float32)
    mask[first:last] = 1
    return mask
