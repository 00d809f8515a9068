"""The noise that pictures begin from: what it depends on."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.images import NOISE
from jaxvis.methods.style.starts import draw_starts
from jaxvis.optimize.keys import item_keys

IMAGE = jnp.broadcast_to(jnp.asarray([0.2, 0.5, 0.7]), (20, 30, 3))


def test_a_start_is_noise_around_the_mean_colour():
    found = np.asarray(draw_starts(item_keys(jax.random.key(0), seeds=2), IMAGE))
    assert found.shape == (2, 20, 30, 3)
    # 600 values: their mean has a standard error of NOISE / 24, their deviation of 3 %.
    np.testing.assert_allclose(found.mean((1, 2)), [[0.2, 0.5, 0.7]] * 2, atol=NOISE / 4)
    np.testing.assert_allclose(found.std((1, 2)), NOISE, rtol=0.15)
    assert np.abs(found[0] - found[1]).max() > NOISE


def test_a_start_depends_on_its_own_key_alone():
    keys = item_keys(jax.random.key(0), seeds=2)
    many, alone = draw_starts(keys, IMAGE), draw_starts(keys[1:2], IMAGE)
    # The random bits are the same; the programs differ, so that sums may round differently.
    np.testing.assert_allclose(many[1], alone[0], atol=1e-6)


def test_without_noise_a_start_is_the_image():
    found = draw_starts(item_keys(jax.random.key(0), seeds=1), IMAGE, part=0.0)
    np.testing.assert_allclose(found[0], IMAGE, atol=1e-7)


def test_a_start_shares_no_key_with_the_steps():
    key = item_keys(jax.random.key(0), seeds=1)
    noise = (draw_starts(key, IMAGE)[0] - IMAGE) / NOISE
    for step in range(3):
        other = jax.random.normal(jax.random.fold_in(key[0], step), IMAGE.shape)
        assert abs(np.corrcoef(np.ravel(noise), np.ravel(other))[0, 1]) < 0.1
