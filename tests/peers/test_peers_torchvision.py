"""Every tap of the torchvision networks against torchvision's own model code."""

import re

import jax
import pytest

from jaxvis.nets import build, parameter_shapes

torch = pytest.importorskip("torch")
torch_states = pytest.importorskip("tests.peers.torch_states")

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


@pytest.mark.parametrize("name", WHOLE)
def test_taps_at_the_native_size_equal_torchvision(name, models):
    net = build(name)
    model = getattr(models, name)(weights=None)
    torch_states.randomise(model, 1)
    nodes = _list_nodes(net)
    assert set(nodes) == set(net.taps) - {"input", "prob"}
    theirs = torch_states.compute_taps(model, nodes, torch_states.draw_image(224))
    params = torch_states.convert(net, model.state_dict())
    assert set(params) == set(parameter_shapes(net))
    ours = jax.jit(lambda p, x: net.apply(p, x, stop=net.scores))(
        params, torch_states.draw_image(224)
    )
    torch_states.assert_taps_equal(net, ours, theirs)


@pytest.mark.parametrize("name", TRUNKS)
def test_convolutional_taps_of_vgg_equal_torchvision(name, models):
    net = build(name)
    model = getattr(models, name)(weights=None, init_weights=False)
    model.classifier = torch.nn.Sequential()
    torch_states.randomise(model, 2)
    nodes = {tap: node for tap, node in _list_nodes(net).items() if "features" in node}
    theirs = torch_states.compute_taps(model, nodes, torch_states.draw_image(64))
    params = torch_states.convert(net, model.state_dict())
    ours = jax.jit(lambda p, x: net.apply(p, x, stop="pool5"))(params, torch_states.draw_image(64))
    torch_states.assert_taps_equal(net, ours, theirs)
