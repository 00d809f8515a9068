"""Each newer family of networks is maximised, inverted and differentiated in its image."""

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.nets import build, random_params
from jaxvis.types import Status
from tests.tiny_nets import photograph

MAPS = {
    "mobilenet_v2": (32, "features.2.conv.1.0"),
    "mobilenet_v3_small": (32, "features.2.block.1.0"),
    "efficientnet_b0": (32, "features.2.0.block.1.0"),
    "regnet_y_400mf": (32, "trunk_output.block1.block1-0.f.b.0"),
    "convnext_tiny": (32, "features.1.0.block.0"),
    "resnext50_32x4d": (32, "layer1.0.conv2"),
    "resnet18_cifar": (32, "layer1.0.conv1"),
    "inception_v3": (75, "Conv2d_3b_1x1.conv"),
    "lenet5": (28, "conv2"),
    "vit_ti_16": (32, "blocks.0"),
}
"""Network -> the side of its image, and an early map that is inverted."""

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", MAPS)
def test_a_class_is_maximised_a_map_inverted_and_a_score_differentiated(name):
    side, tap = MAPS[name]
    channels = 1 if name == "lenet5" else 3
    net = build(name, classes=4, input_size=(side, side))
    assert net.channels == channels
    params = random_params(net, jax.random.key(0), preprocess="imagenet")
    image = np.asarray(photograph(side))[..., :channels]

    def score(image):
        return net.apply(params, image, stop=net.scores)[net.scores][2]

    slope = jaxvis.jit(jax.grad(score))(image)
    assert slope.shape == image.shape and np.isfinite(slope).all() and np.ptp(slope) > 0
    # Along its gradient a score rises.
    step = 1e-3 * slope / np.abs(slope).max()
    looks = jaxvis.jit(jax.vmap(score))(np.stack([image, image + step]))
    assert looks[1] > looks[0]

    # From grey, which is zero behind the input row, random gates would let nothing through.
    options = {"index": 2, "recipe": "plain", "size": (side, side), "steps": 2}
    run = jaxvis.maximize(net, params, start=image, **options)
    assert run.image.shape == (1, 1, side, side, channels)
    assert run.status.item() == Status.DONE and np.ptp(run.image) > 0

    back = jaxvis.invert(net, params, image, tap=tap, steps=60)
    loss = back.trace["objective"][0]
    assert loss[-1] < 0.7 * loss[0]
