"""Views of images with other channels than colours: light alone, plane by plane."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import photograph

from jaxvis.loss import views

VIEWS = {
    "crop": views.Crop((8, 9)),
    "centre": views.Centre((8, 9)),
    "roll": views.Roll(3),
    "pad": views.Pad(2),
    "blur": views.Blur(0.8),
    "scale": views.Scale(0.7, 1.5, size=(8, 9), shift=2.0),
    "rotate": views.Rotate(20.0),
    "resize": views.Resize((5, 7)),
}
IMAGE = photograph(12)
KEY = jax.random.key(0)


@pytest.mark.slow
@pytest.mark.parametrize("name", VIEWS)
def test_a_grey_image_is_seen_as_each_of_three_equal_channels(name):
    grey = IMAGE[..., :1]
    seen = VIEWS[name](KEY, grey)
    assert seen.shape[-1] == 1
    three = VIEWS[name](KEY, jnp.repeat(grey, 3, -1))
    np.testing.assert_allclose(jnp.repeat(seen, 3, -1), three, atol=1e-6)


def test_colour_shift_changes_the_light_of_other_channels_and_fades_nothing():
    for channels in (1, 2):
        given = IMAGE[..., :channels]
        lit = views.ColourShift(shift=0.1, gain=0.2, fade=1.0)(KEY, given)
        np.testing.assert_allclose(lit, views.ColourShift(shift=0.1, gain=0.2)(KEY, given))
        slope = (lit[0, 0] - lit[5, 5]) / (given[0, 0] - given[5, 5])
        np.testing.assert_allclose(lit - lit[0, 0], slope * (given - given[0, 0]), atol=1e-5)
