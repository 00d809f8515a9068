"""The composed loss: every term named, weighted once, and summed."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import compilations, conv_net, counted_net

from jaxvis.loss.canvas import Pixels, Tanh
from jaxvis.loss.compose import Weighted, compose, name_priors
from jaxvis.loss.objectives import Excite, as_objective
from jaxvis.loss.priors import L2, TotalVariation
from jaxvis.loss.views import Noise, Resize, Roll
from jaxvis.types import Canvas, Drawing

SIZE = (8, 8)
PRIORS = (
    Weighted("l2", 0.25, L2()),
    Weighted("smooth", 3.0, TotalVariation()),
)
CANVAS = Pixels(SIZE, noise=0.2)


@pytest.mark.slow
def test_terms_are_named_weighted_once_and_sum_to_the_loss(key):
    net, params = conv_net(8)
    z, item = CANVAS.init(key), 2.0 * Excite("fc", 1)
    loss = compose(net, CANVAS, priors=PRIORS)
    value, terms, state = jax.jit(loss)(params, z, item, key)
    assert state is None
    assert set(terms) == {"objective", "l2", "smooth"}
    image = CANVAS.decode(None, z, key)
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
    value, terms, _ = loss(params, CANVAS.init(key), Excite("fc", 0), key)
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


@pytest.mark.slow
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
    _, terms, _ = loss(params, z, Excite("fc", 2), key)
    image = CANVAS.decode(None, z, key)
    seen = net.apply(params, image[2:, 2:], stop="fc")["fc"]
    np.testing.assert_allclose(terms["objective"], -seen[2], rtol=1e-5)
    assert float(terms["corner"]) == float(image[0, 0, 0])


@pytest.mark.slow
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


@dataclass(frozen=True)
class Counting(Canvas):
    """A canvas of what is shared, with a term of its own and a count of its steps."""

    def init(self, key):
        return {"tint": jnp.zeros(3), "steps": jnp.zeros(())}

    def decode(self, shared, z, key):
        return shared + z["tint"]

    def draw(self, shared, z, key):
        terms = {"far": jnp.sum(z["tint"] ** 2)}
        return Drawing(self.decode(shared, z, key), terms, {"steps": z["steps"] + 1})

    def image_size(self):
        return SIZE

    def split(self, z):
        return z["tint"], z["steps"]

    def join(self, learned, state):
        return {"tint": learned, "steps": state}


def test_a_canvas_adds_terms_and_state_and_sees_what_is_shared(key):
    net, params = conv_net(8)
    canvas, shared = Counting(), jnp.full((*SIZE, 3), 0.25)
    z = {"tint": jnp.array([0.1, 0.2, 0.3]), "steps": jnp.float32(4)}
    loss = compose(net, canvas, priors=PRIORS)
    value, terms, state = loss(params, z, Excite("fc", 1), key, shared)
    assert list(terms) == ["objective", "far", "l2", "smooth"]
    image = shared + z["tint"]
    np.testing.assert_allclose(terms["l2"], 0.25 * L2()(image), rtol=1e-5)
    np.testing.assert_allclose(terms["objective"], -net.apply(params, image, stop="fc")["fc"][1])
    np.testing.assert_allclose(terms["far"], 0.14, rtol=1e-5)
    np.testing.assert_allclose(value, sum(terms.values()), rtol=1e-6)
    assert state == {"steps": 5}


@pytest.mark.slow
def test_dropout_sets_half_of_a_tap_to_zero_and_doubles_the_rest(key):
    net, params = conv_net(8)
    z = CANVAS.init(key)
    whole = net.apply(params, CANVAS.decode(None, z, key), stop="conv1")["conv1"]
    dropped = as_objective(lambda taps: jnp.mean(taps["conv1"] == 0.0))
    wrong = as_objective(
        lambda taps: jnp.max(jnp.minimum(abs(taps["conv1"]), abs(taps["conv1"] - 2 * whole)))
    )
    loss = compose(net, CANVAS, dropout=("conv1",))
    keys = jax.random.split(key, 3)
    shares = jax.vmap(lambda key: loss(params, z, dropped, key)[0])(keys)
    np.testing.assert_allclose(shares, 0.5, atol=0.1)
    assert len(np.unique(shares)) == 3
    np.testing.assert_allclose(loss(params, z, wrong, key)[0], 0, atol=1e-5)


@pytest.mark.slow
def test_what_follows_dropout_sees_what_is_left(key):
    net, params = conv_net(8)
    z, item = CANVAS.init(key), Excite("fc", 0)
    loss = compose(net, CANVAS, dropout=("relu1", "relu2"))
    values = jax.jit(jax.vmap(lambda key: loss(params, z, item, key)[0]))
    found = np.asarray(values(jax.random.split(key, 200)))
    whole = float(compose(net, CANVAS)(params, z, item, key)[0])
    assert found.std() > 1e-3
    assert abs(found.mean() - whole) < found.std()


def test_dropout_of_an_unknown_tap_is_refused():
    net, _ = conv_net(8)
    with pytest.raises(ValueError, match="no tap 'relu9'"):
        compose(net, CANVAS, dropout=("relu9",))


def test_weights_of_priors_are_handed_to_the_program(key):
    net, params = conv_net(8)
    z = CANVAS.init(key)

    @jax.jit
    def terms(loss):
        return loss(params, z, Excite("fc", 1), key)[1]

    light, heavy = (
        jax.tree.map(np.float32, compose(net, CANVAS, priors=(Weighted("l2", w, L2()),)))
        for w in (0.5, 1.5)
    )
    first = terms(light)
    assert compilations(lambda: terms(heavy)) == 0
    np.testing.assert_allclose(terms(heavy)["l2"], 3 * first["l2"], rtol=1e-6)


def test_priors_are_named_by_a_mapping_too():
    prior = L2()
    assert name_priors({"l2": (2, prior)}) == (Weighted("l2", 2.0, prior),)
    assert name_priors(list(PRIORS)) == PRIORS
    for wrong in ({"l2": prior}, {"l2": ("a", prior)}):
        with pytest.raises(ValueError, match=r"maps a name to \(weight, prior\)"):
            name_priors(wrong)
    with pytest.raises(ValueError, match=r"priors= holds Weighted\(name, weight, prior\)"):
        name_priors([prior])


def test_parameters_are_prepared_for_the_size_that_the_network_sees():
    net, params = conv_net(8)
    asked = []

    @dataclass(frozen=True)
    class Asked(type(net)):
        def prepare(self, params, *, size=None):
            asked.append(size)
            return params

    watched = Asked(**{name: getattr(net, name) for name in net.__dataclass_fields__})
    compose(watched, Pixels((8, 6))).prepare(params)
    compose(watched, Pixels((8, 6)), view=Resize((4, 5))).prepare(params)
    assert asked == [(8, 6), (4, 5)]


def test_a_rematerialised_loss_has_the_same_value_and_gradient(key):
    net, params = conv_net(8)
    z, item = CANVAS.init(key), Excite("fc", 1)
    loss = compose(net, CANVAS, priors=PRIORS)

    def both(loss):
        return jax.jit(jax.value_and_grad(lambda z: loss(params, z, item, key)[0]))(z)

    (value, grad), (other, again) = both(loss), both(loss.rematerialise())
    np.testing.assert_allclose(other, value, rtol=1e-5)
    np.testing.assert_allclose(again, grad, rtol=1e-4, atol=1e-6)


def test_a_prior_that_is_no_number_is_refused(key):
    net, params = conv_net(8)
    loss = compose(net, CANVAS, priors=name_priors({"map": (1.0, lambda image: image**2)}))
    with pytest.raises(ValueError, match=r"prior 'map' returns an array of shape \(8, 8, 3\)"):
        jax.eval_shape(loss, params, CANVAS.init(key), Excite("fc", 1), key)
