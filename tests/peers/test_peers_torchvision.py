"""Every tap of the torchvision networks against torchvision's own model code."""

import re

import jax
import numpy as np
import pytest

from jaxvis.nets import build, parameter_shapes
from jaxvis.nets.random import PREPROCESSING
from jaxvis.nets.table.layers import shapes, sources
from weights_convert.layout import find_arrangement
from weights_convert.names import HARMLESS, make_renamer

torch = pytest.importorskip("torch")

TOLERANCE = 1e-4
WHOLE = (
    "alexnet",
    "squeezenet1_0",
    "squeezenet1_1",
    "resnet18",
    "resnet50",
    "vgg11",
    pytest.param("densenet121", marks=pytest.mark.slow),
)
TRUNKS = ("vgg11_bn", "vgg13", "vgg16_bn", "vgg19")
FIRES = {
    "squeezenet1_0": "3 4 5 7 8 9 10 12",
    "squeezenet1_1": "3 4 6 7 9 10 11 12",
}


def _randomise(model, seed):
    """Gives every tensor of a model values that keep activations at unit scale."""
    rng = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0, generator=rng)
        elif tensor.ndim > 1:
            fan_in = tensor[0].numel()
            tensor.normal_(0, (2 / fan_in) ** 0.5, generator=rng)
        elif tensor.dtype == torch.float32:
            norm = f"{name.rpartition('.')[0]}.running_mean" in model.state_dict()
            if norm and name.endswith("weight"):
                tensor.uniform_(0.5, 1.0, generator=rng)
            else:
                tensor.normal_(0, 0.2, generator=rng)


def _convert(net, state):
    """Converts a state_dict to parameters of `net`, by the converter's own key map."""
    at, reads = shapes(net.rows, net.input_size), sources(net.rows)
    spec = parameter_shapes(net)
    rename = make_renamer("torch", net)
    scale, shift = PREPROCESSING["imagenet"]
    params = {"input": {"scale": np.array(scale), "shift": np.array(shift)}}
    for name, tensor in state.items():
        if HARMLESS.search(name):
            continue
        row, _, leaf = rename(name).rpartition("/")
        array = tensor.numpy()
        arrange = find_arrangement(array.shape, spec[row][leaf], "torch", at[reads[row][0]])
        params.setdefault(row, {})[leaf] = arrange(array)
    assert jax.tree.map(np.shape, params) == {row: spec[row] for row in params}
    return params


def _list_nodes(net):
    """Lists our taps -> the names that torchvision's feature extraction has."""
    names = [tap for tap in net.taps if tap not in ("input", "prob")]
    if net.name.startswith(("vgg", "alexnet")):
        first = 1 if net.name == "alexnet" else 0
        trunk = [name for name in names if not re.match("(fc|relu)[678]$", name)]
        table = {name: f"features.{i}" for i, name in enumerate(trunk)}
        for i, (fc, relu) in enumerate(zip(("fc6", "fc7"), ("relu6", "relu7"))):
            table[fc] = f"classifier.{first + 3 * i}"
            table[relu] = f"classifier.{first + 3 * i + 1}"
        return table | {"fc8": "classifier.6"}
    if net.name.startswith("squeezenet"):
        return _list_squeezenet_nodes(net.name, names)
    return {n: n for n in names} | (
        {"avgpool": "adaptive_avg_pool2d"} if "densenet" in net.name else {}
    )


def _list_squeezenet_nodes(net_name, names):
    table = {"conv1": "features.0", "relu_conv1": "features.1"}
    table |= {"pool1": "features.2", "conv10": "classifier.1"}
    table |= {"relu_conv10": "classifier.2", "pool10": "classifier.3"}
    for number, index in enumerate(FIRES[net_name].split(), 2):
        for name in names:
            fire, _, part = name.partition("/")
            if fire == f"fire{number}":
                table[name] = f"features.{index}." + _name_fire_part(part)
        if f"pool{number}" in names:
            table[f"pool{number}"] = f"features.{int(index) + 1}"
    return table


def _name_fire_part(part):
    if part == "concat":
        return "cat"
    relu = part.startswith("relu_")
    part = part.removeprefix("relu_").replace("squeeze1x1", "squeeze")
    return part + "_activation" * relu


def _compute_their_taps(model, nodes, image):
    from torchvision.models.feature_extraction import create_feature_extractor

    wanted = {node: tap for tap, node in nodes.items()}
    extractor = create_feature_extractor(model.eval(), return_nodes=wanted)
    # A rectification in place would overwrite the tap before it.
    for module in extractor.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
    for node in extractor.graph.nodes:
        if "inplace" in node.kwargs:
            node.kwargs = {**node.kwargs, "inplace": False}
    extractor.recompile()
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    x = (image - np.array(mean)) / np.array(std)
    with torch.no_grad():
        taps = extractor(torch.tensor(x.transpose(2, 0, 1)[None], dtype=torch.float32))
    return {tap: _to_ours(value[0].numpy()) for tap, value in taps.items()}


def _to_ours(array):
    return array.transpose(1, 2, 0) if array.ndim == 3 else array


def _assert_taps_equal(net, ours, theirs):
    assert set(theirs) == set(net.taps) & set(theirs)
    for tap, expected in theirs.items():
        got = np.asarray(ours[tap])
        error = np.abs(got - expected.reshape(got.shape)).max()
        assert error <= TOLERANCE * np.abs(expected).max(), f"{tap}: {error}"
    assert np.abs(theirs[net.taps[1]]).max() > 0.1


def _draw_image(size):
    return np.random.default_rng(0).uniform(size=(size, size, 3)).astype(np.float32)


@pytest.mark.parametrize("name", WHOLE)
def test_taps_at_the_native_size_equal_torchvision(name, models):
    net = build(name)
    model = getattr(models, name)(weights=None)
    _randomise(model, 1)
    nodes = _list_nodes(net)
    assert set(nodes) == set(net.taps) - {"input", "prob"}
    theirs = _compute_their_taps(model, nodes, _draw_image(224))
    params = _convert(net, model.state_dict())
    assert set(params) == set(parameter_shapes(net))
    ours = jax.jit(lambda p, x: net.apply(p, x, stop=net.scores))(params, _draw_image(224))
    _assert_taps_equal(net, ours, theirs)


@pytest.mark.parametrize("name", TRUNKS)
def test_convolutional_taps_of_vgg_equal_torchvision(name, models):
    net = build(name)
    model = getattr(models, name)(weights=None, init_weights=False)
    model.classifier = torch.nn.Sequential()
    _randomise(model, 2)
    nodes = {tap: node for tap, node in _list_nodes(net).items() if "features" in node}
    theirs = _compute_their_taps(model, nodes, _draw_image(64))
    params = _convert(net, model.state_dict())
    ours = jax.jit(lambda p, x: net.apply(p, x, stop="pool5"))(params, _draw_image(64))
    _assert_taps_equal(net, ours, theirs)
