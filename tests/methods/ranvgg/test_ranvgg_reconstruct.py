"""Inversion without a prior: what it measures, its box and prior, many networks at once."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from tiny_nets import SIDE, compilations, conv_net, fc_net, photograph

from jaxvis.methods.ranvgg import reconstruct as module
from jaxvis.methods.ranvgg.candidates import join_networks, keep_needed
from jaxvis.methods.ranvgg.reconstruct import Inversion, reconstruct
from jaxvis.nets.zoo.vgg import vgg
from jaxvis.types import Interrupted, Status
from jaxvis.weights.file import tensor_shapes

NET, PARAMS = conv_net()
IMAGE = photograph(SIDE)
HELD = Inversion(noise=1.0, total_variation=0.1, boxed=True)
CENTER = np.asarray(Inversion().canvas((1, 1)).center, np.float32)


@pytest.mark.slow
def test_distance_and_image_error_are_of_the_images():
    run = reconstruct(NET, PARAMS, IMAGE, tap="relu2", seeds=2, steps=12, chunk=1)
    code = NET.code(PARAMS, IMAGE, "relu2")
    assert np.all(run.facts["distance"] < 0.25) and list(run.status) == [Status.DONE] * 2
    found = NET.code(PARAMS, run.z[0] + CENTER, "relu2")
    # Before clipping, and of the last iterate that was accepted.
    np.testing.assert_allclose(
        run.facts["distance"][0],
        np.linalg.norm(found - code) / np.linalg.norm(code),
        rtol=1e-3,
    )
    error = np.sqrt(np.mean((run.image[0] - np.asarray(IMAGE)) ** 2))
    np.testing.assert_allclose(run.facts["image_error"][0], error, rtol=1e-5)


@pytest.mark.slow
def test_a_factor_on_a_layer_changes_no_reconstruction():
    # A power of two: hardly a rounding differs.
    scaled = {
        row: {
            name: np.asarray(leaf) * (2.0**-9 if row.startswith("conv") else 1)
            for name, leaf in leaves.items()
        }
        for row, leaves in PARAMS.items()
    }
    plain = jax.tree.map(np.asarray, PARAMS)
    each = [keep_needed(NET, one, "relu2") for one in (plain, plain, scaled, scaled)]
    noise = np.random.default_rng(0).normal(size=(2, SIDE, SIDE, 3)).astype(np.float32)
    start = np.tile(CENTER + 0.2 * noise, (2, 1, 1, 1))
    run = reconstruct(
        NET, join_networks(each), IMAGE, tap="relu2", params_axis=0, start=start, steps=12
    )
    np.testing.assert_allclose(run.image[:2], run.image[2:], atol=1e-4)
    np.testing.assert_allclose(run.trace["loss"][:2], run.trace["loss"][2:], rtol=1e-2)


@pytest.mark.slow
def test_a_network_starts_from_the_noise_of_its_number():
    many = join_networks([keep_needed(NET, jax.tree.map(np.asarray, PARAMS), "relu2")] * 2)
    runs = [
        reconstruct(NET, PARAMS, IMAGE, tap="relu2", seeds=2, steps=1, chunk=1),
        reconstruct(NET, many, IMAGE, tap="relu2", params_axis=0, steps=1, chunk=1),
    ]
    # Two programs: their convolutions round differently. Other noise would be 1 away.
    np.testing.assert_allclose(runs[0].trace["loss"], runs[1].trace["loss"], rtol=1e-4)
    assert np.abs(runs[0].z[0] - runs[0].z[1]).max() > 0.5


@pytest.mark.slow
def test_a_box_and_a_prior_hold_the_images_of_several_seeds():
    run = reconstruct(NET, PARAMS, IMAGE, tap="relu1", seeds=2, steps=6, inversion=HELD)
    shown = run.z + CENTER
    assert -1e-6 <= shown.min() and shown.max() <= 1 + 1e-6
    parts = run.trace["objective"] + run.trace["total_variation"]
    np.testing.assert_allclose(run.trace["loss"], parts, rtol=1e-5)
    assert np.all(run.trace["total_variation"] > 0)
    assert np.abs(run.image[0] - run.image[1]).max() > 0.01


@pytest.mark.slow
def test_fully_connected_layers_are_inverted_too():
    net, params = fc_net()
    run = reconstruct(net, params, IMAGE, tap="fc", steps=6)
    assert run.trace["loss"][0, -1] < 0.01 * run.trace["loss"][0, 0]
    paper = vgg("vgg19", pool="avg", input_size=(256, 256))
    assert tensor_shapes(paper)["fc6/kernel"] == (8 * 8 * 512, 4096)


@pytest.mark.slow
def test_a_second_call_compiles_nothing():
    def call(key, steps, weight):
        image = np.random.default_rng(key).random((SIDE, SIDE, 3))
        inversion = replace(HELD, total_variation=weight)
        options = {"tap": "relu1", "seeds": 2, "inversion": inversion}
        reconstruct(NET, PARAMS, image, key=key, steps=steps, **options)

    call(0, 2, 0.1)
    assert compilations(lambda: call(1, 3, 0.2)) == 0


@pytest.mark.slow
def test_an_interrupted_run_has_its_errors_too(monkeypatch):
    solve = module.solve

    def interrupt(*arguments, **options):
        run = solve(*arguments, **options)
        trace = {name: values.copy() for name, values in run.trace.items()}
        for values in trace.values():
            values[:, 2:] = np.nan
        status = np.full(1, Status.UNFINISHED, np.int8)
        raise Interrupted(run._replace(trace=trace, status=status))

    monkeypatch.setattr(module, "solve", interrupt)
    with pytest.raises(Interrupted) as stop:
        reconstruct(NET, PARAMS, IMAGE, tap="relu2", steps=4)
    facts, trace = stop.value.run.facts, stop.value.run.trace
    assert facts["distance"][0] == np.sqrt(trace["objective"][0, 1])
    assert np.isfinite(facts["image_error"][0])


def test_what_cannot_be_inverted_is_told():
    with pytest.raises(ValueError, match="has no tap 'relu9'"):
        reconstruct(NET, PARAMS, IMAGE, tap="relu9")
    with pytest.raises(ValueError, match="seeds must be at least 1"):
        reconstruct(NET, PARAMS, IMAGE, tap="relu1", seeds=0)
    with pytest.raises(ValueError, match="repeat the networks"):
        reconstruct(NET, join_networks([PARAMS]), IMAGE, tap="relu1", params_axis=0, seeds=2)
    with pytest.raises(ValueError, match=r"start has the shape \(8, 8, 3\)"):
        reconstruct(NET, PARAMS, IMAGE, tap="relu1", start=np.zeros((8, 8, 3)))
    dead = PARAMS | {"conv1": jax.tree.map(np.zeros_like, PARAMS["conv1"])}
    with pytest.raises(ValueError, match="'relu1' is zero or not finite"):
        reconstruct(NET, dead, IMAGE, tap="relu1")
