"""The composed loss: every term named, weighted once, and summed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net, counted_net

from jaxvis.loss.canvas import Pixels, Tanh
from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.objectives import Excite
from jaxvis.loss.priors import L2, TotalVariation
from jaxvis.loss.views import Noise, Roll

SIZE = (8, 8)
PRIORS = (
    Weighted("l2", 0.25, L2()),
    Weighted("smooth", 3.0, TotalVariation()),
)
CANVAS = Pixels(SIZE, noise=0.2)


def test_terms_are_named_weighted_once_and_sum_to_the_loss(key):
    net, params = conv_net(8)
    z, item = CANVAS.init(key), 2.0 * Excite("fc", 1)
    loss = compose(net, CANVAS, priors=PRIORS)
    value, terms = jax.jit(loss)(params, z, item, key)
    assert set(terms) == {"objective", "l2", "smooth"}
    image = CANVAS.decode(z, key)
    expected = {
        "objective": -2 * net.apply(params, image, stop="fc")["fc"][1],
        "l2": 0.25 * L2()(image),
        "smooth": 3 * TotalVariation()(image),
    }
    for name, term in expected.items():
        np.testing.assert_allclose(terms[name], term, rtol=1e-5)
    np.testing.assert_allclose(value, sum(expected.values()), rtol=1e-5)
    assert value.shape == terms["objective"].shape == ()


def test_without_priors_the_objective_is_the_loss(key):
    net, params = conv_net(8)
    loss = compose(net, CANVAS)
    value, terms = loss(params, CANVAS.init(key), Excite("fc", 0), key)
    assert set(terms) == {"objective"}
    assert float(value) == float(terms["objective"])


@pytest.mark.parametrize("names", [("a", "a"), ("objective",), ("loss",), ("status",)])
def test_names_that_clash_are_refused(names):
    net, _ = conv_net(8)
    priors = tuple(Weighted(name, 1.0, L2()) for name in names)
    with pytest.raises(ValueError, match="every prior needs a name of its own"):
        compose(net, CANVAS, priors=priors)


@pytest.mark.parametrize("draws", [0, -1])
def test_fewer_draws_than_one_are_refused(draws):
    net, _ = conv_net(8)
    with pytest.raises(ValueError, match="draws must be at least 1"):
        compose(net, CANVAS, draws=draws)


def test_draws_are_averaged(key):
    net, params, _ = counted_net(8)
    item, z = Excite("scores", 0), CANVAS.init(key)
    keys = jax.random.split(key, 64)

    def values(draws):
        loss = compose(net, CANVAS, view=Noise(1.0), draws=draws)
        return np.asarray(jax.jit(jax.vmap(lambda key: loss(params, z, item, key)[0]))(keys))

    single, mean = values(1), values(16)
    assert float(mean.std()) == pytest.approx(float(single.std()) / 4, rel=0.35)
    assert abs(mean.mean() - single.mean()) < single.std() / 2


def test_view_is_what_the_network_sees_and_priors_the_whole_image(key):
    net, params = conv_net(8)
    z = CANVAS.init(key)
    priors = (Weighted("corner", 1.0, lambda image: image[0, 0, 0]),)
    loss = compose(net, CANVAS, view=lambda key, image: image[2:, 2:], priors=priors)
    _, terms = loss(params, z, Excite("fc", 2), key)
    image = CANVAS.decode(z, key)
    seen = net.apply(params, image[2:, 2:], stop="fc")["fc"]
    np.testing.assert_allclose(terms["objective"], -seen[2], rtol=1e-5)
    assert float(terms["corner"]) == float(image[0, 0, 0])


def test_value_depends_on_the_key_only_through_the_view(key):
    net, params = conv_net(8)
    z, item = CANVAS.init(key), Excite("fc", 0)
    still, moving = compose(net, CANVAS), compose(net, CANVAS, view=Noise(0.5))
    values = {
        loss: [float(loss(params, z, item, jax.random.key(i))[0]) for i in (1, 1, 2)]
        for loss in (still, moving)
    }
    assert len(set(values[still])) == 1
    assert values[moving][0] == values[moving][1] != values[moving][2]


def test_equal_losses_hash_equal_and_do_not_trace_again(key):
    net, params, traced = counted_net(8)

    def value(loss, z):
        return loss(params, z, Excite("scores", jnp.array(1)), key)[0]

    jitted = jax.jit(value, static_argnums=0)
    for _ in range(2):
        canvas = Tanh(SIZE)
        loss = compose(net, canvas, view=Roll(2), priors=(Weighted("l2", 0.1, L2()),))
        jitted(loss, canvas.init(key))
    assert traced() == 1
