"""The sizes of a painting: how many there are, and how they follow each other."""

import pytest

from jaxvis.methods.style.scales import COARSEST, list_sizes


@pytest.mark.parametrize(
    ("side", "count"), [(64, 1), (127, 1), (128, 2), (160, 2), (256, 4), (512, 6)]
)
def test_a_picture_has_as_many_scales_as_fit(side, count):
    sizes = list_sizes((side, side), None)
    assert len(sizes) == count and sizes[-1] == (side, side)
    assert count == 1 or min(sizes[0]) >= COARSEST


def test_the_shorter_side_decides():
    assert list_sizes((128, 512), None) == [(91, 362), (128, 512)]


def test_a_number_of_scales_is_kept_whatever_the_size():
    assert list_sizes((16, 9), 3) == [(8, 4), (11, 6), (16, 9)]
    assert list_sizes((1, 1), 2) == [(1, 1), (1, 1)]
