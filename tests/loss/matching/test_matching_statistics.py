"""Statistics and their objectives: values by hand, gradients, masks, the algebra."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.loss.matching.statistics import (
    Code,
    EnergyMatch,
    GramMatch,
    MomentMatch,
    add_weighted,
    energy,
    gram,
    moments,
)

TAP, SHAPE = "relu1", (4, 6, 5)
# Two positions, two channels: F = [[1, 2], [3, 0]].
SMALL = jnp.asarray([[[1.0, 2.0], [3.0, 0.0]]])


def _normal(seed, shape=SHAPE):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def _mask(seed):
    return jnp.asarray(np.random.default_rng(seed).random(SHAPE[:2]), jnp.float32)


@jax.jit
def _value_and_grad(objective, taps):
    return jax.value_and_grad(objective)(taps)


def _leaves(objective):
    """Returns the objective with arrays for leaves, as a solver's items have."""
    return jax.tree.map(jnp.asarray, objective)


# Name -> seed -> objective that is 0 at the tap of that seed.
OBJECTIVES = {
    "gram": lambda i: GramMatch(TAP, gram(_normal(i)), weight=2.0),
    "gram_masked": lambda i: GramMatch(TAP, gram(_normal(i), mask=_mask(i)), mask=_mask(i)),
    "energy": lambda i: EnergyMatch(TAP, energy(_normal(i)), weight=3.0),
    "energy_masked": lambda i: EnergyMatch(TAP, energy(_normal(i), mask=_mask(i)), mask=_mask(i)),
    "moments": lambda i: MomentMatch(TAP, *moments(_normal(i)), weight=0.5),
    "code": lambda i: Code(TAP, _normal(i), weight=4.0),
}


def test_gram_is_the_hand_computed_one():
    np.testing.assert_allclose(gram(SMALL), [[5, 1], [1, 2]])
    np.testing.assert_allclose(gram(SMALL, norm="sum"), [[10, 2], [2, 4]])
    np.testing.assert_allclose(gram(SMALL, norm="size"), [[2.5, 0.5], [0.5, 1]])
    np.testing.assert_allclose(gram(jnp.asarray([1.0, 2.0])), [[1, 2], [2, 4]])
    with pytest.raises(ValueError, match="norm is one of positions, size, sum"):
        gram(SMALL, norm="mean")


def test_mask_weighs_positions():
    only_first = jnp.asarray([[2.0, 0.0]])
    np.testing.assert_allclose(gram(SMALL, mask=only_first), [[1, 2], [2, 4]])
    np.testing.assert_allclose(energy(SMALL, mask=only_first), [1, 2])
    three_to_one = jnp.asarray([[0.75, 0.25]])
    np.testing.assert_allclose(energy(SMALL, mask=three_to_one), [1.5, 1.5])
    ones = jnp.ones(SHAPE[:2])
    np.testing.assert_allclose(gram(_normal(0), mask=ones), gram(_normal(0)), rtol=1e-5)
    np.testing.assert_array_equal(gram(SMALL, mask=jnp.zeros((1, 2))), np.zeros((2, 2)))


def test_energy_and_moments_are_means_over_positions():
    np.testing.assert_allclose(energy(SMALL), [2, 1])
    mean, spread = moments(SMALL)
    np.testing.assert_allclose(mean, [2, 1])
    np.testing.assert_allclose(spread, [1, 1], rtol=1e-6)
    values = _normal(3)
    np.testing.assert_allclose(moments(values)[1], np.std(values, axis=(0, 1)), rtol=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_vanish_at_their_source_and_only_there(name):
    objective = OBJECTIVES[name](1)
    value, grad = _value_and_grad(_leaves(objective), {TAP: _normal(1)})
    assert float(value) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(grad[TAP], 0, atol=1e-5)
    value, grad = _value_and_grad(_leaves(objective), {TAP: _normal(2)})
    assert float(value) > 1e-3
    assert np.isfinite(grad[TAP]).all() and np.abs(grad[TAP]).max() > 1e-4


@pytest.mark.parametrize("name", OBJECTIVES)
def test_new_targets_compile_nothing(name):
    traces = []

    @jax.jit
    def value(objective, taps):
        traces.append(1)
        return objective(taps)

    for seed in (1, 2, 3):
        value(_leaves(OBJECTIVES[name](seed)), {TAP: _normal(seed + 1)})
    assert len(traces) == 1


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_are_swept_under_vmap(name):
    made = [_leaves(OBJECTIVES[name](seed)) for seed in (1, 2)]
    both = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *made)
    taps = {TAP: _normal(7)}
    together = jax.jit(jax.vmap(lambda objective: objective(taps)))(both)
    alone = [_value_and_grad(one, taps)[0] for one in made]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_gram_distance_is_equation_6():
    found, wanted = _normal(1), _normal(2)
    f, f0 = (np.asarray(v, np.float64).reshape(-1, 5) for v in (found, wanted))
    count, channels = f.shape
    expected = ((f.T @ f - f0.T @ f0) ** 2).sum() / (4 * channels**2 * count**2)
    objective = GramMatch(TAP, gram(wanted), weight=3.0)
    value, grad = _value_and_grad(_leaves(objective), {TAP: found})
    assert float(value) == pytest.approx(3 * expected, rel=1e-5)
    # Equation 7: the derivative with respect to F.
    slope = f @ (f.T @ f - f0.T @ f0) / (channels**2 * count**2)
    np.testing.assert_allclose(grad[TAP].reshape(-1, 5), 3 * slope, rtol=1e-4, atol=1e-6)


def test_a_gram_matrix_may_come_in_the_place_of_a_tap():
    objective = GramMatch(TAP, gram(_normal(2)), weight=3.0)
    given = objective({TAP: gram(_normal(1))})
    assert float(given) == pytest.approx(float(objective({TAP: _normal(1)})), rel=1e-6)


def test_equation_8_read_literally_is_zero():
    # dE/dF = F (G - G0) / (N^2 M^2) has the factor F, which is said to be zero.
    objective = GramMatch(TAP, gram(_normal(2)))
    grad = _value_and_grad(_leaves(objective), {TAP: jnp.zeros(SHAPE)})[1]
    np.testing.assert_array_equal(grad[TAP], np.zeros(SHAPE))


def test_energy_distance_is_that_of_sums_over_positions():
    found, wanted = _normal(1), _normal(2)
    sums = np.asarray(found).sum((0, 1)) - np.asarray(wanted).sum((0, 1))
    expected = (sums**2).sum() / (2 * 5 * 24)
    objective = EnergyMatch(TAP, energy(wanted))
    assert float(objective({TAP: found})) == pytest.approx(expected, rel=1e-4)
    # The gradient of the authors' code: (sum F - target) / (N M), at every position.
    grad = _value_and_grad(_leaves(objective), {TAP: found})[1][TAP]
    np.testing.assert_allclose(grad, np.broadcast_to(sums / 120, SHAPE), rtol=1e-4)


def test_code_distance_is_equation_1():
    found, wanted = _normal(1), _normal(2)
    expected = 7 * np.sum((np.asarray(found) - np.asarray(wanted)) ** 2) / (2 * 120)
    value = Code(TAP, wanted, weight=7.0)({TAP: found})
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_dead_channels_have_finite_gradients():
    taps = {TAP: jnp.zeros(SHAPE)}
    for make in OBJECTIVES.values():
        chex.assert_tree_all_finite(_value_and_grad(_leaves(make(1)), taps))


def test_add_weighted_adds_and_lists_taps():
    parts = [Code("a", jnp.ones(2)), Code("b", jnp.ones(2)), Code("a", jnp.zeros(2))]
    whole = add_weighted(parts, weights=(1.0, 2.0, 3.0))
    taps = {"a": jnp.asarray([2.0, 2.0]), "b": jnp.asarray([1.0, 3.0])}
    assert whole.taps == ("a", "b")
    assert float(whole(taps)) == pytest.approx(0.5 + 2 * 1.0 + 3 * 2.0)
    with pytest.raises(ValueError, match="at least one tap"):
        add_weighted([])
