"""Canvases without pixels, and with an opacity: values by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.loss.alpha import Alpha, composite
from jaxvis.loss.canvas import Fourier, Pixels
from jaxvis.loss.cppn import Cppn

KEY = jax.random.key(3)


def draw_weights(canvas, key=KEY):
    """Returns z whose last layer is not 0, so that there is something to see."""
    *hidden, last = canvas.init(key)
    kernel = jax.random.normal(key, last["kernel"].shape)
    return (*hidden, {**last, "kernel": kernel})


def test_a_network_of_one_unit_by_hand():
    canvas = Cppn((1, 2), layers=1, width=1, channels=1)
    z = (
        {"kernel": jnp.array([[5.0], [2.0]]), "bias": jnp.array([0.5])},
        {"kernel": jnp.array([[0.3], [-0.4]]), "bias": jnp.array([0.1])},
    )
    # Of two pixels in a row the longer side goes from -sqrt 3 to sqrt 3.
    hidden = np.arctan(np.array([-1, 1]) * 3**0.5 / 2 * 2 + 0.5)
    line = 0.3 * hidden / 0.67 - 0.4 * hidden**2 / 0.6 + 0.1
    image = canvas.decode(None, z, KEY)
    np.testing.assert_allclose(image[0, :, 0], 1 / (1 + np.exp(-line)), rtol=1e-6)


def test_a_picture_has_no_resolution():
    small, large = Cppn((8, 12), layers=3), Cppn((24, 36), layers=3)
    z = draw_weights(small)
    few, many = small.decode(None, z, KEY), large.decode(None, z, KEY)
    assert few.std() > 0.01
    # The middle pixel of three by three has the same centre as the large one.
    np.testing.assert_allclose(many[1::3, 1::3], few, atol=1e-5)


def test_a_picture_begins_grey_and_learns():
    canvas = Cppn((6, 6), layers=2)
    z = canvas.init(KEY)
    np.testing.assert_array_equal(canvas.decode(None, z, KEY), np.full((6, 6, 3), 0.5))
    grad = jax.grad(lambda z: canvas.decode(None, z, KEY)[:3].sum())(z)
    assert np.abs(grad[-1]["kernel"]).max() > 0
    assert canvas.image_size() == (6, 6)
    with pytest.raises(ValueError, match="at least 1 layer"):
        Cppn((4, 4), layers=0)


def test_colour_over_a_background_by_hand():
    image = jnp.array([[[1.0, 0.5, 0.0, 0.25], [0.2, 0.2, 0.2, 1.0]]])
    over = composite(image, jnp.full((1, 2, 3), 0.8))
    np.testing.assert_allclose(over[0, 0], [0.85, 0.725, 0.6], rtol=1e-6)
    np.testing.assert_allclose(over[0, 1], [0.2, 0.2, 0.2], rtol=1e-6)


def test_a_transparent_canvas_shows_its_background_and_pays_for_opacity():
    size = (10, 8)
    canvas = Alpha(Pixels(size), Pixels(size, center=(0.0,), channels=1), cost=3.0)
    z = canvas.init(KEY)
    assert canvas.image_size() == size
    assert canvas.decode(None, z, KEY).shape == (*size, 4)
    first, second = (canvas.draw(None, z, jax.random.key(i)) for i in (0, 1))
    assert first.terms["opacity"] == 0 and np.abs(first.image - second.image).max() > 0.1
    assert 0 < first.image.min() and first.image.max() < 1
    opaque = {**z, "opacity": z["opacity"].at[:5].set(1.0)}
    half = canvas.draw(None, opaque, jax.random.key(0))
    np.testing.assert_allclose(half.terms["opacity"], 1.5, rtol=1e-6)
    np.testing.assert_allclose(half.image[:5], canvas.colour.decode(None, z["colour"], KEY)[:5])
    np.testing.assert_allclose(half.image[5:], first.image[5:], rtol=1e-6)
    jitted = jaxvis.jit(canvas.draw)(None, opaque, jax.random.key(0))
    np.testing.assert_allclose(jitted.image, half.image, atol=1e-6)


def test_a_transparent_canvas_cannot_begin_from_an_image():
    canvas = Alpha(Fourier((8, 8)), Fourier((8, 8), channels=1))
    with pytest.raises(ValueError, match="Alpha cannot begin from an image"):
        canvas.encode(jnp.zeros((8, 8, 3)))


def test_both_are_canvases_of_the_library():
    assert jaxvis.canvases.Cppn is Cppn and jaxvis.canvases.Alpha is Alpha
