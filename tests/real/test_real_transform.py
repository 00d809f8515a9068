"""Published style networks, converted, against their authors' own pictures."""

from functools import partial

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.output.io import read_image
from weights_convert import convert

PSNR = {
    "udnie": ("udnie", 43.0),
    "wave": ("wave", 39.7),
    "scream": ("the_scream", 44.9),
}
"""Network -> picture and decibels, which JPEG limits."""


@pytest.fixture(scope="module", params=PSNR)
def style(request, data_file, tmp_path_factory):
    """Returns a network's name, the compiled picture of it, and its parameters."""
    source = data_file(f"weights/transformnet_{request.param}_f16.npz")
    out = tmp_path_factory.mktemp("real") / f"{request.param}.safetensors"
    convert([source], net="transform_same", out=out)
    net, params = jaxvis.load("transform_same", weights=out)
    ready = net.prepare(params, size=(474, 712))
    return request.param, lambda image: np.asarray(draw(net, ready, image))


@partial(jax.jit, static_argnums=0)
def draw(net, params, image):
    """Draws a picture; one program for all networks, which differ in their numbers alone."""
    return net.apply(params, image)["image"]


@pytest.mark.slow
def test_reference_outputs_are_reproduced(style, data_file):
    name, picture = style
    reference = np.load(data_file("reference/ref_small_nets.npz"))
    image = reference["transformnet:input_uint8_rgb"].astype(np.float32) / 255
    expected = reference[f"transformnet_{name}:output"]
    np.testing.assert_allclose(255 * picture(image), expected, atol=0.01)


@pytest.mark.slow
def test_the_authors_pictures_are_reproduced(style, data_file):
    name, picture = style
    photo = read_image(data_file("images/content/chicago.jpg"))
    published, decibels = PSNR[name]
    expected = read_image(data_file(f"images/transformnet_expected/chicago_{published}.jpg"))
    # 474 rows give 476, of which the authors kept the last 474.
    found = np.clip(picture(photo), 0, 1)[2:]
    error = np.mean((found - expected) ** 2)
    assert 10 * np.log10(1 / error) > decibels - 0.1
