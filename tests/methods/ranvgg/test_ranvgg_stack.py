"""Stacked random networks: what is kept, resuming; inversion without a prior."""

import functools

import jax
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net, fc_net, photograph

from jaxvis.methods.ranvgg import stack as module
from jaxvis.methods.ranvgg.candidates import (
    chosen_layers,
    drawn,
    inverted_layers,
    joined,
    needed,
    normalised,
    nth,
    random_networks,
)
from jaxvis.methods.ranvgg.stack import Stack, reconstruct, stack
from jaxvis.nets.zoo.vgg import vgg
from jaxvis.types import Status
from jaxvis.weights.file import flat_shapes

NET, PARAMS = conv_net()
IMAGE = photograph(SIDE)


def build(**options):
    options = {"networks": 2, "candidates": 3, "steps": 12, "starts": 2} | options
    return stack(NET, IMAGE, key=5, stop="relu2", **options)


@functools.cache
def built():
    """Returns the stack of `build()` and what its callback got, layer by layer."""
    parts = []
    return build(on_layer=parts.append), parts


def assert_same(one, other):
    for mine, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.slow
def test_the_candidate_with_the_smallest_loss_is_kept():
    found, _ = built()
    assert list(found.losses) == list(found.chosen) == ["relu1", "relu2"]
    for row, tap in (("conv1", "relu1"), ("conv2", "relu2")):
        assert found.losses[tap].shape == (2, 3)
        assert len(np.unique(found.losses[tap])) == 6
        for n, k in enumerate(found.losses[tap].argmin(axis=1)):
            assert found.chosen[tap][n] == k
            candidate = drawn(NET, 5, n, 3, stop="relu2")[k]
            assert_same(nth(found.params[row], n), candidate[row])


def reconstructed(networks, begin):
    """Returns a run of eight networks, which the stack's program serves."""
    each = [needed(NET, one, "relu2") for one in networks]
    return reconstruct(NET, joined(each), IMAGE, tap="relu2", params_axis=0, start=begin, steps=12)


def noise(n, candidates):
    return module._noise(jax.random.key(5), n, IMAGE, 2, candidates, module.NOISE)


def test_a_loss_is_that_of_inverting_through_the_layers_kept_before():
    found, _ = built()
    n, k = 1, 2
    trial = nth(found.params, n) | {"conv2": drawn(NET, 5, n, 3)[k]["conv2"]}
    run = reconstructed([trial] * 8, noise(n, 4))
    loss = run.trace["loss"][:, -1].reshape(4, 2).mean(1)
    np.testing.assert_allclose(found.losses["relu2"][n, k], loss, rtol=1e-3)


def test_resuming_after_a_layer_gives_the_same_networks():
    found, parts = built()
    assert [list(part.chosen) for part in parts] == [["relu1"], ["relu1", "relu2"]]
    kept = needed(NET, parts[0].params, "relu1")
    again = build(start=parts[0]._replace(params=kept))
    assert_same(again.params, found.params)
    assert_same(again.losses, found.losses)
    done = build(start=found, steps=10**9)  # nothing is left to do
    assert_same(done, found)


def test_an_interruption_keeps_the_layers_before(monkeypatch):
    found, parts = built()
    plain = module.reconstruct

    def interrupted(*args, tap, **options):
        run = plain(*args, tap=tap, **options)
        if tap == "relu2":
            run.trace["status"][-1] = Status.UNFINISHED
        return run

    monkeypatch.setattr(module, "reconstruct", interrupted)
    kept = []
    with pytest.raises(KeyboardInterrupt):
        build(on_layer=kept.append)
    assert_same(kept, parts[:1])


def test_a_candidate_depends_on_neither_their_number_nor_the_networks():
    for k, one in enumerate(drawn(NET, 5, 1, 2, stop="relu2")):
        other = drawn(NET, jax.random.key(5), 1, 3, stop="relu2")[k]
        assert_same(one, other)
    first = random_networks(NET, IMAGE, networks=2, key=5, stop="relu2")
    assert_same(nth(first, 1), drawn(NET, 5, 1, 1, stop="relu2")[0])


def test_unit_networks_have_mean_activation_one_and_the_same_function():
    params = random_networks(NET, IMAGE, networks=2, key=5, scheme="unit", stop="relu2")
    plain = random_networks(NET, IMAGE, networks=2, key=5, stop="relu2")
    for n in range(2):
        for tap in ("relu1", "relu2"):
            code = NET.code(nth(params, n), IMAGE, tap)
            other = NET.code(nth(plain, n), IMAGE, tap)
            np.testing.assert_allclose(np.mean(code), 1, rtol=1e-5)
            np.testing.assert_allclose(code, other / np.mean(other), rtol=1e-4)


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
    run = reconstructed([plain] * 4 + [scaled] * 4, np.tile(noise(0, 2), (2, 1, 1, 1)))
    np.testing.assert_allclose(run.image[:4], run.image[4:], atol=1e-4)
    np.testing.assert_allclose(run.trace["loss"][:4], run.trace["loss"][4:], rtol=1e-2)
    code = NET.code(PARAMS, IMAGE, "relu2")
    assert np.all(run.trace["distance"] < 0.25)
    found = NET.code(PARAMS, run.z[0] + module._center(module.Pixels((1, 1))), "relu2")
    np.testing.assert_allclose(
        run.trace["distance"][0],
        np.linalg.norm(found - code) / np.linalg.norm(code),
        rtol=1e-3,
    )
    error = np.sqrt(np.mean((run.image[0] - np.asarray(IMAGE)) ** 2))
    np.testing.assert_allclose(run.trace["image_error"][0], error, rtol=1e-5)


def test_a_box_and_a_prior_hold_the_images_of_several_seeds():
    run = reconstruct(
        NET,
        PARAMS,
        IMAGE,
        tap="relu1",
        seeds=2,
        steps=6,
        boxed=True,
        noise=1.0,
        total_variation=0.1,
    )
    shown = run.z + module._center(module.Pixels((1, 1)))
    assert -1e-6 <= shown.min() and shown.max() <= 1 + 1e-6
    parts = run.trace["objective"] + run.trace["total_variation"]
    np.testing.assert_allclose(run.trace["loss"], parts, rtol=1e-5)
    assert np.all(run.trace["total_variation"] > 0)
    assert np.abs(run.image[0] - run.image[1]).max() > 0.01


def test_fully_connected_layers_are_inverted_too():
    net, params = fc_net()
    run = reconstruct(net, params, IMAGE, tap="fc", steps=6)
    assert run.trace["loss"][0, -1] < 0.01 * run.trace["loss"][0, 0]
    paper = vgg("vgg19", pool="avg", input_size=(256, 256))
    assert flat_shapes(paper)["fc6/kernel"] == (8 * 8 * 512, 4096)


def test_layers_to_invert_and_to_choose():
    net = vgg("vgg19", pool="avg")
    layers = inverted_layers(net)
    assert len(layers) == 16 + 5 and layers[-1] == "pool5"
    assert inverted_layers(net, stop="relu7")[-2:] == ("relu6", "relu7")
    assert len(chosen_layers(net)) == 16
    assert chosen_layers(net, stop="pool2")[-1] == ("conv2_2", "relu2_2")


def test_rows_of_many_networks_share_what_is_the_same():
    one, two = ({"conv1": {"kernel": np.ones(4)}} for _ in range(2))
    assert joined([one, one])["conv1"]["kernel"].strides[0] == 0
    assert joined([one, two])["conv1"]["kernel"].strides[0] > 0


def test_a_layer_without_a_finite_loss_is_an_error():
    losses = np.array([[1.0, np.nan, 0.5], [np.nan, 2.0, np.inf]])
    np.testing.assert_array_equal(module._best(losses, "relu1"), [2, 1])
    with pytest.raises(ValueError, match="no candidate of 'relu1'"):
        module._best(np.full((2, 3), np.nan), "relu1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidates": 0}, "candidates must be at least 1"),
        ({"starts": 0}, "starts must be at least 1"),
        ({"networks": 0}, "networks must be at least 1"),
        ({"scheme": "xavier"}, "scheme is one of he, gaussian, unit"),
        ({"candidates": 2, "start": True}, "2 networks with 2 candidates"),
    ],
    ids=["candidates", "starts", "networks", "scheme", "start"],
)
def test_mistakes_are_told(options, message):
    if options.get("start"):
        one = {"relu1": np.zeros((2, 3))}
        options["start"] = Stack({}, one, {"relu1": np.zeros(2, int)})
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_reconstruct_tells_what_cannot_be_inverted():
    with pytest.raises(ValueError, match="has no tap 'relu9'"):
        reconstruct(NET, PARAMS, IMAGE, tap="relu9")
    with pytest.raises(ValueError, match="repeat the networks"):
        reconstruct(NET, joined([PARAMS]), IMAGE, tap="relu1", params_axis=0, seeds=2)
    dead = PARAMS | {"conv1": jax.tree.map(np.zeros_like, PARAMS["conv1"])}
    with pytest.raises(ValueError, match="'relu1' is zero or not finite"):
        reconstruct(NET, dead, IMAGE, tap="relu1")
    with pytest.raises(ValueError, match="does not fire"):
        normalised(NET, dead, IMAGE, row="conv1", tap="relu1")
    with pytest.raises(ValueError, match="grey"):
        stack(NET, IMAGE[..., 0])
    with pytest.raises(ValueError, match="no rectified convolution"):
        chosen_layers(NET, stop="conv1")
