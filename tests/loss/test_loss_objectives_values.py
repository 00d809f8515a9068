"""What is special about each objective: its value and gradient, by hand."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.loss.objectives import (
    Align,
    Amplify,
    CrossEntropy,
    Custom,
    Direction,
    Excite,
    Margin,
    Match,
    as_objective,
)

MAP, SCORES = "relu2", "fc"
SHAPES = {MAP: (4, 4, 8), SCORES: (5,)}


def _normal(seed, shape):
    return jax.random.normal(jax.random.key(seed), shape)


def _taps(seed=0):
    return {tap: _normal(seed + i, shape) for i, (tap, shape) in enumerate(SHAPES.items())}


def _value_and_grad(objective, taps):
    return jax.value_and_grad(objective)(taps)


@pytest.mark.parametrize(
    ("objective", "cell"),
    [
        (Excite(MAP, 2, position=(1, 3)), (1, 3, 2)),
        (Excite(MAP, 7, position=(3, 0)), (3, 0, 7)),
        (Excite(MAP, 5, position="centre"), (2, 2, 5)),
        (Excite(SCORES, 4), (4,)),
        (Excite(SCORES, 3, position="centre"), (3,)),
    ],
)
def test_excite_is_minus_one_activation(objective, cell):
    taps = _taps()
    value, grad = _value_and_grad(objective, taps)
    assert float(value) == pytest.approx(-float(taps[objective.tap][cell]), rel=1e-6)
    expected = np.zeros(SHAPES[objective.tap])
    expected[cell] = -1
    np.testing.assert_array_equal(grad[objective.tap], expected)


def test_excite_of_a_channel_is_minus_its_mean():
    taps = _taps()
    value, grad = _value_and_grad(Excite(MAP, 6), taps)
    np.testing.assert_allclose(value, -np.mean(taps[MAP][..., 6]), rtol=1e-5)
    np.testing.assert_allclose(grad[MAP][..., 6], -1 / 16)
    assert np.all(np.asarray(grad[MAP][..., :6]) == 0)


@pytest.mark.parametrize(("size", "middle"), [((3, 5), (1, 2)), ((4, 4), (2, 2))])
def test_excite_centre_is_the_middle_cell(size, middle):
    values = _normal(0, (*size, 2))
    found = Excite("map", 1, position="centre")({"map": values})
    assert float(found) == -float(values[(*middle, 1)])


@pytest.mark.parametrize("position", [(4, 0), (0, -1), "center", (1,), 3])
def test_excite_refuses_a_position_outside_the_map(position):
    with pytest.raises(ValueError, match=r"4x4 cells of 'relu2', not"):
        Excite(MAP, 0, position=position)(_taps())


def test_direction_is_minus_the_mean_activation_along_it():
    taps, vector = _taps(), _normal(9, (8,))
    expected = -np.asarray(taps[MAP]).mean((0, 1)) @ np.asarray(vector)
    np.testing.assert_allclose(Direction(MAP, vector)(taps), expected, rtol=1e-5)


def test_direction_cosine_power_prefers_what_points_along_it():
    vector = jnp.array([3.0, 4.0])
    for values, cosine in (((6.0, 8.0), 1.0), ((10.0, 0.0), 0.6), ((-4.0, 3.0), 0.1)):
        plain = -np.dot(values, vector)
        found = Direction("fc", vector, cosine_power=3)({"fc": jnp.array(values)})
        # A cosine below 0.1 counts as 0.1, so the gradient never dies.
        assert float(found) == pytest.approx(plain * cosine**3, rel=1e-5, abs=1e-6)


def test_match_is_the_relative_squared_distance():
    target = jnp.array([[[3.0, 4.0]]])
    match = Match("map", target)
    assert float(match({"map": target})) == 0
    assert float(match({"map": 0 * target})) == pytest.approx(1)
    assert float(match({"map": 2 * target})) == pytest.approx(1)
    other = jnp.array([[[3.0, 2.0]]])
    assert float(match({"map": other})) == pytest.approx(4 / 25)


def test_match_leaves_free_what_the_mask_leaves_out():
    target = jnp.arange(1.0, 9.0).reshape(2, 2, 2)
    mask = jnp.array([1.0, 0.0])
    match = Match("map", target, mask=mask)
    free = target.at[..., 1].set(77.0)
    assert float(match({"map": free})) == 0
    found = float(match({"map": target.at[0, 0, 0].set(3.0)}))
    assert found == pytest.approx(4 / (1 + 9 + 25 + 49))
    grad = jax.grad(lambda x: match({"map": x}))(0 * target)
    assert np.all(np.asarray(grad[..., 1]) == 0)
    assert np.all(np.asarray(grad[..., 0]) < 0)


def test_match_of_a_zero_code_is_finite():
    match = Match("map", jnp.zeros((2, 2, 2)))
    assert float(match({"map": jnp.zeros((2, 2, 2))})) == 0


def test_align_is_minus_one_at_its_source():
    source = jnp.abs(_normal(3, (4, 4, 8)))
    align = Align(MAP, source)
    assert float(align({MAP: source})) == pytest.approx(-1, rel=1e-5)
    assert float(align({MAP: 3 * source})) == pytest.approx(-3, rel=1e-5)
    assert float(align({MAP: 0 * source})) == 0


def test_align_sees_only_what_is_positive_in_the_source():
    source = jnp.array([3.0, -2.0, 4.0])
    align = Align("fc", source)
    assert float(align({"fc": source})) == pytest.approx(-1)
    grad = jax.grad(lambda x: align({"fc": x}))(source)
    np.testing.assert_allclose(grad, [-3 / 25, 0, -4 / 25], rtol=1e-6)


def test_margin_is_negative_where_the_class_wins():
    scores = {"fc": jnp.array([1.0, 4.0, 2.5])}
    assert float(Margin("fc", 1)(scores)) == pytest.approx(-1.5)
    assert float(Margin("fc", 0)(scores)) == pytest.approx(3.0)
    assert float(Margin("fc", 2)(scores)) == pytest.approx(1.5)


def test_cross_entropy_is_minus_the_logarithm_of_softmax():
    scores = _normal(5, (5,))
    for index in range(5):
        expected = -np.log(np.asarray(jax.nn.softmax(scores))[index])
        found = CrossEntropy("fc", index)({"fc": scores})
        assert float(found) == pytest.approx(float(expected), rel=1e-5)
    huge = CrossEntropy("fc", 0)({"fc": jnp.array([-500.0, 500.0])})
    assert float(huge) == pytest.approx(1000)


@pytest.mark.parametrize("make", [Margin, CrossEntropy])
def test_scores_of_a_map_are_its_means(make):
    values = _normal(2, (3, 4, 5))
    means = jnp.mean(values, axis=(0, 1))
    found, expected = make("x", 2)({"x": values}), make("x", 2)({"x": means})
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_gradient_of_amplify_is_the_activation():
    taps = _taps()
    _, grad = _value_and_grad(Amplify(MAP), taps)
    np.testing.assert_allclose(grad[MAP], -taps[MAP], rtol=1e-6)


def test_custom_calls_the_function_with_the_taps():
    taps = _taps()

    def spread(taps):
        return jnp.var(taps[MAP]) - jnp.sum(taps[SCORES] ** 3)

    assert float(Custom(spread)(taps)) == float(spread(taps))


def test_index_may_be_traced():
    taps = _taps()
    swept = jax.vmap(lambda i: Excite(SCORES, i)(taps))(jnp.arange(5))
    np.testing.assert_allclose(swept, -taps[SCORES], rtol=1e-6)


def test_direction_has_a_finite_gradient_at_a_dead_tap():
    direction = Direction("fc", jnp.ones(3), cosine_power=2)
    grad = jax.grad(lambda x: direction({"fc": x}))(jnp.zeros(3))
    np.testing.assert_allclose(grad, -0.01 * np.ones(3), rtol=1e-5)


def test_as_objective_leaves_objectives_and_wraps_functions():
    objective = Excite(SCORES, 2)
    assert as_objective(objective) is objective
    both = objective + 2 * objective
    assert as_objective(both) is both
    taps = _taps()
    wrapped = as_objective(lambda taps: -taps[SCORES][3])
    assert float(wrapped(taps)) == -float(taps[SCORES][3])
    assert wrapped.taps is None
    found = float((2 * wrapped + objective)(taps))
    assert found == pytest.approx(-2 * float(taps[SCORES][3]) - float(taps[SCORES][2]), rel=1e-6)


def test_as_objective_of_one_function_compiles_once():
    traces = []

    @jax.jit
    def value(objective, taps):
        traces.append(1)
        return objective(taps)

    def own(taps):
        return jnp.sum(taps[SCORES])

    for seed in (1, 2, 3):
        value(as_objective(own), _taps(seed))
    assert len(traces) == 1


@pytest.mark.parametrize("other", [None, 3, "relu2", [Excite(SCORES, 1)], np.zeros(3)])
def test_as_objective_refuses_what_is_neither(other):
    with pytest.raises(ValueError, match="an objective is one of jaxvis.loss.objectives or a func"):
        as_objective(other)


def test_as_objective_refuses_what_cannot_be_hashed():
    @dataclass
    class Own:
        factor: float

        def __call__(self, taps):
            return self.factor * jnp.sum(taps[SCORES])

    with pytest.raises(ValueError, match="cannot be hashed.*frozen dataclass"):
        as_objective(Own(2.0))


def test_a_function_that_gives_several_numbers_is_no_objective():
    with pytest.raises(ValueError, match=r"an objective returns an array of shape \(4,\)"):
        Custom(lambda taps: taps["map"])({"map": jnp.ones(4)})
