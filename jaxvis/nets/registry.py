"""The networks by name, and the function that builds one."""

import inspect
from collections.abc import Callable
from functools import partial

from jaxvis.nets.classical.networks import dsift, hog
from jaxvis.nets.demo.net import demo
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.forward import with_compute
from jaxvis.nets.zoo.alexnet import alexnet, caffe_alexnet, caffenet
from jaxvis.nets.zoo.densenet import densenet121
from jaxvis.nets.zoo.googlenet import googlenet
from jaxvis.nets.zoo.resnet import resnet
from jaxvis.nets.zoo.squeezenet import squeezenet
from jaxvis.nets.zoo.style_net import NAMES, build_style_net
from jaxvis.nets.zoo.vgg import vgg
from jaxvis.nets.zoo.vgg_m import vgg_m
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
    "densenet121": densenet121,
    "demo": demo,
}
"""Name -> the function that builds the network; its keywords are the network's options."""

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
    precision: str = "float32",
    convolution: str = "fast",
) -> Network:
    """Returns a network by name, without parameters.

    Args:
      name: a key of `NETS`, `FIXED` or `DRAWING`.
      pool: "max" or "avg", for the VGG networks; None is the network's own.
      head: what follows the class scores: "softmax", "linear" (nothing) or "relu";
        None is the network's own, softmax.
      input_size: (H, W) in pixels; fully connected layers are made for it. None is the
        size that the published weights were trained with.
      precision: "float32", "tf32" or "bfloat16"; see `jaxvis.nets.table.compute.Compute`.
      convolution: "fast", or "direct" for XLA's own, which `jax.jvp` needs.

    Raises:
      ValueError: for an unknown name (the message lists the known ones), an option
        that this network does not have, or a value that an option does not take.
    """
    builders = NETS | FIXED | DRAWING
    if name not in builders:
        raise ValueError(f"no network is called {name!r}; there are {', '.join(builders)}")
    given = {"pool": pool, "head": head, "input_size": input_size}
    options = {key: value for key, value in given.items() if value is not None}
    accepted = inspect.signature(builders[name]).parameters
    for option in options:
        if option not in accepted:
            raise ValueError(
                f"{name} has no option {option!r}; its options are "
                f"{', '.join(key for key in given if key in accepted)}"
            )
    return with_compute(builders[name](**options), Compute(precision, convolution))
