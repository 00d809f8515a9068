"""The taps of the newer networks against the modules of torchvision and timm."""

import numpy as np
import pytest

from jaxvis.nets import build, parameter_shapes
from tests.tiny_nets import run_once

torch = pytest.importorskip("torch")
torch_states = pytest.importorskip("tests.peers.torch_states")

TOLERANCE = 1e-4
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
WITHIN = ("add", "mul", "relu", "relu_2", "cat", "cat_2")
"""Last words of taps that are the output of the module whose name stands before them."""
PARTS = ("conv1", "activation", "branch3x3_2a")
"""Parts of modules for which some of these words mean something else."""


def _make_model(name, models):
    if name == "resnet50d":
        return pytest.importorskip("timm").create_model(name).eval()
    options = {"init_weights": False} if name == "inception_v3" else {}
    return getattr(models, name)(weights=None, **options).eval()


def _record_outputs(model, image):
    """Returns module -> its output; a module that is called several times has its last."""
    found = {}

    def keep(name):
        # Copied at once: the next module may overwrite it in place.
        return lambda module, inputs, output: found.__setitem__(name, output.clone())

    for name, module in model.named_modules():
        if name:  # the first one is the model itself
            module.register_forward_hook(keep(name))
    with torch.no_grad():
        model(torch_states.to_torch(image))
    return {name: output[0].numpy() for name, output in found.items()}


def _find_output(tap, outputs):
    """Returns what torch has computed for a tap, or None if that is no module's output."""
    module, _, last = tap.rpartition(".")
    parts = {part for part in PARTS if f"{module}.{part}" in outputs}
    # A block of a ResNet calls its one rectifier several times, it and a block of a RegNet
    # rectify their sums, and a block with fans concatenates several times.
    other = {"relu": "conv1", "add": "conv1", "cat": "branch3x3_2a"}.get(last)
    if other in parts or (last == "add" and "activation" in parts):
        return None
    return outputs.get(tap, outputs.get(module) if last in WITHIN else None)


def _to_shape(array, shape):
    """Returns torch's output in the arrangement of a tap."""
    if array.shape == shape or len(shape) == 1:  # ConvNeXt's inner maps have channels last
        return array.reshape(shape)
    return array.transpose(1, 2, 0)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SIDES],
)
def test_taps_equal_the_outputs_of_their_modules(name, models):
    side = SIDES[name]
    net = build(name, input_size=(side, side))
    model = _make_model(name, models)
    torch_states.randomise(model, 1)
    image = torch_states.draw_image(side)
    theirs = _record_outputs(model, image)
    params = torch_states.convert(net, model.state_dict())
    assert set(params) == set(parameter_shapes(net))
    ours = run_once(lambda p, x: net.apply(p, x, stop=net.scores), params, image)
    compared = 0
    for tap, value in ours.items():
        expected = _find_output(tap, theirs)
        if expected is None:
            continue
        compared += 1
        expected = _to_shape(expected, value.shape)
        error = np.abs(np.asarray(value) - expected).max()
        assert error <= TOLERANCE * np.abs(expected).max(), f"{tap}: {error}"
    assert compared > 0.6 * len(ours), f"only {compared} of {len(ours)} taps are modules"
    assert np.ptp(theirs[net.scores]) > 0.1


@pytest.mark.parametrize("name", SAME_ROWS)
def test_parameters_have_the_names_and_shapes_of_torchvisions(name, models):
    # Tensors without memory; a RegNet computes its widths with tensors, which need some.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        state = _make_model(name, models).state_dict()
    state = {key: torch.zeros(()).expand(value.shape) for key, value in state.items()}
    net = build(name)
    assert set(torch_states.convert(net, state)) == set(parameter_shapes(net))
