"""Gradients on networks whose gradients are known: linear ones, symmetric ones, flat images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from tests.tiny_nets import conv_net

SIDE = 8


def linear_net():
    """Returns (net, params, weights `[3, H, W, C]`): three scores, linear in the image."""
    weights = np.random.default_rng(0).normal(size=(3, SIDE, SIDE, 3)).astype(np.float32)

    def run(params, image):
        return {"scores": jnp.einsum("khwc,hwc->k", params["weights"], image)}

    net, params = jaxvis.from_function(
        run, {"weights": jnp.asarray(weights)}, input_size=(SIDE, SIDE), scores="scores"
    )
    return net, params, weights


def draw(count=None, side=SIDE):
    shape = (side, side, 3) if count is None else (count, side, side, 3)
    return np.random.default_rng(1).random(shape).astype(np.float32)


def test_a_linear_network_has_its_weights_as_gradients():
    net, params, weights = linear_net()
    image = draw()
    found = jaxvis.saliency(net, params, image, index=range(3), combine="none")
    np.testing.assert_allclose(found, weights, rtol=1e-6)
    np.testing.assert_allclose(
        jaxvis.saliency(net, params, image, index=1), np.abs(weights[1]).max(-1), rtol=1e-6
    )
    smooth = jaxvis.smooth_grad(net, params, image, index=range(3), samples=3, combine="none")
    np.testing.assert_allclose(smooth, weights, rtol=1e-6)
    assert not jaxvis.var_grad(net, params, image, index=range(3), samples=3).any()


def test_methods_that_multiply_by_the_path_agree_on_a_linear_network():
    net, params, weights = linear_net()
    image, baseline = draw(), draw(2)
    options = {"index": [2, 0], "combine": "none"}
    found = jaxvis.gradient_times_input(net, params, image, **options)
    np.testing.assert_allclose(found, weights[[2, 0]] * image, rtol=1e-6)
    wanted = weights[[2, 0]] * (image - baseline[0])
    for method in (jaxvis.integrated_gradients, jaxvis.deep_lift):
        found = method(net, params, image, baseline=baseline[0], **options)
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)
    found = jaxvis.expected_gradients(net, params, image, baseline, samples=4, **options)
    wanted = weights[[2, 0]] * (image - baseline.mean(0))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_mirrored_image_has_a_mirrored_map():
    net, params = conv_net()
    kernels = {k: dict(v) for k, v in params.items()}
    for name in ("conv1", "conv2"):
        kernel = kernels[name]["kernel"]
        kernels[name]["kernel"] = (kernel + kernel[:, ::-1]) / 2
    image = draw(side=16)
    image = (image + image[:, ::-1]) / 2
    # Of a black baseline all units of a pooling window are level, and the first one wins.
    dark = 0.5 * image**2
    for method, options in (
        (jaxvis.saliency, {}),
        (jaxvis.integrated_gradients, {}),
        (jaxvis.deep_lift, {"baseline": dark}),
    ):
        found = method(net, kernels, image, index=2, **options)
        np.testing.assert_allclose(found, found[:, ::-1], atol=1e-5 * np.abs(found).max())


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 3])
def test_noise_is_the_same_whatever_the_chunk_and_the_company(chunk):
    net, params = conv_net()
    images = draw(2, side=16)
    options = {"samples": 4, "sigma": 0.2, "key": 5}
    both = jaxvis.smooth_grad(net, params, images, index=[0, 3], chunk=chunk, **options)
    alone = jaxvis.smooth_grad(net, params, images[1], index=3, **options)
    assert both.shape == (2, 2, 16, 16)
    np.testing.assert_allclose(both[1, 1], alone, rtol=1e-4, atol=1e-6)


def test_flat_images_and_dead_scores_have_maps_without_nan():
    net, params = conv_net()
    dead = {**params, "fc": jax.tree.map(jnp.zeros_like, params["fc"])}
    flat = np.full((16, 16, 3), 0.5, np.float32)
    for method in (jaxvis.smooth_grad, jaxvis.var_grad, jaxvis.deep_lift):
        assert np.isfinite(method(net, params, flat, index=0)).all()
        assert not method(net, dead, flat, index=0).any()
    heat = jaxvis.integrated_gradients(net, dead, flat, index=0)
    assert not heat.any()
    assert jaxvis.measure_completeness(net, dead, flat, heat, index=0) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [({"sigma": -1.0}, "sigma is at least 0"), ({"samples": 0}, "samples at least 1")],
)
def test_noise_that_is_none_is_told(options, words):
    net, params = conv_net()
    with pytest.raises(ValueError, match=words):
        jaxvis.smooth_grad(net, params, draw(side=16), index=0, **options)
