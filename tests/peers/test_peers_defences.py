"""Filters and certificates against the adversarial robustness toolbox (ART)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.defences import BitDepth, JpegFile, Median
from jaxvis.nets import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from tests import tiny_nets

torch = pytest.importorskip("torch")
art = pytest.importorskip("art.defences.preprocessor")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def photos():
    photo = np.asarray(tiny_nets.photograph(48))
    return np.stack([photo, photo[::-1]])


def test_filters_equal_arts(photos):
    found, _ = art.FeatureSqueezing(clip_values=(0, 1), bit_depth=3)(photos.copy())
    np.testing.assert_allclose(jax.vmap(BitDepth(bits=3))(photos), found, atol=1e-6)
    found, _ = art.SpatialSmoothing(window_size=3, channels_first=False)(photos.copy())
    np.testing.assert_allclose(jax.vmap(Median(size=3))(photos), found, atol=1e-6)
    jpeg = art.JpegCompression(clip_values=(0, 1), quality=50, channels_first=False)
    levels = np.round(photos * 255) / 255
    found, _ = jpeg(levels.astype(np.float32))
    ours = jax.vmap(JpegFile(quality=50))(jnp.asarray(levels))
    # It cuts levels off where we round to the nearest.
    assert np.abs(ours - found).max() < 3 / 255 and np.abs(ours - found).mean() < 1 / 255


def test_intervals_equal_arts():
    interval = pytest.importorskip("art.estimators.certification.interval")
    rows = (Layer("one", "fc", 7), Layer("r", "relu"), Layer("two", "fc", 3))
    net = build_network("dense", rows, input_size=(2, 2), channels=3, scores="two")
    params = random_params(net, jax.random.key(0), preprocess="unit")
    image = np.asarray(jax.random.uniform(jax.random.key(1), (2, 2, 3)))
    epsilon = 0.05
    bounds = np.stack([image.ravel() - epsilon, image.ravel() + epsilon])[None]
    value = torch.tensor(np.clip(bounds, 0, 1))
    for name in ("one", "two"):
        layer = interval.PyTorchIntervalDense(*params[name]["kernel"].shape)
        layer.weight = torch.nn.Parameter(torch.tensor(np.array(params[name]["kernel"]).T))
        layer.bias = torch.nn.Parameter(torch.tensor(np.array(params[name]["bias"])))
        value = layer(value)
        if name == "one":
            value = interval.PyTorchIntervalReLU()(value)
    found = jaxvis.score_bounds(net, params, image, epsilon=epsilon, method="interval")
    np.testing.assert_allclose(found, value.detach().numpy()[0], rtol=1e-5, atol=1e-5)
