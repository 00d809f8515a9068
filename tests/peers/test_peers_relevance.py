"""Relevance propagation against zennit, on the same weights."""

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.attribution.relevance.composites import Composite
from jaxvis.attribution.relevance.rules import Rule
from jaxvis.nets import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer

torch = pytest.importorskip("torch")

ROWS = (
    Layer("conv1", "conv", 6, 3, pad=1),
    Layer("bn1", "bn"),
    Layer("relu1", "relu"),
    Layer("pool1", "max", size=2, stride=2),
    Layer("conv2", "conv", 8, 3, stride=2, pad=1),
    Layer("relu2", "relu"),
    Layer("pool2", "avg", size=2, stride=2),
    Layer("fc1", "fc", 7),
    Layer("relu3", "relu"),
    Layer("fc2", "fc", 5),
)


@pytest.fixture(scope="module")
def zennit(models):
    """Returns zennit, which needs torchvision, or skips."""
    del models
    pytest.importorskip("zennit")
    import zennit.attribution
    import zennit.canonizers
    import zennit.composites
    import zennit.rules

    return zennit


def make_pair(seed=0):
    """Returns (net, params, module): the same network twice, the module of maps `[N, C, H, W]`."""
    net = build_network("pair", ROWS, input_size=(16, 16), scores="fc2")
    params = random_params(net, jax.random.key(seed), preprocess="imagenet")
    draw = np.random.default_rng(seed)
    params = {name: dict(row) for name, row in params.items()}
    for name in ("conv1", "conv2", "fc1", "fc2"):
        params[name]["bias"] = draw.normal(size=params[name]["bias"].shape).astype(np.float32)
    params["bn1"] = {
        "scale": draw.uniform(0.5, 2, 6).astype(np.float32),
        "bias": draw.normal(size=6).astype(np.float32),
        "mean": draw.normal(size=6).astype(np.float32),
        "var": draw.uniform(0.5, 2, 6).astype(np.float32),
    }
    nn = torch.nn
    layers = [
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 7),
        nn.ReLU(),
        nn.Linear(7, 5),
    ]
    module = nn.Sequential(*layers).eval()
    for layer, name in zip(
        (layers[0], layers[4], layers[8], layers[10]), ("conv1", "conv2", "fc1", "fc2")
    ):
        kernel = np.asarray(params[name]["kernel"])
        if kernel.ndim == 4:
            kernel = kernel.transpose(3, 2, 0, 1)
        elif name == "fc1":  # flattened maps: ours are H, W, C, torch's C, H, W
            kernel = kernel.reshape(2, 2, 8, 7).transpose(3, 2, 0, 1).reshape(7, 32)
        else:
            kernel = kernel.T
        layer.weight.data = torch.tensor(np.ascontiguousarray(kernel))
        layer.bias.data = torch.tensor(params[name]["bias"])
    norm = layers[1]
    norm.weight.data, norm.bias.data = (
        torch.tensor(params["bn1"][key]) for key in ("scale", "bias")
    )
    norm.running_mean, norm.running_var = (
        torch.tensor(params["bn1"][key]) for key in ("mean", "var")
    )
    return net, params, module


@pytest.mark.parametrize(
    "name",
    [
        "epsilon",
        "epsilon_plus",
        "epsilon_plus_flat",
        "epsilon_gamma_box",
        "epsilon_alpha2_beta1",
        "w_square",
    ],
)
def test_relevance_is_that_of_zennit(zennit, name):
    net, params, module = make_pair()
    image = np.random.default_rng(1).random((16, 16, 3)).astype(np.float32)
    scale, shift = (np.asarray(params["input"][key]) for key in ("scale", "shift"))
    prepared = torch.tensor((image * scale + shift).transpose(2, 0, 1)[None])
    low, high = (torch.tensor(value.reshape(1, 3, 1, 1)) for value in (shift, scale + shift))
    canonizers = [zennit.canonizers.SequentialMergeBatchNorm()]
    composites, rules, own = zennit.composites, zennit.rules, name
    if name == "epsilon_gamma_box":
        composite = composites.EpsilonGammaBox(low=low, high=high, canonizers=canonizers)
    elif name in ("epsilon", "w_square"):
        rule = rules.Epsilon() if name == "epsilon" else rules.WSquare()
        kinds = (zennit.types.Convolution, zennit.types.Linear)
        layers = [(kinds, rule), *composites.layer_map_base()]
        composite = composites.LayerMapComposite(layers, canonizers=canonizers)
        own = Composite(Rule(name), Rule(name))
    else:
        words = {"epsilon_plus": "EpsilonPlus", "epsilon_plus_flat": "EpsilonPlusFlat"}
        words["epsilon_alpha2_beta1"] = "EpsilonAlpha2Beta1"
        composite = getattr(composites, words[name])(canonizers=canonizers)
    for index in (0, 3):
        scores = module(prepared).detach()
        hot = torch.nn.functional.one_hot(torch.tensor([index]), 5) * scores
        with zennit.attribution.Gradient(model=module, composite=composite) as attributor:
            _, wanted = attributor(prepared, hot)
        wanted = wanted[0].detach().numpy().transpose(1, 2, 0)
        found = jaxvis.lrp(net, params, image, index=index, rules=own, combine="none")
        error = np.max(np.abs(found - wanted)) / np.max(np.abs(wanted))
        assert error < 1e-5, (name, index, error)
