"""How alike two pictures are that differ only by rounding."""

import numpy as np

HALF_A_LEVEL = 0.5 / 255
"""Half of what one step of an 8-bit picture is, on the scale of [0, 1]."""


def check_same_picture(one, other):
    """Checks that two pictures of one item are the same, but for rounding.

    Programs of different chunks round differently, and so do processors. Where a gradient is
    next to nothing, an optimizer that divides by its size (Adam) makes a whole step of the
    difference. So single pixels say nothing: their mean difference must stay below half a
    level of 8 bits, and nearly all of them must differ by less than two levels.
    """
    apart = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64))
    assert apart.mean() < HALF_A_LEVEL, f"pictures differ by {apart.mean():.2g} in the mean"
    far = (apart > 4 * HALF_A_LEVEL).mean()
    assert far < 0.02, f"{far:.1%} of the values differ by more than two levels"
