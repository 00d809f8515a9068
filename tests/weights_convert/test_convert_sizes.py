"""Classes, channels and image sizes that a file decides, and what else a file may be."""

import json

import checkpoint_writers as write
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import jaxvis
from jaxvis.nets import registry
from jaxvis.weights import file as weights_file
from weights_convert import convert
from weights_convert.checkpoint import Checkpoint, StoredTensor
from weights_convert.fitting import Entry
from weights_convert.matching import match
from weights_convert.names.parameters import list_shapes
from weights_convert.suggestions import suggest


def make_shapes(net):
    """Returns name -> shape of every parameter of a network, as torch writes it."""
    found = {}
    for target, shape in list_shapes(net).items():
        row, _, leaf = target.rpartition("/")
        leaf = write.TORCH_LEAVES.get(leaf, "weight" if leaf == "kernel" else leaf)
        found[f"{row}.{leaf}"] = (*shape[:1:-1], *shape[:2]) if len(shape) == 4 else shape[::-1]
    return found


def describe(tmp_path, shapes):
    """Returns a checkpoint without numbers."""
    tensors = {name: StoredTensor(shape, lambda: None) for name, shape in shapes.items()}
    return {tmp_path / "net.pth": Checkpoint("torch", tensors)}


def match_shapes(tmp_path, name, shapes, **options):
    return match(name, describe(tmp_path, shapes), **options)


SIZES = {
    "classes": {"classes": 10},
    "binary": {"classes": 1},
    "grey": {"channels": 1},
    "both": {"classes": 37, "channels": 4},
    "published": {},
}


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "densenet121", "mobilenet_v2", "alexnet"])
@pytest.mark.parametrize("sizes", SIZES)
def test_classes_and_channels_come_from_the_file(tmp_path, name, sizes):
    wanted = SIZES[sizes]
    theirs = registry.build(name, **wanted)
    found = match_shapes(tmp_path, name, make_shapes(theirs))
    assert found.net == theirs and not found.notes


def test_the_size_of_the_images_of_a_transformer_comes_from_the_file(tmp_path):
    shapes = {
        name.replace("tokens.", "") if name.startswith("tokens.") else name: shape
        for name, shape in make_shapes(registry.build("vit_ti_16", input_size=(96, 96))).items()
    }
    shapes = {n.replace("norm.tokens", "norm"): s for n, s in shapes.items()}
    shapes["pos_embed"] = (1, 37, 192)
    shapes["cls_token"] = (1, 1, 192)
    found = match_shapes(tmp_path, "vit_ti_16", {f"model.{n}": s for n, s in shapes.items()})
    assert found.net.input_size == (96, 96) and found.prefix == "model"


def test_a_file_of_ten_classes_loads_by_name(tmp_path):
    net = registry.build("lenet5", classes=4, channels=3)
    state = write.random_state(net)
    save_file(write.outer_first(net, state), tmp_path / "net.safetensors")
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\nd\n")
    out = convert([tmp_path / "net.safetensors"], net="lenet5", out=tmp_path / "out", labels=labels)
    facts = weights_file.read_metadata(out)
    assert (facts["classes"], facts["channels"]) == ("4", "3")
    loaded, params = jaxvis.load("lenet5", weights=out)
    assert loaded.channels == 3 and params["fc3"]["kernel"].shape == (84, 4)
    labels.write_text("a\nb\n")
    with pytest.raises(ValueError, match="has 2 labels and the network has 4 classes"):
        convert([tmp_path / "net.safetensors"], net="lenet5", out=tmp_path / "more", labels=labels)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_preprocessing_has_as_many_numbers_as_channels(tmp_path, channels):
    net = registry.build("lenet5", channels=channels)
    save_file(write.outer_first(net, write.random_state(net)), tmp_path / "net.safetensors")
    options = {"net": "lenet5", "preprocess": "rgb:1:0.1,0.2,0.3:1,1,1"}
    out = convert([tmp_path / "net.safetensors"], out=tmp_path / "out", **options)
    expected = [-0.1, -0.2, -0.3] if channels == 3 else [-0.2] * channels
    np.testing.assert_allclose(load_file(out)["input/shift"], expected, rtol=1e-6)


# --- another network ---------------------------------------------------------------

NEAREST = {
    "resnet34": "resnet34 (182 of 182)",
    "wide_resnet50_2": "wide_resnet50_2 (267 of 267)",
    "densenet169": "densenet169",
    "squeezenet1_0": "squeezenet1_0",
}


@pytest.mark.parametrize("name", NEAREST)
def test_the_nearest_network_is_suggested(tmp_path, name):
    rows = registry.build(name)
    shapes = make_shapes(rows)
    if name.startswith("squeezenet"):
        shapes = {n.replace("/", "."): s for n, s in shapes.items()}
    asked = {"resnet34": "resnet18", "wide_resnet50_2": "resnet50"}.get(name, "vgg19")
    with pytest.raises(ValueError, match=f"net.pth is not {asked}: .* names differ") as caught:
        match_shapes(tmp_path, asked, shapes)
    first = str(caught.value).splitlines()[0]
    assert f"the names and shapes fit {NEAREST[name]}" in first


def test_at_most_three_networks_are_suggested(tmp_path):
    shapes = make_shapes(registry.build("resnet50", classes=7))
    found = describe(tmp_path, {f"model.{n}": s for n, s in shapes.items()})
    ((path, checkpoint),) = found.items()
    entries = [Entry(path, "torch", n, t) for n, t in checkpoint.tensors.items()]
    best, *others = suggest(entries)
    assert best == ("resnet50", 267, 267) and len(others) < 3


def test_a_network_that_nobody_has_suggests_nothing(tmp_path):
    with pytest.raises(
        ValueError, match="is not resnet18: 104 names differ; nothing was"
    ) as caught:
        match_shapes(tmp_path, "resnet18", {"a.weight": (3, 3), "b.0.weight": (5,)})
    assert "fit" not in str(caught.value)


KERAS = {
    "resnet50": "its blocks take their stride in the first convolution, and all have biases",
    "mobilenet_v2": "padded on two sides only",
}


@pytest.mark.parametrize("name", KERAS)
def test_another_network_of_keras_is_refused_with_the_reason(tmp_path, name):
    tensors = {"conv1_conv/kernel": StoredTensor((7, 7, 3, 64), lambda: None)}
    with pytest.raises(ValueError, match=KERAS[name]) as caught:
        match(name, {tmp_path / "net.h5": Checkpoint("keras", tensors)})
    assert f"is another one than torchvision's, which {name} is" in str(caught.value)


def test_the_facts_of_a_network_are_json(tmp_path):
    net = registry.build("lenet5")
    save_file(write.outer_first(net, write.random_state(net)), tmp_path / "net.safetensors")
    out = convert([tmp_path / "net.safetensors"], net="lenet5", out=tmp_path / "out")
    assert json.loads(weights_file.read_metadata(out)["input_size"]) == list(net.input_size)
