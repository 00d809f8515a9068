"""A network on a torus sees the same wherever the image begins."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.nets.wrappers.periodic import with_periodic_edges

TAPS = ("relu1", "pool2", "relu3")


def test_a_torus_has_no_edge(three, taps_of, image_of):
    net, params = three
    torus = with_periodic_edges(net, TAPS)
    image = image_of((16, 24))
    taps = taps_of(torus, params, image, TAPS)
    turned = taps_of(torus, params, jnp.roll(image, (8, -12), (0, 1)), TAPS)
    for tap, stride in zip(TAPS, (1, 4, 4)):
        assert taps[tap].shape[:2] == (16 // stride, 24 // stride)
        expected = jnp.roll(taps[tap], (8 // stride, -12 // stride), (0, 1))
        np.testing.assert_allclose(turned[tap], expected, atol=1e-5)
    # In the middle, which no edge reaches, the torus is the plane.
    plain = taps_of(net, params, image, "relu1")["relu1"]
    np.testing.assert_allclose(taps["relu1"][1:-1, 1:-1], plain[1:-1, 1:-1], atol=1e-5)
    assert float(jnp.abs(taps["relu1"] - plain).max()) > 1e-3


def test_a_torus_may_be_smaller_than_what_a_unit_sees(three, taps_of, image_of):
    net, params = three
    torus, image = with_periodic_edges(net, ("relu3",)), image_of((4, 4))
    one = taps_of(torus, params, image, "relu3")["relu3"]
    four = taps_of(torus, params, jnp.tile(image, (2, 2, 1)), "relu3")["relu3"]
    np.testing.assert_allclose(jnp.tile(one, (2, 2, 1)), four, atol=1e-5)


def test_what_a_torus_cannot_do_is_refused(three, image_of):
    net, params = three
    torus = with_periodic_edges(net, ("relu3",))
    with pytest.raises(ValueError, match="multiples of 4 pixels.*of 'relu3'"):
        torus.apply(params, image_of((16, 18)), stop="relu3")
    with pytest.raises(ValueError, match="'relu1' was not among the taps relu3"):
        torus.apply(params, image_of((16, 16)), stop="relu1")
    with pytest.raises(ValueError, match="no tap 'relu9'"):
        with_periodic_edges(net, ("relu9",))
    with pytest.raises(ValueError, match="'fc' is no map"):
        with_periodic_edges(net, ("fc",))
