"""Random keys: they come from what an item is, whatever else is in the call."""

import jax
import numpy as np
import pytest

from jaxvis.compiler import jit
from jaxvis.loss.views import ColourShift
from jaxvis.optimize.keys import (
    check_seeds,
    fold_name,
    item_keys,
    keys_of_places,
    unroll_draws,
)


def data(keys):
    return np.asarray(jax.random.key_data(keys))


def test_the_key_of_an_index_and_a_seed_is_the_documented_chain(key):
    fold = jax.random.fold_in
    keys = item_keys(key, seeds=3, indices=[7, 2], name="relu2")
    assert keys.shape == (6,)
    base = fold_name(key, "relu2")
    wanted = [fold(fold(base, index), seed) for index in (7, 2) for seed in range(3)]
    np.testing.assert_array_equal(data(keys), np.stack([data(one) for one in wanted]))


def test_a_key_does_not_depend_on_the_others_of_the_call(key):
    alone = data(item_keys(key, seeds=1, indices=[2], name="fc"))
    among = data(item_keys(key, seeds=5, indices=range(4), name="fc"))
    np.testing.assert_array_equal(alone[0], among[2 * 5])
    few, many = (data(item_keys(key, seeds=n, indices=[2], name="fc")) for n in (2, 8))
    np.testing.assert_array_equal(few, many[:2])


def test_keys_differ_by_name_index_and_seed(key):
    found = [data(item_keys(key, seeds=4, indices=range(4), name=name)) for name in ("", "a", "b")]
    rows = np.concatenate(found)
    assert len(np.unique(rows, axis=0)) == len(rows) == 48


def test_large_indices_have_keys_too(key):
    keys = data(item_keys(key, seeds=1, indices=[2**31 + 5, 2**32 - 1]))
    assert len(np.unique(keys, axis=0)) == 2


def test_places_fold_their_number(key):
    keys = keys_of_places(key, 3)
    wanted = [data(jax.random.fold_in(key, i)) for i in range(3)]
    np.testing.assert_array_equal(data(keys), np.stack(wanted))


def test_a_key_per_item_needs_a_seed(key):
    check_seeds(1)
    for seeds in (0, -1):
        with pytest.raises(ValueError, match=f"seeds must be at least 1, got {seeds}"):
            item_keys(key, seeds=seeds)


def test_an_unrolled_key_draws_what_the_key_draws(key):
    def draw(key):
        first, second = jax.random.split(jax.random.fold_in(key, 2**31))
        whole = jax.random.randint(second, (5,), 0, 1000)
        return (
            jax.random.key_data(first),
            jax.random.normal(first, (2, 3)),
            whole,
            jax.random.bits(key, 9, "uint8"),
        )

    for found, wanted in zip(draw(unroll_draws(key)), draw(key)):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


def test_only_keys_of_the_default_kind_are_unrolled(key):
    other = jax.random.key(0, impl="rbg")
    assert unroll_draws(other) is other
    unrolled = unroll_draws(key)
    assert unrolled.dtype != key.dtype and unroll_draws(unrolled) is unrolled


def test_a_drawn_number_is_computed_once_and_not_for_every_pixel(key):
    view = ColourShift(shift=0.1, gain=0.2, fade=1.0)

    @jit
    def show(keys, images):
        return jax.vmap(lambda key, image: view(unroll_draws(key), image))(keys, images)

    keys, images = jax.random.split(key, 2), np.zeros((2, 64, 64, 3), np.float32)
    text = show.lower(keys, images).compile().as_text()
    hashing = [part for part in text.split("\n\n") if "shift-left" in part]
    assert hashing and not [part for part in hashing if "64,64" in part]
