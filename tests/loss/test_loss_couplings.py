"""Couplings and groups: values by hand, and pictures that do not know of each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net

import jaxvis
from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.couplings import Alignment, Coupling, Diversity, WeightedCoupling
from jaxvis.loss.group import Coupled, Each, Group
from jaxvis.loss.objectives import Excite
from jaxvis.loss.priors import L2
from jaxvis.loss.views import Roll


def test_diversity_of_two_pictures_by_hand():
    # Gram matrices [[1, 0], [0, 4]] and [[1, 1], [1, 1]]: cosine 5 / (sqrt 17 * 2).
    first = jnp.array([[[1.0, 0.0], [0.0, 2.0]]])
    second = jnp.array([[[1.0, 1.0], [0.0, 0.0]]])
    value = Diversity("a")({"a": jnp.stack([first, second])})
    np.testing.assert_allclose(value, 2 * 5 / (17**0.5 * 2), rtol=1e-6)


def test_diversity_is_largest_for_the_same_channels_wherever_they_respond():
    values = jax.random.normal(jax.random.key(0), (4, 5, 3))
    moved = jnp.roll(values, (1, 2), (0, 1))
    same = Diversity("a")({"a": jnp.stack([values, moved, 3 * values])})
    np.testing.assert_allclose(same, 6.0, rtol=1e-5)


def test_diversity_of_vectors_and_of_a_dead_layer():
    pair = {"a": jnp.array([[1.0, 0.0], [1.0, 1.0]])}
    np.testing.assert_allclose(Diversity("a")(pair), 2 * 0.5, rtol=1e-6)  # cos^2 of 45 degrees
    value, grad = jax.value_and_grad(lambda a: Diversity("a")({"a": a}))(jnp.zeros((2, 3, 3, 2)))
    assert value == 0 and np.all(np.isfinite(grad))


def test_alignment_of_three_pictures_by_hand():
    row = {"a": jnp.array([[0.0, 0.0], [1.0, 0.0], [3.0, 1.0]])}
    # Neighbours: 1 + 5, half of it; next but one: 10, a quarter; the mean square is 11 / 3.
    np.testing.assert_allclose(Alignment("a")(row), (6 / 2 + 10 / 4) / (11 / 3), rtol=1e-6)
    near = Alignment("a", decay=1.0, reach=1)(row)
    np.testing.assert_allclose(near, 6 / (11 / 3), rtol=1e-6)
    with pytest.raises(ValueError, match="decay is above 0"):
        Alignment("a", decay=0.0)


def build(weight, count=3, alike=False, priors=()):
    net, params = conv_net()
    single = compose(net, Pixels((SIDE, SIDE), noise=0.1), view=Roll(3), priors=priors)
    group = Group(single.canvas, count, alike)
    couplings = (WeightedCoupling("diversity", weight, Diversity("relu1")),)
    return single, Coupled(single, couplings, group), params


def items_of(count):
    return jax.vmap(lambda index: Excite("relu2", index))(jnp.arange(count))


@pytest.mark.slow
def test_without_a_weight_a_group_is_the_sum_of_its_pictures():
    priors = (Weighted("l2", 0.5, L2()),)
    single, coupled, params = build(0.0, priors=priors)
    z, key = coupled.group.init(jax.random.key(1)), jax.random.key(2)
    value, terms, _ = coupled(params, z, items_of(3), key)
    one = compose(single.net, single.canvas, priors=priors)  # the tap's mean minds no shift...
    canvas_key, view_key = jax.random.split(key)
    keys = coupled.group.list_keys(jax.random.split(view_key, 1)[0])
    total = 0.0
    for i in range(3):
        image = single.canvas.decode(None, z[i], canvas_key)
        taps = one.net.apply(params, single.view(keys[i], image), stop="relu2")
        total += Excite("relu2", i)(taps) + 0.5 * L2()(image)
    np.testing.assert_allclose(value, total, rtol=1e-5)
    assert set(terms) == {"objective", "diversity", "l2"} and terms["diversity"] == 0
    np.testing.assert_allclose(sum(terms.values()), value, rtol=1e-6)


def test_a_coupling_counts_in_units_of_the_mean_objective_jitted_and_not():
    single, coupled, params = build(0.3)
    z, key = coupled.group.init(jax.random.key(1)), jax.random.key(2)
    value, terms, _ = coupled(params, z, items_of(3), key)
    keys = coupled.group.list_keys(jax.random.split(jax.random.split(key)[1], 1)[0])
    images = [single.view(k, single.canvas.decode(None, one, key)) for k, one in zip(keys, z)]
    seen = {"relu1": jnp.stack([single.net.code(params, image, "relu1") for image in images])}
    unit = abs(float(terms["objective"])) / 3
    np.testing.assert_allclose(terms["diversity"], 0.3 * unit * Diversity("relu1")(seen), rtol=1e-4)
    jitted, _, _ = jaxvis.jit(coupled)(params, z, items_of(3), key)
    np.testing.assert_allclose(jitted, value, rtol=1e-5)


def test_alike_pictures_share_start_and_views_and_others_do_not():
    _, coupled, _ = build(0.0, alike=True)
    z = coupled.group.init(jax.random.key(0))
    np.testing.assert_array_equal(z[0], z[2])
    keys = jax.random.key_data(coupled.group.list_keys(jax.random.key(5)))
    assert len(np.unique(keys, axis=0)) == 1
    _, apart, _ = build(0.0)
    z = apart.group.init(jax.random.key(0))
    assert np.abs(z[0] - z[2]).max() > 0.01


def test_each_applies_a_function_to_every_picture():
    group = jnp.arange(8.0).reshape(2, 2, 2, 1)
    shifted = Each(lambda key, image: image - image.mean())(None, group)
    np.testing.assert_allclose(shifted.mean((1, 2, 3)), 0.0, atol=1e-6)


def test_a_group_of_one_and_a_coupling_without_words_are_refused():
    with pytest.raises(ValueError, match="at least 2 pictures"):
        Group(Pixels((4, 4)), 1)
    with pytest.raises(NotImplementedError, match="Coupling has no"):
        Coupling()({})
