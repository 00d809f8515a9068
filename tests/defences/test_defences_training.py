"""Robust training: what it minimises, that it helps, and that it goes on where it stopped."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxvis
from jaxvis.defences import Hardening
from jaxvis.defences.training.goals import cross_entropy, divergence, measure_bounds, score_batch
from jaxvis.nets import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.train.loop import CheckpointFile
from tests import tiny_nets

EPSILON = 0.1


@pytest.fixture(scope="module")
def task():
    """Returns (net, params, images, labels): which half is brighter, and a noisy hint.

    The hint, a small bright corner, always tells; but the ball of an attack is larger.
    """
    rows = (
        Layer("conv", "conv", 6, 3, pad=1),
        Layer("norm", "bn"),
        Layer("relu", "relu"),
        Layer("pool", "max", size=2, stride=2),
        Layer("end", "fc", 2),
    )
    net = build_network("halves", rows, input_size=(8, 8), scores="end", channels=1)
    params = random_params(net, jax.random.key(0), preprocess="unit")
    params = {**params, "input": {"scale": jnp.ones(1), "shift": jnp.full(1, -0.5)}}
    drawn = np.random.default_rng(0)
    labels = drawn.integers(0, 2, 256)
    images = 0.3 + 0.1 * drawn.normal(size=(256, 8, 8, 1))
    for image, label in zip(images, labels):
        image[:, 4 * label : 4 * label + 4] += 0.35
        image[0, 0] = 0.05 + 0.9 * label
    return net, params, np.clip(images, 0, 1).astype(np.float32), labels.astype(np.int32)


def harden(task, method, **changes):
    net, params, images, labels = task
    options = {"steps": 60, "batch": 32, "attack_steps": 3, "learning_rate": 0.01} | changes
    return jaxvis.adversarial_train(
        net,
        params,
        images[:192],
        labels[:192],
        method=method,
        epsilon=EPSILON,
        hardening=Hardening(**options),
        held_out=(images[192:], labels[192:]),
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", ("pgd", "trades", "free", "ibp", "crown_ibp"))
def test_training_makes_a_network_robust(task, method):
    steps = {"free": 20, "ibp": 150, "crown_ibp": 150}.get(method, 60)
    found = harden(task, method, steps=steps)
    assert found.done and found.step == steps
    assert found.facts["robust after"] > max(0.8, found.facts["robust before"])
    assert found.facts["clean after"] >= found.facts["robust after"]
    assert {"loss", "accuracy"} <= set(found.curves)
    # What norms measured and the input's scale stay.
    for row, name in (("norm", "mean"), ("norm", "var"), ("input", "shift")):
        np.testing.assert_array_equal(found.params[row][name], task[1][row][name])
    assert np.any(found.params["norm"]["scale"] != task[1]["norm"]["scale"])
    net, _, images, labels = task
    certain = jaxvis.certified_accuracy(
        net, found.params, images[192:], labels[192:], epsilon=EPSILON
    )
    assert certain <= found.facts["robust after"]
    if method in ("ibp", "crown_ibp"):
        assert certain > 0.7


@pytest.mark.slow
def test_a_training_that_goes_on_ends_where_a_whole_one_ends(task, tmp_path):
    net, params, images, labels = task
    path = tmp_path / "training.safetensors"

    def run(steps, resume):
        # The rate's schedule depends on the steps in all.
        hardening = Hardening(steps=steps, batch=16, attack_steps=1, learning_rate=0.01)
        file = CheckpointFile(path, resume=resume)
        given = (net, params, images, labels)
        return jaxvis.adversarial_train(*given, hardening=hardening, checkpoint=file)

    whole = run(6, resume=False)
    again = run(6, resume=True)
    assert again.step == 6 and again.facts == {}
    for one, other in zip(jax.tree.leaves(whole.params), jax.tree.leaves(again.params)):
        np.testing.assert_array_equal(one, other)


def test_losses_are_their_definitions():
    scores = np.array([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]], np.float32)
    others = np.array([[0.0, 0.0, 0.0], [0.5, 2.0, 0.0]], np.float32)
    labels = np.array([0, 2])
    np.testing.assert_allclose(
        cross_entropy(scores, labels),
        optax.softmax_cross_entropy_with_integer_labels(scores, labels),
        rtol=1e-6,
    )
    p = np.exp(scores[0]) / np.exp(scores[0]).sum()
    wanted = [np.sum(p * (np.log(p) - np.log(1 / 3))), 0.0]
    np.testing.assert_allclose(divergence(others, scores), wanted, atol=1e-6)


@pytest.mark.slow
def test_a_batch_is_scored_as_its_images_are(task):
    photos = jnp.stack([tiny_nets.photograph(16), 1 - tiny_nets.photograph(16)])
    for net, params, images in ((*task[:2], task[2][:3]), (*tiny_nets.conv_net(), photos)):
        wanted = [net.apply(params, one, stop=net.scores)[net.scores] for one in images]
        found = tiny_nets.run_once(partial(score_batch, net), params, images)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    own, weights, _ = tiny_nets.counted_net()
    assert score_batch(own, weights, photos).shape == (2, 4)


@pytest.mark.slow
def test_bounds_without_radius_are_the_clean_loss():
    net, params = tiny_nets.conv_net()
    images = jax.random.uniform(jax.random.key(0), (3, 16, 16, 3))
    labels = jnp.array([0, 1, 2])
    for lines in (None, jnp.float32(1)):
        measure = partial(measure_bounds, net, epsilon=0.0, share=0.5, lines=lines)
        _, terms = tiny_nets.run_once(measure, params, images, labels)
        np.testing.assert_allclose(terms["certified"], terms["natural"], rtol=1e-4)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"method": "magic"}, "method is one of"),
        ({"method": "ibp", "norm": "l2"}, "bounds the norm 'linf' alone"),
        ({"norm": "l0"}, "'linf' or 'l2'"),
        ({"epsilon": 0}, "above 0 in a training"),
        ({"epsilon": 8}, "8/255"),
    ],
)
def test_what_makes_no_sense_is_refused(task, options, said):
    net, params, images, labels = task
    with pytest.raises(ValueError, match=said):
        jaxvis.adversarial_train(net, params, images, labels, **options)


def test_options_outside_their_range_are_refused():
    for name in ("steps", "batch", "attack_steps", "learning_rate", "beta", "step_size"):
        with pytest.raises(ValueError, match=name):
            Hardening(**{name: 0})
    with pytest.raises(ValueError, match="ramp is from 0 to 1"):
        Hardening(ramp=2)
