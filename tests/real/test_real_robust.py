"""Robust training and certificates on the trained networks of digits and small pictures."""

import jax
import numpy as np
import pytest

import jaxvis
from benchmarks.harness import small_images
from benchmarks.quality import robust
from jaxvis.defences import Hardening


@pytest.fixture(scope="module")
def data(data_file):
    """Returns the data folder, or skips."""
    for name in robust.FILES:
        path = data_file(name)
    return path.parents[1]


@pytest.mark.slow
def test_the_network_computes_what_the_reference_says(data, data_file):
    reference = np.load(data_file("reference/ref_small_nets.npz"))
    net, params = small_images.load_cifar_net(data)
    with np.load(data_file(robust.FILES[4])) as file:
        images = file["x"][reference["cifar10:index"]] / np.float32(255)
    found = jax.vmap(lambda x: net.apply(params, x, stop="fc")["fc"])(images)
    np.testing.assert_allclose(found, reference["cifar10:logits"], atol=2e-4)


@pytest.mark.slow
def test_digits_become_robust(data):
    task = robust.load_task(data, "mnist")
    held = task.images[-200:], task.labels[-200:]
    found = jaxvis.adversarial_train(
        task.net,
        task.params,
        task.images[:2000],
        task.labels[:2000],
        epsilon=task.epsilon,
        hardening=Hardening(steps=60, attack_steps=3),
        held_out=held,
    )
    assert found.facts["clean before"] > 0.97 and found.facts["clean after"] > 0.93
    assert found.facts["robust after"] > found.facts["robust before"] + 0.15
    # No certificate contradicts the attack.
    radii = [0.0, 0.005, task.epsilon]
    certain = jaxvis.certified_accuracy(task.net, found.params, *held, epsilon=radii)
    assert certain[0] >= certain[1] >= certain[2] and certain[2] <= found.facts["robust after"]
