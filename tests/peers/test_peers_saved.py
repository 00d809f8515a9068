"""Checkpoints that torch, timm, transformers and Keras write themselves, as people save them."""

import argparse
from pathlib import Path

import checkpoint_writers as write
import jax
import numpy as np
import pytest
from safetensors.numpy import load_file
from test_peers_checkpoints import _forward, _module

from jaxvis.nets.zoo.style_net import build_style_net
from jaxvis.weights import file as weights_file
from weights_convert import convert
from weights_convert.checkpoint import Checkpoint, StoredTensor
from weights_convert.matching import match

torch = pytest.importorskip("torch")
# Packages may warn of what they do themselves, which is not judged here.
pytestmark = pytest.mark.filterwarnings("ignore")
NET = write.tiny_net(norm=True)


def _train(model):
    """Returns an optimizer of a model that has taken a step."""
    optimizer = torch.optim.AdamW(model.parameters())
    _forward(model, torch.zeros(1, 3, 8, 12)).sum().backward()
    optimizer.step()
    return optimizer


def _average(model):
    average = torch.optim.swa_utils.AveragedModel(model)
    average.update_parameters(model)
    return average


def _save_script(model):
    optimizer = _train(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    return {
        "epoch": 3,
        "arch": "tiny",
        "state_dict": model.state_dict(),
        "best_acc1": torch.tensor(0.5),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "args": argparse.Namespace(lr=0.1, out=Path("/tmp"), device=torch.device("cpu")),
        "score": np.float64(0.5),
        "history": np.arange(3),
        "dtype": torch.float16,
        "rng": torch.get_rng_state(),
    }


def _save_lightning(model):
    return {
        "state_dict": {f"net.{name}": tensor for name, tensor in model.state_dict().items()}
        | {"loss_fn.weight": torch.ones(3)},
        "optimizer_states": [_train(model).state_dict()],
        "hyper_parameters": {"lr": 0.1, "cfg": argparse.Namespace(a=1)},
        "pytorch-lightning_version": "2.5.0",
    }


TREES = {
    "script": _save_script,
    "lightning": _save_lightning,
    "average": lambda model: {"model_ema": _average(model).state_dict()},
    "compiled": lambda model: torch.compile(model).state_dict(),
    "whole": lambda model: model,
    "whole inside": lambda model: {"model": model, "optimizer": _train(model)},
    "parameters": lambda model: {"model": torch.nn.ParameterDict(dict(model.state_dict()))},
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "stream"])
@pytest.mark.parametrize("how", sorted(set(TREES) - {"parameters"}))
def test_what_torch_saves_is_found(tmp_path, how, old):
    torch.manual_seed(0)
    model = _module()
    tree = TREES[how](model)
    torch.save(tree, tmp_path / "net.pth", _use_new_zipfile_serialization=not old)
    out = convert([tmp_path / "net.pth"], net=NET, out=tmp_path / "out")
    found = load_file(out)
    expected = model.state_dict()["conv1.weight"].permute(2, 3, 1, 0).numpy()
    np.testing.assert_array_equal(found["conv1/kernel"], expected)


def test_raw_and_averaged_weights_are_a_choice(tmp_path):
    model = _module()
    average = _average(model)
    with torch.no_grad():
        average.module["fc7"].bias.add_(1)
    tree = {"model": model.state_dict(), "model_ema": average.state_dict()}
    torch.save(tree, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="holds 2 sets of weights of tiny, behind model"):
        convert([tmp_path / "net.pth"], net=NET, out=tmp_path / "out")
    for part, moved in (("ema", 1), ("model", 0)):
        out = convert([tmp_path / "net.pth"], net=NET, out=tmp_path / part, part=part)
        expected = model["fc7"].bias.detach().numpy() + moved
        np.testing.assert_allclose(load_file(out)["fc7/bias"], expected, rtol=1e-6)


def test_quantised_tensors_of_torch_are_refused(tmp_path):
    state = _module().state_dict()
    state["fc7.weight"] = torch.quantize_per_tensor(state["fc7.weight"], 0.1, 0, torch.qint8)
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"a quantised network \(fc7.weight\)"):
        convert([tmp_path / "net.pth"], net=NET, out=tmp_path / "out")


# --- the style networks of PyTorch's examples ---------------------------------------


class _Conv(torch.nn.Module):
    def __init__(self, inputs, outputs, size, stride=1, up=False):
        super().__init__()
        self.up, self.pad = up, torch.nn.ReflectionPad2d(size // 2)
        self.conv2d = torch.nn.Conv2d(inputs, outputs, size, stride)

    def forward(self, x):
        if self.up:
            x = torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        return self.conv2d(self.pad(x))


class _Residual(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.conv2 = _Conv(width, width, 3), _Conv(width, width, 3)
        self.in1, self.in2 = (torch.nn.InstanceNorm2d(width, affine=True) for _ in range(2))

    def forward(self, x):
        return x + self.in2(self.conv2(torch.relu(self.in1(self.conv1(x)))))


class _Style(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        wide = 4 * width
        layers = {
            "conv1": _Conv(3, width, 9),
            "conv2": _Conv(width, 2 * width, 3, 2),
            "conv3": _Conv(2 * width, wide, 3, 2),
            "deconv1": _Conv(wide, 2 * width, 3, up=True),
            "deconv2": _Conv(2 * width, width, 3, up=True),
            "deconv3": _Conv(width, 3, 9),
            "res1": _Residual(wide),
            "res2": _Residual(wide),
        }
        widths = (width, 2 * width, wide, 2 * width, width)
        norms = {f"in{i}": torch.nn.InstanceNorm2d(n, affine=True) for i, n in enumerate(widths, 1)}
        for name, module in (layers | norms).items():
            self.add_module(name, module)

    def forward(self, x):
        for i in (1, 2, 3):
            x = torch.relu(getattr(self, f"in{i}")(getattr(self, f"conv{i}")(x)))
        x = self.res2(self.res1(x))
        for i in (1, 2):
            x = torch.relu(getattr(self, f"in{i + 3}")(getattr(self, f"deconv{i}")(x)))
        return self.deconv3(x)


def test_a_style_network_of_the_examples_draws_what_torch_draws(tmp_path):
    torch.manual_seed(0)
    model = _Style()
    state = model.state_dict()
    state |= {"in1.running_mean": torch.zeros(4), "res1.in2.running_var": torch.ones(16)}
    torch.save(state, tmp_path / "style.pth")
    net = build_style_net("transform_plain", width=4, blocks=2)
    out = convert([tmp_path / "style.pth"], net=net, out=tmp_path / "style.safetensors")
    image = np.random.default_rng(0).uniform(size=(24, 32, 3)).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.tensor(255 * image.transpose(2, 0, 1)[None]))[0].numpy()
    got = jax.jit(net.apply)(weights_file.read(out, net), image)["image"]
    np.testing.assert_allclose(255 * got.transpose(2, 0, 1), expected, rtol=1e-3, atol=1e-3)


# --- names of timm and transformers --------------------------------------------------

TIMM = {
    "resnet18": "resnet18",
    "resnet50d": "resnet50d",
    "convnext_tiny": "convnext_tiny",
    "densenet121": "densenet121",
    "vgg11": "vgg11",
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenet_v3_large": "mobilenetv3_large_100",
    "mobilenet_v3_small": "mobilenetv3_small_100",
    "efficientnet_b0": "efficientnet_b0",
    "regnet_y_400mf": "regnety_004",
    "inception_v3": "inception_v3",
    "deit_s_16": "deit_small_patch16_224",
}


def _match(name, model):
    tensors = {
        key: StoredTensor(tuple(tensor.shape), lambda: None)
        for key, tensor in model.state_dict().items()
    }
    return match(name, {Path("net.pth"): Checkpoint("torch", tensors)})


@pytest.mark.parametrize("name", TIMM)
def test_every_name_of_timm_fits(name, models):
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        model = timm.create_model(TIMM[name], num_classes=7, in_chans=1)
    found = _match(name, model)
    assert not found.notes and found.net.channels == 1
    assert found.parts[list(found.parts)[-1]] and not found.prefix


def test_every_name_of_transformers_fits():
    transformers = pytest.importorskip("transformers")
    basic = {"layer_type": "basic", "depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512]}
    cases = {
        "resnet18": ("ResNet", basic),
        "resnet50": ("ResNet", {}),
        "convnext_tiny": ("ConvNext", {}),
        "vit_b_16": ("ViT", {}),
    }
    for name, (kind, options) in cases.items():
        config = getattr(transformers, f"{kind}Config")(num_labels=5, **options)
        with torch.device("meta"):
            model = getattr(transformers, f"{kind}ForImageClassification")(config)
        found = _match(name, model)
        assert len(found.parts) >= 100 and "left out of the names" in found.notes[0]


# --- Keras ---------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["keras", "weights.h5", "h5"])
@pytest.mark.parametrize("inside", [False, True], ids=["plain", "nested"])
def test_what_keras_saves_is_found_by_the_names_of_its_layers(tmp_path, ending, inside):
    keras = pytest.importorskip("keras", exc_type=ImportError)
    layers = keras.layers
    x = keras.Input((8, 12, 3))
    y = layers.Conv2D(4, 3, padding="same", name="conv1")(x)
    y = layers.MaxPooling2D(2)(layers.BatchNormalization(name="bn1")(y))
    y = layers.Conv2D(6, 3, padding="same", groups=2, name="conv2")(y)
    y = layers.Flatten()(layers.MaxPooling2D(2)(y))
    y = layers.Dense(3, name="fc7")(layers.Dense(5, name="fc6")(y))
    model = keras.Model(x, y)
    saved = keras.Sequential([keras.Input((8, 12, 3)), model]) if inside else model
    path = tmp_path / f"net.{ending}"
    (saved.save_weights if ending == "weights.h5" else saved.save)(path)
    found = load_file(convert([path], net=NET, out=tmp_path / "out", preprocess="unit"))
    for layer in model.layers:
        for ours, theirs in zip(("kernel", "bias"), layer.get_weights()):
            if layer.name != "bn1":
                np.testing.assert_array_equal(found[f"{layer.name}/{ours}"], theirs)
    for ours, theirs in zip(("scale", "bias", "mean", "var"), model.get_layer("bn1").get_weights()):
        np.testing.assert_array_equal(found[f"bn1/{ours}"], theirs)
