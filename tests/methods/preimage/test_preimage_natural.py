"""Natural pre-images through the methods: axes, several images, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net, photograph, relu_net

from jaxvis import caricature, invert, load, maximize
from jaxvis.loss.objectives import Excite
from jaxvis.methods.preimage.peaks import measure_peaks
from jaxvis.nets.random import random_params
from jaxvis.nets.registry import build
from jaxvis.nets.table.fields import canvas_of
from jaxvis.nets.wrappers.leaky import with_leaky_relus
from jaxvis.optimize import step_programs
from jaxvis.recipes.natural import Natural
from jaxvis.types import Interrupted, Status

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
        recipe=SHORT,
    )
    assert run.image.shape == (2, 3, 2, SIDE, SIDE, 3)
    assert run.trace["loss"].shape == (2, 3, 2, 4)
    assert run.facts["error"].shape == run.status.shape == (2, 3, 2)
    assert np.all(run.status == Status.DONE)
    # The data term is C times the error squared, wherever it stands.
    expected = np.sqrt(run.trace["objective"][..., -1] / np.array(levels)[:, None])
    np.testing.assert_allclose(run.facts["code_error"], expected, rtol=1e-4)


@pytest.mark.slow
def test_mahendran_takes_two_stages_and_ends_nearer():
    net, params = relu_net(SIDE)
    image = photograph(SIDE)
    run = invert(net, params, image, tap="relu1", recipe="mahendran", steps=40)
    assert run.trace["loss"].shape == (1, 90)
    assert run.facts["code_error"][0] < np.sqrt(run.trace["objective"][0, 39] / 300)


@pytest.mark.slow
def test_lbfgs_ends_nearer_than_algorithm_1_with_as_many_gradients():
    net, params = relu_net(SIDE)
    image = photograph(SIDE)
    options = {"tap": "relu1", "fidelity": 300.0, "steps": 40}
    ours = invert(net, params, image, recipe="lbfgs", **options)
    theirs = invert(net, params, image, recipe="short", **options)
    assert ours.trace["loss"].shape == (1, 40)
    assert ours.facts["code_error"][0] < theirs.facts["code_error"][0]


def test_the_softmax_is_no_code(images):
    net = build("caffe_alexnet")
    for method in (invert, caricature):
        with pytest.raises(ValueError, match="after the softmax"):
            method(net, {}, images[0], tap="prob")
    with pytest.raises(ValueError, match="after the softmax"):
        maximize(*load("demo"), tap="prob", recipe="mahendran")


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
    run = caricature(net, params, images[0], tap="conv1", steps=2, recipe=Natural(norm="print"))
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


@pytest.mark.slow
def test_maximisation_divides_by_peak_and_field():
    net, params = conv_net()
    side = canvas_of(net, "conv2")[0]
    options = {"tap": "conv2", "index": [1, 3], "recipe": "mahendran", "steps": 2}
    one = maximize(net, params, **options)
    assert one.image.shape == (2, 1, side, side, 3)
    tall = np.arange(1.0, 9.0)
    two = maximize(net, params, **{**options, "recipe": Natural(peaks=tall)})
    ratio = one.trace["objective"][:, 0, 0] / two.trace["objective"][:, 0, 0]
    np.testing.assert_allclose(ratio, tall[[1, 3]], rtol=1e-3)
    printed = maximize(net, params, **{**options, "recipe": Natural(norm="print")})
    # Z upside down, without the 10^4: the field is 8 pixels wide.
    field = 8.0
    ratio = one.trace["objective"][0, 0, 0] / printed.trace["objective"][0, 0, 0]
    assert ratio == pytest.approx(1e4 / field**4, rel=1e-3)


def test_what_never_responds_cannot_be_normalised():
    net, params = conv_net()
    dead = np.where(np.arange(8) == 3, 0.0, 1.0)
    with pytest.raises(ValueError, match="never responds"):
        maximize(net, params, tap="relu2", index=3, recipe=Natural(peaks=dead))


@pytest.mark.slow
def test_a_leak_is_part_of_the_maximised_network():
    net, params = conv_net()
    options = {"tap": "relu2", "index": 2, "recipe": "plain", "steps": 2}
    dry, wet = (maximize(with_leaky_relus(net, leak), params, **options) for leak in (0.0, 0.3))
    assert float(jnp.abs(dry.image - wet.image).max()) > 1e-4


def test_peaks_must_be_as_many_as_the_channels_and_of_a_layer():
    net, params = conv_net()
    few = Natural(peaks=[1.0, 2.0])
    with pytest.raises(ValueError, match="peaks has 2 values: pass one for every channel"):
        maximize(net, params, tap="relu2", index=3, recipe=few, steps=2)
    both = Excite("relu2", 1) + Excite("relu2", 2)
    with pytest.raises(ValueError, match="peaks are of the channels of one tap"):
        maximize(net, params, objective=both, recipe=Natural(peaks=np.ones(8)), steps=2)


def test_peaks_are_measured_on_bytes_too_and_not_on_floats_beyond_one(images):
    net, params = conv_net()
    found = measure_peaks(net, params, images, tap="relu2")
    levels = np.round(255 * images).astype(np.uint8)
    close = measure_peaks(net, params, levels, tap="relu2")
    np.testing.assert_allclose(close, found, rtol=0.02)
    with pytest.raises(ValueError, match="divide by 255"):
        measure_peaks(net, params, 255 * images, tap="relu2")


def press(monkeypatch, number):
    """Presses Ctrl-C instead of taking step `number`."""
    step_once, calls = step_programs.step_once, []

    def step(*arguments):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return step_once(*arguments)

    step.trace = step_once.trace
    monkeypatch.setattr(step_programs, "step_once", step)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "done"), [(2, 0), (4, 1)])
def test_an_interrupted_inversion_has_all_its_axes_and_errors(number, done, images, monkeypatch):
    """Two images of one step each in the first stage, and one in the second."""
    net, params = relu_net(SIDE)
    press(monkeypatch, number)
    with pytest.raises(Interrupted) as stop:
        invert(net, params, images, tap="relu1", steps=1, recipe=SHORT, chunk=1)
    run = stop.value.run
    assert run.image.shape == (2, 1, SIDE, SIDE, 3)
    assert run.status.ravel().tolist() == [Status.DONE] * done + [Status.UNFINISHED] * (2 - done)
    assert run.facts["error"].shape == run.facts["code_error"].shape == (2, 1)
    assert np.isfinite(run.image[0]).all() and np.isfinite(run.facts["error"][0]).all()


@pytest.mark.slow
def test_an_interrupted_caricature_has_all_its_axes(images, monkeypatch):
    net, params = relu_net(SIDE)
    press(monkeypatch, 3)
    with pytest.raises(Interrupted) as stop:
        caricature(net, params, images, tap="relu1", steps=2, chunk=1)
    run = stop.value.run
    assert run.image.shape == (2, 1, SIDE, SIDE, 3)
    assert run.status.ravel().tolist() == [Status.DONE, Status.UNFINISHED]
    assert np.isfinite(run.image[0]).all()
