"""Sorted matching, by hand."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxvis
from jaxvis.loss.objectives import MatchSorted
from jaxvis.loss.sorting import resample_quantiles, sort_positions


def test_positions_are_sorted_channel_by_channel():
    values = jnp.array([[[3.0, 0.0], [1.0, 5.0]], [[2.0, 4.0], [0.0, 1.0]]])
    np.testing.assert_array_equal(
        sort_positions(values), [[0.0, 0.0], [1.0, 1.0], [2.0, 4.0], [3.0, 5.0]]
    )
    np.testing.assert_array_equal(sort_positions(jnp.array([2.0, 1.0])), [[2.0, 1.0]])


def test_quantiles_between_positions_are_interpolated():
    few = jnp.array([[0.0], [2.0]])  # at 1/4 and 3/4
    np.testing.assert_allclose(resample_quantiles(few, 4)[:, 0], [0.0, 0.5, 1.5, 2.0])
    np.testing.assert_allclose(resample_quantiles(few, 1)[:, 0], [1.0])
    assert resample_quantiles(few, 2) is few


def test_the_distance_by_hand():
    target = jnp.array([[1.0, 0.0], [2.0, 2.0]])
    taps = {"a": jnp.array([[[2.0, 1.0], [0.0, 0.0]]])}
    # Sorted: (0, 2) and (0, 1); squares 1 + 0 and 0 + 1; targets 5 and 4.
    np.testing.assert_allclose(MatchSorted("a", target)(taps), 2 / 9, rtol=1e-6)
    weighted = MatchSorted("a", target, channels=jnp.array([2.0, 0.0]))
    np.testing.assert_allclose(weighted(taps), 2 / 10, rtol=1e-6)


def test_places_are_free_and_gradients_go_to_them():
    target = jnp.array([[0.0], [1.0], [5.0]])
    same = {"a": jnp.array([[[5.0]], [[0.0]], [[1.0]]])}
    assert MatchSorted("a", target)(same) == 0
    values = jnp.array([[[4.0]], [[0.0]], [[1.0]]])
    objective = MatchSorted("a", target)
    grad = jax.grad(lambda a: objective({"a": a}))(values)
    np.testing.assert_allclose(grad.ravel(), [-2 / 26, 0, 0], rtol=1e-6)
    jitted = jaxvis.jit(lambda item, a: item({"a": a}))(objective, values)
    np.testing.assert_allclose(jitted, objective({"a": values}), rtol=1e-6)


def test_a_layer_without_activations_divides_by_nothing():
    value = MatchSorted("a", jnp.zeros((4, 2)))({"a": jnp.zeros((2, 2, 2))})
    assert value == 0
