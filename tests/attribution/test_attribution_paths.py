"""Paths from a baseline: they add up, and what does not is told."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.attribution.quadrature import list_places
from tests.tiny_nets import conv_net

IMAGE = np.random.default_rng(1).random((16, 16, 3)).astype(np.float32)


@pytest.mark.parametrize("rule", ["gauss-legendre", "left", "right", "middle", "trapezoid"])
def test_rules_integrate_a_line(rule):
    places, weights = list_places(rule, 200)
    assert abs(np.sum(weights * places) - 0.5) < 0.006
    exact = {"gauss-legendre": 1e-12, "middle": 1e-12}.get(rule)
    assert exact is None or abs(np.sum(weights * places) - 0.5) < exact


@pytest.mark.parametrize(("rule", "steps"), [("simpson", 4), ("left", 0), ("trapezoid", 1)])
def test_a_rule_that_is_none_is_told(rule, steps):
    with pytest.raises(ValueError, match="rule"):
        list_places(rule, steps)


@pytest.mark.parametrize("baseline", ["zero", "mean", "blur", IMAGE[::-1]])
def test_integrated_gradients_and_deep_lift_are_complete(baseline):
    net, params = conv_net()
    options = {"index": [0, 3], "baseline": baseline}
    heat = jaxvis.integrated_gradients(net, params, IMAGE, steps=200, **options)
    # The path has a kink at every ReLU and pool, which points in between do not see.
    assert jaxvis.measure_completeness(net, params, IMAGE, heat, **options).max() < 0.05
    heat = jaxvis.deep_lift(net, params, IMAGE, **options)
    assert jaxvis.measure_completeness(net, params, IMAGE, heat, **options).max() < 1e-4


def test_few_steps_are_told_with_their_cure(caplog):
    def run(params, image):
        return {"scores": jnp.sum(image**9)[None]}

    net, params = jaxvis.from_function(run, {}, input_size=(16, 16), scores="scores")
    with caplog.at_level(logging.WARNING, logger="jaxvis"):
        jaxvis.integrated_gradients(net, params, IMAGE, index=0, steps=5)  # exact: degree 8
        assert not caplog.records
        jaxvis.integrated_gradients(net, params, IMAGE, index=0, steps=3, rule="left")
    assert "take steps=12" in caplog.text


@pytest.mark.slow
def test_expected_gradients_add_up_to_the_mean_difference():
    net, params = conv_net()
    baselines = np.random.default_rng(2).random((3, 16, 16, 3)).astype(np.float32)
    heat = jaxvis.expected_gradients(net, params, IMAGE, baselines, index=[0, 3], samples=600)
    options = {"index": [0, 3], "baseline": baselines}
    assert jaxvis.measure_completeness(net, params, IMAGE, heat, **options).max() < 0.2
    chunked = jaxvis.expected_gradients(
        net, params, IMAGE, baselines, index=[0, 3], samples=600, chunk=7
    )
    np.testing.assert_allclose(heat, chunked, atol=1e-5 * np.abs(heat).max())


def test_conductance_of_a_layer_adds_up_and_of_a_neuron_is_its_part():
    net, params = conv_net()
    options = {"index": 1, "steps": 300}
    layer = jaxvis.conductance(
        net, params, IMAGE, layer="relu2", rule="trapezoid", combine="none", **options
    )
    scores = [net.apply(params, one)["fc"][1] for one in (IMAGE, np.zeros_like(IMAGE))]
    np.testing.assert_allclose(layer.sum(), scores[0] - scores[1], rtol=0.02)
    place = np.unravel_index(np.argmax(np.abs(layer)), layer.shape)
    one = jaxvis.conductance(net, params, IMAGE, layer="relu2", neuron=place, **options)
    assert one.shape == (16, 16)
    np.testing.assert_allclose(one.sum(), layer[place], rtol=0.05)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": "input"}, "use jaxvis.integrated_gradients"),
        ({"layer": "nowhere"}, "no tap"),
        ({"layer": "relu2", "neuron": (0, 0, 8)}, r"\(y, x, channel\) within"),
        ({"layer": "gap", "neuron": (0, 0, 0)}, r"\(channel,\) within"),
    ],
)
def test_a_layer_or_neuron_that_is_none_is_told(options, words):
    net, params = conv_net()
    with pytest.raises(ValueError, match=words):
        jaxvis.conductance(net, params, IMAGE, index=0, **options)


def test_a_baseline_of_another_size_is_told():
    net, params = conv_net()
    with pytest.raises(ValueError, match="resize"):
        jaxvis.deep_lift(net, params, IMAGE, index=0, baseline=IMAGE[:8])
    with pytest.raises(ValueError, match="resize"):
        jaxvis.expected_gradients(net, params, IMAGE, IMAGE[None, :8], index=0)


@pytest.mark.parametrize(
    "function",
    [
        jax.nn.silu,
        jax.nn.gelu,
        jax.nn.hard_swish,
        jax.nn.leaky_relu,
        jax.nn.softplus,
        lambda x: jnp.where(x > 0.1, x, x**2) / (1 + jnp.abs(x)),
        lambda x: jax.nn.softmax(x, axis=-1) * jnp.minimum(x, 0.2),
        lambda x: jnp.einsum("hwc,hwd->hcd", x, x)[None] * (x > 0.2)[..., None],
        lambda x: jnp.max(x, axis=(0, 1)),
    ],
)
def test_deep_lift_is_complete_whatever_a_network_is_built_of(function):
    def run(params, image):
        inside = jnp.tanh(image @ params["mix"])
        return {"scores": jnp.sum(params["bend"] * function(inside).sum())[None]}

    draw = np.random.default_rng(3)
    params = {"mix": draw.normal(size=(3, 4)).astype(np.float32), "bend": jnp.ones(1)}
    net, params = jaxvis.from_function(run, params, input_size=(16, 16), scores="scores")
    heat = jaxvis.deep_lift(net, params, IMAGE, index=0, baseline=IMAGE[::-1] / 2)
    error = jaxvis.measure_completeness(net, params, IMAGE, heat, index=0, baseline=IMAGE[::-1] / 2)
    assert error < 1e-3


def test_deep_lift_names_an_operation_without_a_rule():
    def run(params, image):
        return {"scores": jnp.sort(image.ravel())[:1]}

    net, params = jaxvis.from_function(run, {}, input_size=(16, 16), scores="scores")
    with pytest.raises(ValueError, match="no rule for the operation 'sort'"):
        jaxvis.deep_lift(net, params, IMAGE, index=0)
