"""One network of each family with a grey image and three classes."""

import jax
import numpy as np
import pytest

from jaxvis.nets import build, random_params
from jaxvis.nets.table.layers import minimum
from tests.families import FAMILIES
from tests.tiny_nets import run_once

QUICK = ("lenet5", "resnet18_cifar", "squeezenet1_1")
"""Networks that compile within three seconds; the others take 140 seconds together."""
NAMES = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in FAMILIES
    if name != "demo"  # which has a class for each of its own images
]


@pytest.mark.parametrize("name", NAMES)
def test_a_grey_image_passes_with_classes_of_ones_own(name):
    side = max(minimum(build(name).rows), 16)
    net = build(name, channels=1, classes=3, input_size=(side, side))
    params = random_params(net, jax.random.key(0), preprocess="imagenet")
    image = jax.random.uniform(jax.random.key(1), (side, side, 1))
    taps = run_once(net.apply, params, image)
    assert taps["input"].shape == (side, side, 1) and taps[net.scores].shape == (3,)
    np.testing.assert_allclose(taps["prob"].sum(), 1, rtol=1e-5)
    assert np.ptp(taps[net.scores]) > 0
