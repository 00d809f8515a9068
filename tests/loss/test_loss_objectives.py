"""Objectives: one table that all pass, and what is special about each.

A new objective needs a row in `OBJECTIVES`; the tests over the table are inherited.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net

from jaxvis.loss.colour import MEAN
from jaxvis.loss.objectives import (
    Align,
    Amplify,
    CrossEntropy,
    Custom,
    Direction,
    Excite,
    Margin,
    Match,
)

SIDE = 8
MAP, SCORES = "relu2", "fc"
TAPS = (MAP, SCORES)
SHAPES = {MAP: (4, 4, 8), SCORES: (5,)}


def _normal(seed, shape):
    return jax.random.normal(jax.random.key(seed), shape)


def _spread(taps):
    return jnp.var(taps[MAP]) - jnp.sum(taps[SCORES] ** 3)


# Name -> seed -> objective; another seed gives other leaves of the same structure.
OBJECTIVES = {
    "excite_class": lambda i: Excite(SCORES, i % 5),
    "excite_channel": lambda i: Excite(MAP, i % 8),
    "excite_centre": lambda i: Excite(MAP, i % 8, position="centre"),
    "excite_neuron": lambda i: Excite(MAP, i % 8, position=(0, 3)),
    "direction": lambda i: Direction(MAP, _normal(i, (8,))),
    "direction_of_scores": lambda i: Direction(SCORES, _normal(i, (5,))),
    "direction_cosine": lambda i: Direction(MAP, _normal(i, (8,)), cosine_power=2),
    "match": lambda i: Match(MAP, 3 * jnp.abs(_normal(i, SHAPES[MAP]))),
    "match_masked": lambda i: Match(
        MAP, jnp.abs(_normal(i, SHAPES[MAP])), mask=jnp.ones((4, 1, 8)).at[:2].set(0)
    ),
    "align": lambda i: Align(MAP, _normal(i, SHAPES[MAP])),
    "margin": lambda i: Margin(SCORES, i % 5),
    "margin_of_a_map": lambda i: Margin(MAP, i % 8),
    "cross_entropy": lambda i: CrossEntropy(SCORES, i % 5),
    "amplify": lambda i: Amplify(MAP),
    "custom": lambda i: Custom(_spread, TAPS),
    "custom_of_everything": lambda i: Custom(_spread),
    "sum": lambda i: Excite(SCORES, i % 5) + 0.5 * Amplify(MAP) - Excite(MAP, i % 8),
}


def _leaves(objective):
    """Returns the objective with arrays for leaves, as a solver's items have."""
    return jax.tree.map(jnp.asarray, objective)


def _made(name, seed=1):
    return _leaves(OBJECTIVES[name](seed))


@functools.cache
def _on_images():
    """Returns the jitted value and gradient with respect to the image."""
    net, params = conv_net(SIDE)

    def value(image, objective):
        return objective(net.apply(params, image, stop=objective.taps))

    return jax.jit(jax.value_and_grad(value))


@functools.cache
def _on_taps():
    """Returns the jitted value and gradient with respect to the taps."""
    return jax.jit(jax.value_and_grad(lambda taps, objective: objective(taps)))


def _image(seed=0):
    return jax.random.uniform(jax.random.key(seed), (SIDE, SIDE, 3))


def _taps(seed=0):
    return {tap: _normal(seed + i, SHAPES[tap]) for i, tap in enumerate(TAPS)}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_value_is_a_scalar_and_gradient_finite_at_noise_and_at_grey(name):
    # At the mean colour every convolution of this net is zero: dead taps.
    flat = [
        jnp.full((SIDE, SIDE, 3), 0.5),
        jnp.broadcast_to(jnp.array(MEAN), (8, 8, 3)),
    ]
    for image in (_image(), *flat):
        value, grad = _on_images()(image, _made(name))
        assert value.shape == ()
        assert np.isfinite(value)
        assert np.all(np.isfinite(grad))
    _, grad = _on_images()(_image(), _made(name))
    assert np.abs(grad).max() > 0


@pytest.mark.parametrize("name", OBJECTIVES)
def test_three_small_gradient_steps_descend(name):
    objective, image = _made(name), _image()
    values = []
    for _ in range(4):
        value, grad = _on_images()(image, objective)
        values.append(float(value))
        image = image - 0.02 * grad / jnp.linalg.norm(grad)
    assert values[3] < values[2] < values[1] < values[0]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_sums_and_multiples_are_linear_in_value_and_gradient(name):
    a, b, c = OBJECTIVES[name](1), Excite(SCORES, 2), Amplify(MAP)
    taps = _taps()
    single = [_on_taps()(taps, _leaves(part)) for part in (a, b, c)]
    cases = [
        (a + 2 * b - c, (1, 2, -1)),
        (3 * (a + 2 * b), (3, 6, 0)),
        (-(a - 2 * (b - c)) * 0.5, (-0.5, 1, -1)),
        (jnp.float32(2) * a + np.float32(3) * c, (2, 0, 3)),
    ]
    for objective, weights in cases:
        value, grad = _on_taps()(taps, _leaves(objective))
        expected = sum(w * v for w, (v, _) in zip(weights, single))
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
        for tap in TAPS:
            expected = sum(w * np.asarray(g[tap]) for w, (_, g) in zip(weights, single))
            np.testing.assert_allclose(grad[tap], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_new_indices_targets_and_weights_do_not_compile_again(name):
    traces = []

    @jax.jit
    def value(taps, objective):
        traces.append(name)
        return objective(taps)

    for seed in (1, 2, 3):
        weighted = (0.5 * seed) * OBJECTIVES[name](seed)
        value(_taps(seed), _leaves(weighted))
    assert len(traces) == 1


@pytest.mark.parametrize("name", OBJECTIVES)
def test_eager_jitted_and_batched_agree(name):
    made = [_made(name, seed) for seed in (1, 2)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *made)
    taps = _taps()
    both = jax.vmap(lambda o, _: o(taps))(stacked, jnp.arange(2))
    for objective, batched in zip(made, both):
        jitted, _ = _on_taps()(taps, objective)
        np.testing.assert_allclose(objective(taps), jitted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(batched, jitted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_taps_name_what_is_read(name):
    objective = _made(name)
    if name == "custom_of_everything":
        assert objective.taps is None
        return
    values = _taps()
    read = {tap: values[tap] for tap in objective.taps}
    np.testing.assert_array_equal(objective(read), objective(values))


def test_taps_of_a_sum_are_each_named_once():
    both = Excite(MAP, 0) + Excite(SCORES, 1) - 2 * Excite(MAP, 3)
    assert both.taps == (MAP, SCORES)
    assert (both + Custom(_spread)).taps is None


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
    value, grad = _on_taps()(taps, _leaves(objective))
    assert float(value) == pytest.approx(-float(taps[objective.tap][cell]), rel=1e-6)
    expected = np.zeros(SHAPES[objective.tap])
    expected[cell] = -1
    np.testing.assert_array_equal(grad[objective.tap], expected)


def test_excite_of_a_channel_is_minus_its_mean():
    taps = _taps()
    value, grad = _on_taps()(taps, _leaves(Excite(MAP, 6)))
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
    _, grad = _on_taps()(taps, Amplify(MAP))
    np.testing.assert_allclose(grad[MAP], -taps[MAP], rtol=1e-6)


def test_custom_calls_the_function_with_the_taps():
    taps = _taps()
    assert float(Custom(_spread)(taps)) == float(_spread(taps))


def test_index_may_be_traced():
    taps = _taps()
    swept = jax.vmap(lambda i: Excite(SCORES, i)(taps))(jnp.arange(5))
    np.testing.assert_allclose(swept, -taps[SCORES], rtol=1e-6)


def test_direction_has_a_finite_gradient_at_a_dead_tap():
    direction = Direction("fc", jnp.ones(3), cosine_power=2)
    grad = jax.grad(lambda x: direction({"fc": x}))(jnp.zeros(3))
    np.testing.assert_allclose(grad, -0.01 * np.ones(3), rtol=1e-5)
