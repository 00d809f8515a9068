"""Randomised smoothing: the confidence bound by its definition, the radius on a plane."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom

import jaxvis
from jaxvis.defences.certify.smoothing import ABSTAIN, certify_counts
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from tests import tiny_nets


def plane_net(distance):
    """Returns (net, params, image): two classes, and an image so far from the border."""
    net = build_network("plane", (Layer("end", "fc", 2),), input_size=(4, 4), scores="end")
    slope = np.random.default_rng(0).normal(size=48).astype(np.float32)
    slope /= np.linalg.norm(slope)
    image = np.full((4, 4, 3), 0.5, np.float32)
    bias = distance - slope @ image.ravel()
    params = {
        "input": {"scale": jnp.ones(3), "shift": jnp.zeros(3)},
        "end": {
            "kernel": jnp.asarray(np.stack([slope, 0 * slope], 1)),
            "bias": jnp.array([bias, 0.0]),
        },
    }
    return net, params, image


def test_the_probability_is_clopper_and_pearsons():
    counts = np.array([[990, 10], [1000, 0], [600, 400], [0, 1000]])
    found = certify_counts(counts, np.array([0, 0, 0, 0]), sigma=0.5, alpha=0.01)
    for hits, lowest in zip((990, 1000, 600), found.probability):
        np.testing.assert_allclose(binom.sf(hits - 1, 1000, lowest), 0.01, rtol=1e-6)
    np.testing.assert_allclose(found.probability[1], 0.01 ** (1 / 1000))
    assert found.probability[3] == 0 and found.label[3] == ABSTAIN and found.radius[3] == 0


def test_the_radius_on_a_plane_is_the_distance_from_it():
    # Noise of any strength takes an image across a plane as often as its distance says.
    net, params, image = plane_net(0.2)
    found = jaxvis.smooth(net, params, image, sigma=0.25, samples=20000, trials=50, chunk=2000)
    assert found.label == 0 and 0.18 < found.radius <= 0.2
    assert found.counts.sum() == 20000
    # An image on the plane has no class.
    net, params, image = plane_net(0.0)
    found = jaxvis.smooth(net, params, image, sigma=0.25, samples=2000, trials=50, chunk=2000)
    assert found.label == ABSTAIN and found.radius == 0


@pytest.mark.slow
def test_no_attack_gets_through_within_the_radius():
    net, params, image = plane_net(0.2)
    found = jaxvis.smooth(net, params, image, sigma=0.25, samples=2000, trials=50, chunk=500)
    radii = [float(found.radius), 0.22]
    run = jaxvis.attacks.pgd(net, params, image, [0], epsilon=radii, norm="l2", steps=5)
    assert run.facts["success"].tolist() == [False, True]


@pytest.mark.slow
def test_an_image_is_counted_alike_in_any_chunk_and_company():
    net, params = tiny_nets.conv_net()
    images = jnp.stack([jnp.full((16, 16, 3), level) for level in (0.3, 0.6)])
    options = {"sigma": 0.5, "samples": 70, "trials": 30}
    both = jaxvis.smooth(net, params, images, **options, chunk=64)
    alone = jaxvis.smooth(net, params, images[0], **options, chunk=7)
    np.testing.assert_array_equal(both.counts[0], alone.counts)
    assert both.counts.shape == (2, 5) and (both.counts.sum(-1) == 70).all()
    assert both.radius.shape == (2,) and alone.radius.shape == ()


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"sigma": 0}, "without noise nothing"),
        ({"sigma": 0.1, "alpha": 1}, "above 0 and below 1"),
        ({"sigma": 0.1, "samples": 0}, "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong, said):
    net, params = tiny_nets.conv_net()
    with pytest.raises(ValueError, match=said):
        jaxvis.smooth(net, params, jnp.full((16, 16, 3), 0.5), **wrong)
