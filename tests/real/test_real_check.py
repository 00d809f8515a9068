"""The check of a network, on photographs and a network that was trained with ImageNet."""

from itertools import product

import numpy as np
import pytest

import jaxvis
from jaxvis.output.io import read_image
from weights_convert import convert

PHOTOS = ("001_n01443537_goldfish", "015_n01558993_robin", "096_n01843383_toucan")


@pytest.fixture(scope="module")
def squeezenet(data_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("check") / "squeezenet.safetensors"
    convert([data_file("weights/squeezenet_v1.1_f32.npz")], net="squeezenet1_1", out=out)
    return jaxvis.load("squeezenet1_1", weights=out)


def check(squeezenet, data_file, name, scale, shift, order):
    """Checks the network with another front, y = x scale + shift in the order of channels."""
    net, params = squeezenet
    front = {"scale": np.full(3, scale, np.float32), "shift": np.asarray(shift, np.float32)}
    photo = read_image(data_file(f"images/imagenet_a/{name}.jpg"), size=net.input_size)
    number = int(name[:3])
    return jaxvis.check(net, {**params, "input": front}, photo[..., ::order], shows=number)


# A test's programs may be dropped after it, so that those of one network stay together.


@pytest.mark.slow
def test_a_network_that_was_converted_rightly_has_nothing_wrong(squeezenet, data_file):
    for name in PHOTOS:
        found = check(squeezenet, data_file, name, 255, (-123, -117, -104), 1)
        assert found.warnings == () and found.top[0][0] == int(name[:3])


@pytest.mark.slow
def test_values_on_a_wrong_scale_are_found(squeezenet, data_file):
    for name, (scale, shift) in product(PHOTOS, ((1, (0, 0, 0)), (2, (-1, -1, -1)))):
        found = check(squeezenet, data_file, name, scale, shift, 1)
        assert any("hardly depends on the picture" in warning for warning in found.warnings)
        best = max(found.readings, key=lambda one: one.height)
        assert best.how.startswith("values from 0 to 255") and best.number == int(name[:3])
