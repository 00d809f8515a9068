"""Masks of a code: central windows, groups of channels, words for them."""

import numpy as np
import pytest

from jaxvis.methods.preimage.code_masks import mask_group, mask_window, parse_mask


@pytest.mark.parametrize(("cells", "first"), [(13, 4), (6, 0), (5, 0), (27, 11)])
def test_window_is_the_central_five_cells(cells, first):
    mask = mask_window((cells, cells, 7), 5)
    assert mask.shape == (cells, cells, 1) and mask.sum() == 25
    rows = np.flatnonzero(mask.sum((1, 2)))
    assert rows[0] == first and rows[-1] == first + 4
    np.testing.assert_array_equal(mask, mask.transpose(1, 0, 2))


def test_groups_are_halves_and_together_everything():
    first, second = (mask_group((4, 4, 6), number) for number in (1, 2))
    np.testing.assert_array_equal(first, [1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(first + second, np.ones(6))
    assert mask_group((9,), 3, groups=3).tolist() == [0] * 6 + [1] * 3


def test_words_name_the_same_masks():
    shape = (8, 8, 6)
    np.testing.assert_array_equal(parse_mask("window:5", shape), mask_window(shape, 5))
    np.testing.assert_array_equal(parse_mask("group:2/3", shape), mask_group(shape, 2, groups=3))
    assert parse_mask("channels:1:3", shape).tolist() == [0, 1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("window:9", "window of 9x9 cells does not fit"),
        ("group:3/2", "not there"),
        ("group:1/4", "6 channels are no 4 equal groups"),
        ("centre", "is no mask"),
        ("channels:2:9", "channels 0 to 5"),
        ("window:x", "is no mask"),
    ],
)
def test_masks_that_do_not_fit_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        parse_mask(words, (8, 8, 6))


def test_a_window_of_scores_is_refused():
    with pytest.raises(ValueError, match="does not fit a tap of shape 10"):
        mask_window((10,), 5)
