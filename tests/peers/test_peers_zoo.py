"""Every tap of the newer networks against the code of torchvision and timm."""

import numpy as np
import pytest

from jaxvis.nets import build, parameter_shapes
from tests.tiny_nets import run_once

torch = pytest.importorskip("torch")
torch_states = pytest.importorskip("tests.peers.torch_states")

SIDES = {
    "mobilenet_v2": 40,
    "mobilenet_v3_small": 40,
    "mobilenet_v3_large": 40,
    "efficientnet_b0": 40,
    "regnet_y_400mf": 40,
    "convnext_tiny": 64,
    "inception_v3": 75,
    "resnext50_32x4d": 40,
    "resnet50d": 40,
}
"""Network -> the side of an image that leaves a map of some pixels at the end."""
QUICK = ("mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf")
"""Networks that are compared in every run; each of the others takes about ten seconds."""
SAME_ROWS = (
    "resnet152",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "resnext101_32x8d",
    "densenet161",
    "densenet169",
    "densenet201",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "regnet_y_16gf",
    "convnext_small",
    "convnext_base",
)
"""Networks of the same rows as another one that is compared: their parameters are."""


def _make_model(name, models):
    if name == "resnet50d":
        return pytest.importorskip("timm").create_model(name).eval()
    options = {"init_weights": False} if name == "inception_v3" else {}
    return getattr(models, name)(weights=None, **options).eval()


def _list_nodes(net):
    """Lists our taps -> the modules and calls of their graph, most of which are called alike."""
    return {tap: _name_node(net, tap) for tap in net.taps if tap not in ("input", "prob")}


def _name_node(net, tap):
    block, dot, last = tap.rpartition(".")
    if net.name == "mobilenet_v2" and tap == "avgpool":
        return "adaptive_avg_pool2d"
    if net.name.startswith("convnext") and last == "layer_scale":  # a tensor, not a module
        return f"{block}.mul"
    if net.name == "resnet50d" and last.startswith("relu"):
        return f"{block}{dot}" + {"relu": "act1", "relu_1": "act2", "relu_2": "act3"}[last]
    if net.name == "resnet50d" and tap == "avgpool":
        return "global_pool"
    return tap


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SIDES],
)
def test_every_tap_equals_theirs(name, models):
    side = SIDES[name]
    net = build(name, input_size=(side, side))
    model = _make_model(name, models)
    torch_states.randomise(model, 1)
    image = torch_states.draw_image(side)
    theirs = torch_states.compute_taps(model, _list_nodes(net), image)
    assert set(theirs) == set(net.taps) - {"input", "prob"}
    params = torch_states.convert(net, model.state_dict())
    assert set(params) == set(parameter_shapes(net))
    ours = run_once(lambda p, x: net.apply(p, x, stop=net.scores), params, image)
    torch_states.assert_taps_equal(net, ours, theirs)
    assert np.ptp(theirs[net.scores]) > 0.1


@pytest.mark.parametrize("name", SAME_ROWS)
def test_parameters_have_the_names_and_shapes_of_torchvisions(name, models):
    # Tensors without memory; a RegNet computes its widths with tensors, which need some.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        state = _make_model(name, models).state_dict()
    state = {key: torch.zeros(()).expand(value.shape) for key, value in state.items()}
    net = build(name)
    assert set(torch_states.convert(net, state)) == set(parameter_shapes(net))
