"""Style on VGG-19 as it was trained: the default keeps the content, at two sizes."""

from dataclasses import replace

import numpy as np
import pytest

import jaxvis
from jaxvis.output.io import read_image
from jaxvis.recipes.styles import STYLES
from weights_convert import convert

CONTENT, STYLE = "content/tubingen_neckarfront.jpg", "paintings/starry_night_van_gogh_1889.jpg"


@pytest.fixture(scope="module")
def vgg19(data_file, tmp_path_factory):
    """Returns VGG-19 up to relu5_1 with its real parameters."""
    source = data_file("weights/vgg19_conv_f16.npz")
    out = tmp_path_factory.mktemp("real") / "vgg19.safetensors"
    convert([source], net="vgg19", out=out, stop="relu5_1")
    return jaxvis.load("vgg19", weights=out, pool="avg", stop="relu5_1")


def measure_loss(vgg19, data_file, side, recipe, steps):
    """Returns what is lost of the content, |F - F0|^2 / |F0|^2 at relu4_2, and the Run."""
    net, params = vgg19
    style = read_image(data_file(f"images/{STYLE}"))
    content = read_image(data_file(f"images/{CONTENT}"), size=side)
    run = jaxvis.style(net, params, content, style, recipe=recipe, steps=steps)
    wanted, found = (np.asarray(net.code(params, x, "relu4_2")) for x in (content, run.image[0]))
    return np.sum((found - wanted) ** 2) / np.sum(wanted**2), run


@pytest.mark.slow
def test_the_default_keeps_the_content_and_brings_the_style(vgg19, data_file):
    lost = {}
    for side in (100, 128):
        lost[side], run = measure_loss(vgg19, data_file, side, "relative", 40)
        assert run.trace["loss"].shape == (1, 40 if side < 128 else 80)
        assert run.trace["loss"][0, -1] < 0.4 * run.trace["loss"][0, 0]
    assert 0.2 < lost[100] < 0.6 and 0.2 < lost[128] < 0.6
    assert abs(lost[100] - lost[128]) < 0.1
    gatys, _ = measure_loss(vgg19, data_file, 128, "gatys", 40)
    assert gatys > 1.3 * lost[128]
    # A weaker style keeps more.
    weak = replace(STYLES["relative"], beta=0.3)
    assert measure_loss(vgg19, data_file, 100, weak, 40)[0] < 0.8 * lost[100]
