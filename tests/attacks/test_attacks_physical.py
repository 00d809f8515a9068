"""Views as of a camera, and pictures that survive them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis import attacks, from_function
from jaxvis.attacks.physical import SoftFocus

SIDE = 8


def score(params, image):
    """Computes (f, 0) of the picture's left edge and fine structure, which no turn keeps."""
    fine = jnp.sum(params["w"] * (image - 0.5))
    coarse = params["coarse"] * jnp.mean(image - 0.5)
    return {"scores": jnp.stack([fine + coarse + 1.0, 0.0])}


def make():
    w = np.random.default_rng(1).normal(size=(SIDE, SIDE, 3)).astype(np.float32)
    params = {"w": w, "coarse": np.float32(40.0)}
    return from_function(score, params, input_size=(SIDE, SIDE), scores="scores")


@pytest.mark.slow
def test_a_picture_made_for_views_survives_new_ones():
    net, params = make()
    image = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    # After any turn what is fine says nothing.
    view = attacks.physical_view(degrees=180, light=0.01)
    options = {"epsilon": 0.06, "steps": 20, "keep": "last"}
    plain = attacks.pgd(net, params, image, **options)
    robust = attacks.pgd(net, params, image, view=view, samples=16, **options)
    assert plain.facts["success"]
    rates = [
        float(attacks.survival_rate(net, params, run.image, 0, view=view, samples=64))
        for run in (plain, robust)
    ]
    assert rates[1] > rates[0] + 0.2, rates


@pytest.mark.slow
def test_the_view_is_that_of_a_camera(key):
    image = np.random.default_rng(0).uniform(size=(SIDE, SIDE, 3)).astype(np.float32)
    view = attacks.physical_view()
    look = jax.jit(jax.vmap(lambda key: view(key, jnp.asarray(image))))
    seen = look(jax.random.split(key, 4))
    assert seen.shape == (4, SIDE, SIDE, 3) and seen.min() >= 0 and seen.max() <= 1
    assert len({round(float(one.sum()), 2) for one in seen}) == 4
    assert view == attacks.physical_view() and hash(view) == hash(attacks.physical_view())


@pytest.mark.slow
def test_without_any_change_the_view_shows_the_image(key):
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(SIDE, SIDE, 3)), jnp.float32)
    still = attacks.physical_view(
        scale=(1, 1), degrees=0, light=0, contrast=0, fade=0, blur=0, noise=0
    )
    np.testing.assert_allclose(jax.jit(still)(key, image), image, atol=1e-5)


def test_focus_lies_between_sharp_and_blurred(key):
    image = jnp.zeros((SIDE, SIDE, 1)).at[4, 4].set(1.0)
    seen = jax.jit(SoftFocus(1.0))(key, image)
    np.testing.assert_allclose(seen.sum(), 1, rtol=1e-2)
    assert 0.15 < seen[4, 4, 0] < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [({"scale": (0, 1)}, "scale"), ({"scale": (2, 1)}, "scale"), ({"noise": -1}, "noise")],
)
def test_bad_views_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        attacks.physical_view(**options)


def test_survival_is_the_share_of_views_that_fool():
    net, params = make()
    images = np.stack([np.zeros((SIDE, SIDE, 3)), np.ones((SIDE, SIDE, 3))]).astype(np.float32)

    def choose(key, image):
        """Shows the picture or nothing but white, each half of the time."""
        return jnp.where(jax.random.bernoulli(key), image, 1.0)

    rates = attacks.survival_rate(net, params, images, 0, view=choose, samples=64)
    # Black is fooled by, white is not.
    assert rates[1] == 0 and 0.3 < rates[0] < 0.7
    with pytest.raises(ValueError, match="samples"):
        attacks.survival_rate(net, params, images, 0, samples=0)
