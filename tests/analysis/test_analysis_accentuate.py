"""Feature accentuation: what moves, what stays, and a heat that adds up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net, photograph

import jaxvis
from jaxvis.analysis.accentuate import accentuate
from jaxvis.loss.anchor import Anchor, Anchored
from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Excite
from jaxvis.loss.views import Roll
from jaxvis.optimize.rules import adam
from jaxvis.recipes import Recipe

RECIPE = Recipe(Pixels((SIDE, SIDE)), Roll(2), adam(0.01), 12)


def accent(**options):
    net, params = conv_net()
    asked = {"tap": "relu2", "index": [1, 3], "layer": "relu1", "recipe": RECIPE, **options}
    return accentuate(net, params, photograph(SIDE), **asked)


def test_the_loss_by_hand_jitted_and_not():
    net, params = conv_net()
    single = compose(net, Pixels((SIDE, SIDE)))
    loss, photo = Anchored(single, "relu1"), jnp.asarray(photograph(SIDE))
    item = Anchor(2.0 * Excite("relu2", 3), photo, 0.5)
    image = jnp.clip(photo + 0.1, 0, 1)
    z, key = single.canvas.encode(image), jax.random.key(0)
    value, terms, _ = loss(params, z, item, key)
    there, here = (np.asarray(net.code(params, one, "relu1")) for one in (photo, image))
    distance = 0.5 * ((here - there) ** 2).sum() / (there**2).sum()
    np.testing.assert_allclose(terms["distance"], distance, rtol=1e-4)
    excited = float(net.code(params, image, "relu2")[..., 3].mean())
    np.testing.assert_allclose(terms["objective"], -2 * excited, rtol=1e-4)
    np.testing.assert_allclose(value, distance - 2 * excited, rtol=1e-4)
    np.testing.assert_allclose(jaxvis.jit(loss)(params, z, item, key)[0], value, rtol=1e-4)


def test_the_photograph_itself_is_at_no_distance_in_any_view():
    net, params = conv_net()
    single = compose(net, Pixels((SIDE, SIDE)), view=Roll(5))
    photo = jnp.asarray(photograph(SIDE))
    z, item = single.canvas.encode(photo), Anchor(1.0 * Excite("relu2", 3), photo, 1.0)
    _, terms, _ = Anchored(single, "relu1")(params, z, item, jax.random.key(3))
    assert float(terms["distance"]) < 1e-9


@pytest.mark.slow
def test_units_are_excited_more_and_the_heat_adds_up():
    found = accent(seeds=2)
    assert found.run.image.shape == (2, 2, SIDE, SIDE, 3)
    assert found.heat.shape == (2, 2, SIDE, SIDE)
    before, after = found.run.facts["before"], found.run.facts["after"]
    assert np.all(after > 1.05 * before)
    net, params = conv_net()
    value = net.code(params, found.run.image[1, 0], "relu2")[..., 3].mean()
    np.testing.assert_allclose(after[1, 0], value, rtol=1e-4)
    np.testing.assert_allclose(found.heat.sum((2, 3)), after - before, rtol=0.1)


def test_more_strength_keeps_more_of_the_photograph():
    photo = photograph(SIDE)
    weak, strong = (
        np.mean((accent(strength=strength, index=3).run.image[0, 0] - photo) ** 2)
        for strength in (0.0, 100.0)
    )
    assert strong < 0.5 * weak


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": -1.0}, "strength is at least 0"),
        ({"layer": "x"}, "no tap 'x'"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"index": 99}, "8 channels"),
    ],
)
def test_what_has_no_meaning_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        accent(**options)
