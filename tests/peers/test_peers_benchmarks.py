"""The benchmarks' torch side does our work: same scores, gradients and pictures."""

import jax
import numpy as np
import pytest

from benchmarks.harness import subjects
from benchmarks.harness.verdicts import judge_step
from benchmarks.peers import torch_peer
from benchmarks.peers.sweep_peers import judge_sweep, make_sweep_peer
from benchmarks.speed import random_nets
from jaxvis.nets import build, random_params
from jaxvis.nets.table import forward as table
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.zoo import convnext, densenet
from tests.tiny_nets import run_once

torch = pytest.importorskip("torch")
from benchmarks.peers import torch_maximize  # noqa: E402
from benchmarks.peers.torch_steps import take_step, to_arrays  # noqa: E402

SIDES = {"caffe_alexnet": 67, "vgg11_bn": 32, "squeezenet1_1": 48, "resnet18": 48}
"""Network -> pixels: together they have every op that rows have."""


def test_the_networks_compared_have_every_op():
    used = {row.op for name in SIDES for row in build(name).rows}
    assert used >= {
        "input",
        "conv",
        "relu",
        "max",
        "lrn",
        "fc",
        "bn",
        "concat",
        "add",
        "gap",
        "softmax",
    }


@pytest.mark.parametrize("name", SIDES)
def test_scores_and_gradients_equal_ours(name, key):
    side = SIDES[name]
    net = build(name, input_size=(side, side))
    params = random_params(net, key, preprocess="imagenet", stop=net.classes)
    images, index = subjects.draw_images(2, side), subjects.number_classes(2)
    ours = subjects.make_gradient(net, net.classes)(params, images, index)
    for inplace in (True, False):
        module = torch_peer.make_module(net, params, net.classes, side, inplace=inplace)
        theirs = take_step(module, torch_peer.to_torch(images), torch.arange(2))
        assert judge_step(ours, to_arrays(theirs)).agree


NEWER = ("googlenet", "resnet50", "densenet121", "mobilenet_v2", "convnext_tiny")
"""Networks whose steps are measured at 224 pixels; here they see 64."""


def stir(params):
    """Returns parameters whose norms, gains and biases change what they are given."""
    draw = np.random.default_rng(1)

    def move(path, leaf):
        row, name = (part.key for part in path)
        if row == "input" or name == "kernel":
            return leaf
        if name in ("scale", "var"):
            return leaf * draw.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        return leaf + 0.1 * draw.standard_normal(leaf.shape).astype(np.float32)

    return jax.tree_util.tree_map_with_path(move, params)


def judge_module(net, params, side, *, inplace=True):
    """Returns torch's module, and the verdict on its step in both memory formats."""
    images, index = subjects.draw_images(2, side), subjects.number_classes(2)
    step = subjects.make_gradient(net, net.classes).__wrapped__
    ours = run_once(step, params, images, index)
    module = torch_peer.make_module(net, params, net.classes, side, inplace=inplace)
    for form in map(torch_peer.format_of, torch_peer.FORMATS):
        given = torch_peer.to_torch(images).to(memory_format=form)
        theirs = take_step(module.to(memory_format=form), given, torch.arange(2))
        verdict = judge_step(ours, to_arrays(theirs))
        assert verdict.agree, (form, verdict)
    return module


@pytest.fixture
def shallow(monkeypatch):
    """Leaves out most blocks of the two networks that take a minute to trace and compile."""
    monkeypatch.setitem(densenet.PLANS, "densenet121", (32, (3, 3, 4, 3)))
    monkeypatch.setitem(convnext.STAGES, "convnext_tiny", ((96, 192, 384, 768), (2, 2, 3, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("name", NEWER)
def test_steps_of_newer_networks_equal_ours(name, shallow):
    net, params = subjects.make_network(name, 64)
    judge_module(net, stir(params), 64)


@pytest.mark.parametrize("inplace", [True, False])
def test_each_op_of_newer_networks_equals_ours(inplace, key):
    rows = (
        Layer("stem", "conv", 8, 4, 4),
        Layer("norm", "ln", epsilon=1e-2),
        Layer("deep", "conv", 8, 7, pad=3, groups=8),
        Layer("deep_norm", "ln", epsilon=1e-6),
        Layer("wide", "conv", 32),
        Layer("gelu", "gelu"),
        Layer("narrow", "conv", 8),
        Layer("scale", "gain"),
        Layer("first_sum", "add", inputs=("scale", "norm")),
        Layer("mobile", "conv", 16, bias=False),
        Layer("mobile_norm", "bn", epsilon=1e-1),
        Layer("relu6", "relu6"),
        Layer("back", "conv", 8, bias=False),
        Layer("back_norm", "bn"),
        Layer("second_sum", "add", inputs=("back_norm", "first_sum")),
        Layer("pool", "avg", size=3, stride=2, pad=1, count_pad=True),
        Layer("gap", "gap"),
        Layer("vector_norm", "ln"),
        Layer("fc", "fc", 5),
    )
    net = table.build_network("tiny", rows, input_size=(32, 32), scores="fc")
    params = stir(random_params(net, key, preprocess="imagenet"))
    module = judge_module(net, params, 32, inplace=inplace)
    kinds = {row.name: type(module.layer(row.name)).__name__ for row in net.rows}
    # As torchvision has them: linear layers behind a norm and a GELU, convolutions elsewhere.
    assert [kinds[name] for name in ("wide", "narrow")] == ["PixelLinear"] * 2
    assert [kinds[name] for name in ("stem", "deep", "mobile", "back")] == ["Conv2d"] * 4
    assert [kinds[name] for name in ("first_sum", "second_sum", "relu6")] == (
        ["Accumulation", "Accumulation", "ReLU6"] if inplace else ["Plain"] * 3
    )


@pytest.mark.parametrize("op", ["max", "avg"])
@pytest.mark.parametrize("ceil", [False, True], ids=["floor", "ceil"])
def test_pooling_and_softmax_equal_ours(op, ceil, key):
    rows = (
        Layer("conv1", "conv", 5, 3, pad=1, bias=False),
        Layer("pool1", op, size=3, stride=2, ceil=ceil),
        Layer("fc", "fc", 4),
        Layer("prob", "softmax"),
    )
    net = table.build_network("tiny", rows, input_size=(10, 10), scores="fc")
    params = random_params(net, key, preprocess="imagenet")
    image = subjects.draw_images(1, 10)
    module = torch_peer.make_module(net, params, "prob", 10)
    found = module(torch_peer.to_torch(image))[0].numpy()
    np.testing.assert_allclose(
        found, net.apply(params, image[0], stop="prob")["prob"], rtol=1e-4, atol=1e-7
    )


def test_torch_compile_that_fails_leaves_the_eager_step(monkeypatch, key):
    net = build("demo")
    params = random_params(net, key)

    def break_compile(module, **options):
        def run(x):
            raise RuntimeError("no compiler")

        return run

    monkeypatch.setattr(torch, "compile", break_compile)
    module = torch_peer.make_module(net, params, net.classes, 64)
    images = subjects.draw_images(1, 64)
    found = torch_peer.find_fastest(module, images, subjects.number_classes(1))
    tried = [text for name, text in found.tried.items() if "compile" in name]
    assert tried == ["torch.compile not available: RuntimeError: no compiler"]
    assert "compiled" not in found.name
    assert set(found.tried) >= {"contiguous", "channels_last"}


def test_many_networks_agree_with_torch_one_by_one_and_together():
    found = random_nets.measure_networks(32, 2, pairs=1, tap="pool1")
    assert [row["agree"] for row in found] == [True] * 4
    assert "torch.func.vmap" in [row["peer_name"] for row in found]


@pytest.mark.parametrize("program", ["batch", "loop"])
def test_maximisation_in_torch_takes_our_steps(program, key):
    net = build("demo")
    params = random_params(net, key, preprocess="imagenet")
    peer = make_sweep_peer(net, params, 64, 2, compiled=False)
    found = judge_sweep(net, params, 64, getattr(peer, program))
    assert found.agree, found


def test_another_learning_rate_is_noticed(monkeypatch, key):
    net = build("demo")
    params = random_params(net, key, preprocess="imagenet")
    peer = make_sweep_peer(net, params, 64, 2, compiled=False)
    monkeypatch.setattr(torch_maximize, "RATE", 0.06)
    assert not judge_sweep(net, params, 64, peer.batch).agree


def test_windows_in_torch_lie_where_ours_do():
    images, size = subjects.draw_images(2, 48), (24, 24)
    factor, move = np.array([1.0, 1.2], np.float32), np.float32([[2, -3], [-1, 4]])
    found = torch_maximize.zoom(
        torch_peer.to_torch(images), torch.tensor(factor), torch.tensor(move), size
    )
    for i, image in enumerate(images):
        translation = 12 - factor[i] * 24 + move[i]
        ours = jax.image.scale_and_translate(
            image,
            (*size, 3),
            (0, 1),
            np.repeat(factor[i], 2),
            translation,
            "linear",
            antialias=False,
        )
        np.testing.assert_allclose(found[i].permute(1, 2, 0), ours, atol=1e-5)


@pytest.mark.parametrize("view", ["make_robust_view", "make_lucent_view"])
def test_views_in_torch_show_the_size_that_is_asked_for(view):
    torch.manual_seed(0)
    images = torch_peer.to_torch(subjects.draw_images(2, 32))
    seen = getattr(torch_maximize, view)((24, 24))(images)
    assert seen.shape == (2, 3, 24, 24) and torch.isfinite(seen).all()
    assert not torch.equal(seen[0], seen[1])
