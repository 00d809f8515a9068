"""SPSA: what it estimates, and that it needs no gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis import attacks, from_function
from jaxvis.attacks.attack import Row
from jaxvis.attacks.black_box.spsa import Differences
from jaxvis.attacks.losses import margin

SIDE = 4


def score(params, image):
    """Computes the scores (f, 0), f = w (x - 1/2) + 0.2, in steps of 1/1000."""
    f = jnp.sum(params["w"] * (image - 0.5)) + 0.2
    return {"scores": jnp.stack([jnp.round(1000 * f) / 1000, 0.0])}


def make():
    w = np.random.default_rng(1).normal(size=(SIDE, SIDE, 3)).astype(np.float32)
    return from_function(score, {"w": w}, input_size=(SIDE, SIDE), scores="scores")


def test_the_estimate_points_along_the_gradient(key):
    net, params = make()
    image = jnp.full((SIDE, SIDE, 3), 0.5)
    row = Row(image, jnp.int32(0), jnp.int32(-1), jnp.float32(0.1))
    model = Differences(lambda image: net.apply(params, image, stop="scores")["scores"], pairs=2000)
    value, fooled, slope = jax.jit(lambda image: model.climb(margin, key, image, row))(image)
    # The margin of class 1 over class 0 is -f: E[(v . g) v] = g.
    np.testing.assert_allclose(value, -0.2, atol=1e-3)
    np.testing.assert_allclose(slope, -params["w"], atol=0.45)
    assert np.corrcoef(np.ravel(slope), -params["w"].ravel())[0, 1] > 0.97
    assert not fooled


@pytest.mark.slow
def test_it_fools_a_network_without_a_gradient():
    net, params = make()
    image = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    epsilon = 2 * 0.2 / np.abs(params["w"]).sum()
    assert not attacks.pgd(net, params, image, epsilon=epsilon, random_start=False).facts["success"]
    run = attacks.spsa(net, params, image, epsilon=epsilon, steps=20, pairs=32)
    assert run.facts["success"] and run.facts["distance"] <= epsilon + 1e-6
    assert run.facts["queries"] == 65 * len(run.trace["loss"])
