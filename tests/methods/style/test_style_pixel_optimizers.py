"""What the names of pixel optimizers stand for."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvis.methods.style.pixel_optimizers import OPTIMIZERS, build_painting
from jaxvis.optimize import Box, lbfgs
from jaxvis.optimize.rules import adam

SIZE = (3, 4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_gives_a_canvas_that_takes_an_image(name):
    painting = build_painting(name, SIZE)
    image = jnp.linspace(0, 1, 36).reshape(*SIZE, 3)
    z = painting.canvas.encode(image)
    np.testing.assert_allclose(painting.canvas.decode(None, z, None), image, atol=1e-6)


def test_an_optimizer_of_ones_own_is_kept_in_the_box():
    for own in (adam(0.5), optax.sgd(0.1)):
        assert build_painting(own, SIZE).optimizer is own
        assert build_painting(own, SIZE).projection == Box()
        assert build_painting(own, SIZE, bounded=False).projection is None


def test_a_search_of_ones_own_has_bounds_of_its_own():
    own = lbfgs(lower=0.2, upper=0.8)
    painting = build_painting(own, SIZE)
    assert painting.optimizer is own and painting.projection is None


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="optimizer must be one of lbfgs, adam, clipped"):
        build_painting("sgd", SIZE)
