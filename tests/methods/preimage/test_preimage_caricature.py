"""Caricature: it starts at the image, and what a layer sees there grows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import (
    SIDE,
    compilations,
    conv_net,
    counted_net,
    fc_net,
    photograph,
    relu_net,
)

from jaxvis import caricature
from jaxvis.recipes import Natural
from jaxvis.types import Status


@pytest.fixture(scope="module")
def run():
    """Gives two caricatures of a photograph."""
    net, params = relu_net(SIDE)
    return caricature(net, params, photograph(SIDE), tap="relu2", seeds=2, fidelity=500.0, steps=40)


@pytest.mark.slow
def test_run_has_the_seeds_axis(run):
    assert run.image.shape == (2, SIDE, SIDE, 3)
    assert run.trace["loss"].shape == (2, 40)
    assert np.all(run.status == Status.DONE)
    assert 0 <= run.image.min() < run.image.max() <= 1


def test_data_term_starts_at_minus_c_and_falls(run):
    # No pooling before this tap: no jitter, the first view is the image itself.
    np.testing.assert_allclose(run.trace["objective"][:, 0], -500, rtol=1e-3)
    assert np.all(run.trace["objective"][:, -1] < -1.5 * 500)
    assert np.all(run.trace["loss"][:, -1] < run.trace["loss"][:, 0])


def test_what_the_layer_sees_in_the_picture_has_grown(run):
    net, params = relu_net(SIDE)
    before = np.asarray(net.code(params, photograph(SIDE), "relu2"))
    after = np.asarray(net.code(params, run.image[0], "relu2"))
    assert (before * after).sum() > 1.2 * (before**2).sum()


def test_one_small_step_stays_near_the_image():
    net, params = conv_net()
    # Inside the ball of 160 grey levels around the mean colour.
    image = 0.3 + 0.4 * photograph(SIDE)
    still = caricature(net, params, image, tap="relu2", steps=1)
    # Algorithm 1 moves a value by less than one grey level in its first step.
    np.testing.assert_allclose(still.image[0], image, atol=1.01 / 255)


def test_with_jitter_too_it_starts_at_the_image():
    net, params = conv_net()
    image = 0.3 + 0.4 * photograph(SIDE)
    options = {"tap": "relu2", "steps": 1, "recipe": Natural(jitter=4)}
    still = caricature(net, params, image, **options)
    assert still.z.shape == (1, SIDE + 3, SIDE + 3, 3)
    np.testing.assert_allclose(still.image[0], image, atol=1.01 / 255)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tap": "relu9"}, "no tap 'relu9'; its taps are input, conv1"),
        ({"tap": "relu1", "steps": 0}, "steps must be at least 1"),
        ({"tap": "relu1", "seeds": 0}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    net, params = relu_net(SIDE)
    with pytest.raises(ValueError, match=message):
        caricature(net, params, photograph(SIDE), **options)


def test_a_code_that_is_nowhere_positive_is_refused():
    net, params = relu_net(SIDE)
    dead = jax.tree.map(jnp.zeros_like, params)
    with pytest.raises(ValueError, match="nothing is positive at 'relu1'"):
        caricature(net, dead, photograph(SIDE), tap="relu1")


def test_an_image_that_the_network_cannot_take_is_refused():
    net, params = fc_net()
    with pytest.raises(ValueError, match="'fc' takes images of 16x16"):
        caricature(net, params, photograph(20), tap="fc")


def test_a_second_call_compiles_nothing():
    net, params, _ = counted_net()

    def again(seed):
        image = np.random.default_rng(seed).random((SIDE, SIDE, 3))
        natural = Natural(rate=1e3 * (1 + seed), prior=1.0 + seed)
        options = {"fidelity": 1.0 + seed, "recipe": natural, "steps": 8 + seed}
        caricature(net, params, image, tap="map", key=seed, **options)

    assert compilations(lambda: again(0)) > 0
    assert compilations(lambda: again(1)) == 0
