"""Matching of real features: what is collected, how it is weighed, and that it is met."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net, photograph

import jaxvis
from jaxvis.loss.canvas import Pixels
from jaxvis.methods.vital import (
    RealFeatures,
    collect_sorted,
    find_exciting,
    list_ends,
    vital,
    weigh_channels,
)
from jaxvis.optimize.rules import adam
from jaxvis.recipes import Recipe
from jaxvis.recipes.targets import choose_target

RECIPE = Recipe(Pixels((SIDE, SIDE), noise=0.1), None, adam(0.05), 60)


def photos():
    photo = photograph(SIDE)
    return jnp.stack([photo, photo[::-1], 1 - photo, 0.5 * photo])


def test_sorted_activations_are_averaged_over_images():
    net, params = conv_net()
    images = photos()[:2]
    found = collect_sorted(net, params, images, ("relu1", "fc"))
    codes = [np.asarray(net.code(params, image, "relu1")).reshape(-1, 6) for image in images]
    expected = np.mean([np.sort(code, axis=0) for code in codes], axis=0)
    np.testing.assert_allclose(found["relu1"], expected, atol=1e-5)
    assert found["fc"].shape == (1, 5)


def test_channels_are_weighed_by_activation_times_gradient():
    net, params = conv_net()
    images, unit = photos()[:1], choose_target(net, params, tap="fc", index=2)
    weights = weigh_channels(net, params, images, "relu2", unit)
    # The scores are linear in the means of relu2, so what a channel adds is known.
    means = np.asarray(net.code(params, images[0], "relu2")).mean((0, 1))
    added = np.maximum(means * np.asarray(params["fc"]["kernel"])[:, 2], 0)
    np.testing.assert_allclose(weights, added / added.mean(), rtol=1e-4)


def test_images_that_excite_most_come_first():
    net, params = conv_net()
    images = photos()
    scores = [float(net.code(params, one, "relu2").mean((0, 1))[3]) for one in images]
    found = find_exciting(net, params, images, "relu2", 3, most=2)
    assert found.tolist() == np.argsort(scores)[::-1][:2].tolist()


def test_layers_are_the_last_of_every_size():
    net, params = conv_net()
    assert list_ends(net, params, "fc", (SIDE, SIDE)) == ("relu1", "relu2", "fc")
    assert list_ends(net, params, "relu2", (SIDE, SIDE)) == ("relu1", "relu2")


@pytest.mark.parametrize("relevance", [False, True])
def test_a_picture_gets_the_distributions_of_an_image(relevance):
    net, params = conv_net()
    run = vital(
        net,
        params,
        photos()[:1],
        tap="relu2",
        index=3,
        features=RealFeatures(relevance=relevance),
        recipe=RECIPE,
        seeds=2,
    )
    assert run.image.shape == (2, SIDE, SIDE, 3)
    distance = run.trace["objective"]
    assert np.all(distance[:, -1] < 0.2 * distance[:, 0])


def test_what_has_no_meaning_is_refused():
    net, params = conv_net()
    with pytest.raises(ValueError, match="at least 1 image"):
        RealFeatures(0)
    with pytest.raises(ValueError, match="no tap 'x'"):
        vital(net, params, photos(), features=RealFeatures(taps=("x",)))
    with pytest.raises(ValueError, match="must be several images"):
        vital(net, params, photos()[0])
    assert jaxvis.vital is vital and jax.tree.leaves(jaxvis.objectives.MatchSorted("a", 1.0))
