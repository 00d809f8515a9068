"""Natural pre-images through the methods: axes, several images, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net, photograph, relu_net

from jaxvis import caricature, invert, maximize
from jaxvis.methods.preimage.peaks import measure_peaks
from jaxvis.nets.random import random_params
from jaxvis.nets.registry import build
from jaxvis.nets.table.fields import canvas_of
from jaxvis.recipes.natural import Natural
from jaxvis.types import Status

SHORT = Natural(second=1)


@pytest.fixture(scope="module")
def images():
    photo = np.asarray(photograph(SIDE))
    return np.stack([photo, photo[:, ::-1]])


@pytest.mark.slow
def test_images_fidelities_and_seeds_are_axes_of_one_run(images):
    net, params = relu_net(SIDE)
    levels = [1.0, 20.0, 300.0]
    run = invert(
        net,
        params,
        images,
        tap="relu1",
        fidelity=levels,
        seeds=2,
        steps=3,
        natural=SHORT,
    )
    assert run.image.shape == (2, 3, 2, SIDE, SIDE, 3)
    assert run.trace["loss"].shape == (2, 3, 2, 4)
    assert run.trace["error"].shape == run.trace["status"].shape == (2, 3, 2)
    assert np.all(run.trace["status"] == Status.DONE)
    # The data term is C times the error squared, wherever it stands.
    expected = np.sqrt(run.trace["objective"][..., -1] / np.array(levels)[:, None])
    np.testing.assert_allclose(run.trace["code_error"], expected, rtol=1e-4)


def test_mahendran_takes_two_stages_and_ends_nearer():
    net, params = relu_net(SIDE)
    image = photograph(SIDE)
    run = invert(net, params, image, tap="relu1", preset="mahendran", steps=40)
    assert run.trace["loss"].shape == (1, 90)
    assert run.trace["code_error"][0] < np.sqrt(run.trace["objective"][0, 39] / 300)


def test_the_softmax_is_no_code(images):
    net = build("caffe_alexnet")
    for method in (invert, caricature):
        with pytest.raises(ValueError, match="after the softmax"):
            method(net, {}, images[0], tap="prob")
    with pytest.raises(ValueError, match="after the softmax"):
        maximize(net, {"input": {}}, tap="prob", preset="mahendran")


def test_an_image_below_the_first_windows_is_refused():
    net = build("caffe_alexnet")
    params = random_params(net, jax.random.key(0), stop="conv3")
    with pytest.raises(ValueError, match="too small.*from an image of 9x9; at least"):
        invert(net, params, np.full((9, 9, 3), 0.5, np.float32), tap="conv3")


def test_caricatures_of_several_images_start_at_minus_c(images):
    net, params = relu_net(SIDE)
    run = caricature(net, params, images, tap="relu1", steps=2, fidelity=3.0, seeds=2)
    assert run.image.shape == (2, 2, SIDE, SIDE, 3)
    np.testing.assert_allclose(run.trace["objective"][..., 0], -3.0, rtol=1e-3)


def test_the_printed_norm_of_a_caricature_is_the_codes_length(images):
    net, params = relu_net(SIDE)
    run = caricature(net, params, images[0], tap="conv1", steps=2, natural=Natural(norm="print"))
    code = np.asarray(net.code(params, images[0], "conv1"))
    rectified = np.sum(np.maximum(code, 0) ** 2)
    expected = -rectified / np.linalg.norm(code)
    assert run.trace["objective"][0, 0] == pytest.approx(expected, rel=1e-3)


def test_peaks_are_the_maxima_over_images_and_positions(images):
    net, params = conv_net()
    found = measure_peaks(net, params, images, tap="relu2")
    codes = [np.asarray(net.code(params, image, "relu2")) for image in images]
    np.testing.assert_allclose(found, np.max(codes, axis=(0, 1, 2)), rtol=1e-5)
    scores = measure_peaks(net, params, images, tap="fc")
    assert scores.shape == (5,)
    with pytest.raises(ValueError, match="no image"):
        measure_peaks(net, params, [], tap="relu2")


def test_maximisation_divides_by_peak_and_field():
    net, params = conv_net()
    side = canvas_of(net, "conv2")[0]
    options = {"tap": "conv2", "index": [1, 3], "preset": "mahendran", "steps": 2}
    one = maximize(net, params, **options)
    assert one.image.shape == (2, 1, side, side, 3)
    tall = np.arange(1.0, 9.0)
    two = maximize(net, params, peaks=tall, **options)
    ratio = one.trace["objective"][:, 0, 0] / two.trace["objective"][:, 0, 0]
    np.testing.assert_allclose(ratio, tall[[1, 3]], rtol=1e-3)
    printed = maximize(net, params, natural=Natural(norm="print"), **options)
    # Z upside down, without the 10^4: the field is 8 pixels wide.
    field = 8.0
    ratio = one.trace["objective"][0, 0, 0] / printed.trace["objective"][0, 0, 0]
    assert ratio == pytest.approx(1e4 / field**4, rel=1e-3)


def test_what_never_responds_cannot_be_normalised():
    net, params = conv_net()
    dead = np.where(np.arange(8) == 3, 0.0, 1.0)
    with pytest.raises(ValueError, match="never responds"):
        maximize(net, params, tap="relu2", index=3, preset="mahendran", peaks=dead)


def test_a_leak_is_part_of_the_maximised_network():
    net, params = conv_net()
    options = {"tap": "relu2", "index": 2, "preset": "plain", "steps": 2}
    dry, wet = (maximize(net, params, leak=leak, **options) for leak in (0.0, 0.3))
    assert float(jnp.abs(dry.image - wet.image).max()) > 1e-4
