"""Objectives: one table that all pass, and what is special about each.

A new objective needs a row in `OBJECTIVES`; the tests over the table are inherited.
"""

import functools
from dataclasses import fields, is_dataclass

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net

from jaxvis.images import MEAN
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.matching import statistics
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
    """Returns value and gradient with respect to the image, as (image, objective) -> both.

    The network is compiled once for all objectives: forward, and back from the taps.
    """
    net, params = conv_net(SIDE)

    def look(image):
        return net.apply(params, image, stop=TAPS)

    forward = jax.jit(look)
    backward = jax.jit(lambda image, slopes: jax.vjp(look, image)[1](slopes)[0])

    def value_and_grad(image, objective):
        value, slopes = _on_taps()(forward(image), objective)
        return value, backward(image, slopes)

    return value_and_grad


@functools.cache
def _on_taps():
    """Returns the jitted value and gradient with respect to the taps."""
    return jax.jit(jax.value_and_grad(lambda taps, objective: objective(taps)))


@jax.jit
def _on_taps_each(taps, objectives):
    """Returns the value and gradient with respect to the taps of several objectives."""
    return [jax.value_and_grad(lambda taps, o=o: o(taps))(taps) for o in objectives]


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
        chex.assert_shape(value, ())
        chex.assert_tree_all_finite((value, grad))
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
    cases = [
        (a + 2 * b - c, (1, 2, -1)),
        (3 * (a + 2 * b), (3, 6, 0)),
        (-(a - 2 * (b - c)) * 0.5, (-0.5, 1, -1)),
        (jnp.float32(2) * a + np.float32(3) * c, (2, 0, 3)),
    ]
    # All in one program, which compiles sooner than seven.
    found = _on_taps_each(taps, [_leaves(one) for one in (a, b, c, *(sum for sum, _ in cases))])
    single = found[:3]
    for (value, grad), (_, weights) in zip(found[3:], cases, strict=True):
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


def _subclasses(cls):
    return [one for child in cls.__subclasses__() for one in (child, *_subclasses(child))]


def _filled(cls):
    """Returns an object of a class whose fields are all 1."""
    made = object.__new__(cls)
    for entry in fields(cls):
        object.__setattr__(made, entry.name, 1)
    return made


def test_trees_of_different_objectives_are_never_equal():
    # jax.jit finds programs by their trees: of two classes with equal trees, one would
    # now and then be computed by the other's program.
    classes = [cls for cls in _subclasses(Algebra) if is_dataclass(cls)]
    trees = [jax.tree.structure(_filled(cls)) for cls in classes]
    assert CrossEntropy in classes and statistics.GramMatch in classes
    for i, tree in enumerate(trees):
        assert trees.index(tree) == i, (classes[trees.index(tree)], classes[i])
