"""Masks: checked, and resized to the positions of a layer."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.loss.matching.image_masks import check_masks, resize_mask


def test_masks_are_averaged_where_they_shrink():
    mask = jnp.zeros((8, 12)).at[:4, :6].set(1)
    small = resize_mask(mask, (2, 2, 7))
    assert small.shape == (2, 2) and float(small[0, 0]) > 0.7 > 0.1 > float(small[1, 1])
    assert resize_mask(mask, (8, 12)) is mask


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([np.ones((8, 8))] * 2, "2 masks came for 1 styles"),
        ([np.ones((4, 8))], r"mask 0 has shape \(4, 8\)"),
        ([2 * np.ones((8, 8))], r"mask 0 has values outside \[0, 1\]"),
        ([np.full((8, 8), np.nan)], r"mask 0 has values outside \[0, 1\]"),
        ([np.zeros((8, 8))], "zero everywhere"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, message):
    with pytest.raises(ValueError, match=message):
        check_masks(masks, 1, (8, 8))
