"""The networks by name, and the function that builds one."""

import inspect
from collections.abc import Callable
from functools import partial

from jaxvis.nets.classical.networks import dsift, hog
from jaxvis.nets.demo.net import demo
from jaxvis.nets.network_file import is_network_file, read_network_file
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.forward import with_compute
from jaxvis.nets.zoo.alexnet import alexnet, caffe_alexnet, caffenet
from jaxvis.nets.zoo.convnext import convnext
from jaxvis.nets.zoo.densenet import densenet
from jaxvis.nets.zoo.efficientnet import efficientnet
from jaxvis.nets.zoo.googlenet import googlenet
from jaxvis.nets.zoo.inception_v3 import inception_v3
from jaxvis.nets.zoo.lenet import lenet5
from jaxvis.nets.zoo.mobilenet_v2 import mobilenet_v2
from jaxvis.nets.zoo.mobilenet_v3 import mobilenet_v3
from jaxvis.nets.zoo.regnet import regnet_y
from jaxvis.nets.zoo.resnet import resnet
from jaxvis.nets.zoo.squeezenet import squeezenet
from jaxvis.nets.zoo.style_net import NAMES, build_style_net
from jaxvis.nets.zoo.vgg import vgg
from jaxvis.nets.zoo.vgg_m import vgg_m
from jaxvis.nets.zoo.vit import CLIPS, VITS, clip_vit, vit
from jaxvis.network import Network

NETS: dict[str, Callable[..., Network]] = {
    "alexnet": alexnet,
    "caffe_alexnet": caffe_alexnet,
    "caffenet": caffenet,
    "vgg_m": vgg_m,
    "vgg11": partial(vgg, "vgg11"),
    "vgg11_bn": partial(vgg, "vgg11_bn"),
    "vgg13": partial(vgg, "vgg13"),
    "vgg13_bn": partial(vgg, "vgg13_bn"),
    "vgg16": partial(vgg, "vgg16"),
    "vgg16_bn": partial(vgg, "vgg16_bn"),
    "vgg19": partial(vgg, "vgg19"),
    "vgg19_bn": partial(vgg, "vgg19_bn"),
    "squeezenet1_0": partial(squeezenet, "squeezenet1_0"),
    "squeezenet1_1": partial(squeezenet, "squeezenet1_1"),
    "googlenet": googlenet,
    "resnet18": partial(resnet, "resnet18"),
    "resnet34": partial(resnet, "resnet34"),
    "resnet50": partial(resnet, "resnet50"),
    "resnet101": partial(resnet, "resnet101"),
    "resnet152": partial(resnet, "resnet152"),
    "resnet50d": partial(resnet, "resnet50d"),
    "resnet18_cifar": partial(resnet, "resnet18_cifar", input_size=(32, 32), classes=10),
    "resnet50_cifar": partial(resnet, "resnet50_cifar", input_size=(32, 32), classes=10),
    "wide_resnet50_2": partial(resnet, "wide_resnet50_2"),
    "wide_resnet101_2": partial(resnet, "wide_resnet101_2"),
    "resnext50_32x4d": partial(resnet, "resnext50_32x4d"),
    "resnext101_32x8d": partial(resnet, "resnext101_32x8d"),
    "densenet121": partial(densenet, "densenet121"),
    "densenet161": partial(densenet, "densenet161"),
    "densenet169": partial(densenet, "densenet169"),
    "densenet201": partial(densenet, "densenet201"),
    "inception_v3": inception_v3,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_small": partial(mobilenet_v3, "mobilenet_v3_small"),
    "mobilenet_v3_large": partial(mobilenet_v3, "mobilenet_v3_large"),
    "efficientnet_b0": partial(efficientnet, "efficientnet_b0"),
    "efficientnet_b1": partial(efficientnet, "efficientnet_b1", input_size=(240, 240)),
    "efficientnet_b2": partial(efficientnet, "efficientnet_b2", input_size=(288, 288)),
    "efficientnet_b3": partial(efficientnet, "efficientnet_b3", input_size=(300, 300)),
    "efficientnet_b4": partial(efficientnet, "efficientnet_b4", input_size=(380, 380)),
    "regnet_y_400mf": partial(regnet_y, "regnet_y_400mf"),
    "regnet_y_16gf": partial(regnet_y, "regnet_y_16gf"),
    "convnext_tiny": partial(convnext, "convnext_tiny"),
    "convnext_small": partial(convnext, "convnext_small"),
    "convnext_base": partial(convnext, "convnext_base"),
    "lenet5": lenet5,
    **{name: partial(vit, name, shape) for name, shape in VITS.items()},
    "demo": demo,
}
"""Name -> the function that builds the network; its keywords are the network's options."""

EMBEDDING: dict[str, Callable[..., Network]] = {
    name: partial(clip_vit, name, shape) for name, shape in CLIPS.items()
}
"""Name -> the function that builds a network whose output is an embedding, not scores."""

FIXED: dict[str, Callable[..., Network]] = {
    "hog": hog,
    "hogb": partial(hog, binning="bilinear"),
    "dsift": dsift,
}
"""Name -> the function that builds a network without parameters."""

DRAWING: dict[str, Callable[..., Network]] = {
    name: partial(build_style_net, name) for name in NAMES
}
"""Name -> the function that builds a network whose output is an image."""


def build(
    name: str,
    *,
    pool: str | None = None,
    head: str | None = None,
    input_size: tuple[int, int] | None = None,
    classes: int | None = None,
    channels: int | None = None,
    precision: str = "float32",
    convolution: str = "fast",
) -> Network:
    """Returns a network by name, without parameters.

    Args:
      name: a key of `NETS`, `EMBEDDING`, `FIXED` or `DRAWING`; or the path of a file, .toml or
        .py, that describes a network (`jaxvis.nets.network_file`).
      pool: "max" or "avg", for the VGG networks; None is the network's own.
      head: what follows the class scores: "softmax", "linear" (nothing) or "relu";
        None is the network's own, softmax.
      input_size: (H, W) in pixels; fully connected layers are made for it. None is the
        size that the published weights were trained with.
      classes: how many classes it tells apart; None is the published number.
      channels: of the image, 3 for colours and 1 for grey; None is the published number.
      precision: "float32", "tf32" or "bfloat16"; see `jaxvis.nets.table.compute.Compute`.
      convolution: "fast", or "direct" for XLA's own, which `jax.jvp` and gradients of
        gradients need.

    Raises:
      ValueError: for an unknown name (the message lists the known ones), an option
        that this network does not have, or a value that an option does not take.
    """
    builders = NETS | EMBEDDING | FIXED | DRAWING
    if is_network_file(name):
        builders = {name: partial(_build_from_file, name)}
    if name not in builders:
        raise ValueError(
            f"no network is called {name!r}; there are {', '.join(builders)}, and files that "
            "describe one, .toml or .py"
        )
    counts = {"classes": classes, "channels": channels}
    for option, count in counts.items():
        if count is not None and count < 1:
            raise ValueError(f"{option} is at least 1, not {count}")
    given = {"pool": pool, "head": head, "input_size": input_size, **counts}
    options = {key: value for key, value in given.items() if value is not None}
    accepted = inspect.signature(builders[name]).parameters
    for option in options:
        if option not in accepted:
            raise ValueError(
                f"{name} has no option {option!r}; its options are "
                f"{', '.join(key for key in given if key in accepted)}"
            )
    return with_compute(builders[name](**options), Compute(precision, convolution))


def _build_from_file(name: str, *, input_size: tuple[int, int] | None = None) -> Network:
    return read_network_file(name, input_size=input_size).net
