"""Gradients redirected through dead ReLUs: by hand, and a unit that moves again."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net

import jaxvis
from jaxvis.loss.canvas import Pixels
from jaxvis.nets.adapters import from_function
from jaxvis.nets.wrappers.guided import with_guided_relus
from jaxvis.optimize import lbfgs
from jaxvis.optimize.rules import adam
from jaxvis.recipes import Recipe, robust
from jaxvis.types import Status


def relu_of_image():
    """Returns (net, params) of one ReLU, whose gradients can be read off."""
    net, params = from_function(
        lambda params, image: {"relu": jax.nn.relu(image * params["one"])},
        {"one": jnp.ones(())},
        taps=["relu"],
        input_size=(1, 4),
        mean=0.0,
        std=1.0,
    )
    return with_guided_relus(net, "redirected"), params


@pytest.mark.parametrize(
    ("values", "found"),
    [
        # Something gets through: the gradient is the ReLU's own.
        ([-1.0, 2.0, -3.0, 4.0], [0.0, 2.0, 0.0, -4.0]),
        # Nothing gets through: what would raise inputs below 0 (a negative gradient) does.
        ([-1.0, -2.0, -3.0, -4.0], [-1.0, 0.0, 0.0, -4.0]),
    ],
)
def test_redirected_gradients_by_hand(values, found):
    net, params = relu_of_image()
    image = jnp.repeat(jnp.array([values])[..., None], 3, -1)
    above = jnp.array([[-1.0, 2.0, 3.0, -4.0]])[..., None]

    def loss(image):
        return jnp.sum(above * net.apply(params, image, stop="relu")["relu"])

    grad = jax.grad(loss)(image)
    np.testing.assert_allclose(grad[0, :, 0], found)
    np.testing.assert_allclose(jaxvis.jit(jax.grad(loss))(image), grad)


def test_activations_stay_the_same_and_unknown_rules_are_refused():
    net, params = conv_net()
    image = jax.random.uniform(jax.random.key(0), (SIDE, SIDE, 3))
    redirected = with_guided_relus(net, "redirected")
    np.testing.assert_allclose(
        redirected.apply(params, image, stop="fc")["fc"],
        net.apply(params, image, stop="fc")["fc"],
        rtol=1e-5,
    )
    with pytest.raises(ValueError, match="guided, deconvnet, redirected"):
        with_guided_relus(net, "other")


def dead_net():
    """Returns (net, params) whose channel 2 of relu2 is silent at the start."""
    net, params = conv_net()
    bias = params["conv2"]["bias"].at[2].set(-1.0)
    return net, {**params, "conv2": {**params["conv2"], "bias": bias}}


def test_a_dead_unit_moves_once_gradients_are_redirected():
    net, params = dead_net()
    recipe = Recipe(Pixels((SIDE, SIDE)), None, adam(0.05), 20)
    still = jaxvis.maximize(net, params, tap="relu2", index=[2, 3], recipe=recipe)
    assert still.status.ravel().tolist() == [Status.DEAD, Status.DONE]
    moved = jaxvis.maximize(
        net, params, tap="relu2", index=[2, 3], recipe=replace(recipe, redirect=15)
    )
    assert moved.status.ravel().tolist() == [Status.DONE, Status.DONE]
    assert moved.trace["objective"][0, 0, -1] < 0
    # The other unit was alive: nothing of it was redirected.
    np.testing.assert_allclose(moved.trace["loss"][1], still.trace["loss"][1], rtol=1e-3)


def test_an_opening_may_be_longer_than_all_steps():
    net, params = dead_net()
    recipe = Recipe(Pixels((SIDE, SIDE)), None, adam(0.05), 2, redirect=16)
    run = jaxvis.maximize(net, params, tap="relu2", index=2, recipe=recipe)
    assert run.trace["loss"].shape == (1, 1, 2)


def test_bad_openings_are_refused():
    with pytest.raises(ValueError, match="redirect is a number of steps"):
        replace(robust((SIDE, SIDE)), redirect=-1)
    net, _ = conv_net()
    searching = replace(robust((SIDE, SIDE)), optimizer=lbfgs(), redirect=4)
    with pytest.raises(ValueError, match="an opening is another"):
        searching.problem(net)
