"""Networks small enough to compile in a blink, for tests of everything above them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxvis.nets import random_params
from jaxvis.nets.adapters import from_function
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.types import Canvas, Loss

SIDE = 16
CONV = (
    Layer("conv1", "conv", 6, 3, pad=1),
    Layer("relu1", "relu"),
    Layer("pool1", "max", size=2, stride=2),
    Layer("conv2", "conv", 8, 3, pad=1),
    Layer("relu2", "relu"),
)


@functools.cache
def conv_net(side=SIDE):
    """Returns (net, params) of two convolutions and five mean scores: any size."""
    rows = (*CONV, Layer("gap", "gap"), Layer("fc", "fc", 5))
    net = build_network("tiny_conv", rows, input_size=(side, side), scores="fc")
    return net, random_params(net, jax.random.key(7), preprocess="imagenet")


@functools.cache
def fc_net():
    """Returns (net, params) whose fully connected layer demands 16 x 16 pixels."""
    rows = (*CONV, Layer("fc", "fc", 5))
    net = build_network("tiny_fc", rows, input_size=(SIDE, SIDE), scores="fc")
    return net, random_params(net, jax.random.key(8), preprocess="imagenet")


@functools.cache
def relu_net(side, depth=3, width=8):
    """Returns (net, params) of `depth` rectified convolutions, no pooling."""
    rows = []
    for i in range(1, depth + 1):
        rows += [Layer(f"conv{i}", "conv", width, 3, pad=1), Layer(f"relu{i}", "relu")]
    net = build_network("tiny_relu", tuple(rows), input_size=(side, side))
    return net, random_params(net, jax.random.key(4))


def counted_net(side=SIDE):
    """Returns (net, params, count): `count()` is how often the net has been traced."""
    traces = []

    def counted(params, image):
        traces.append(image.shape)
        out = jnp.tanh(image @ params["mix"])
        return {"map": out, "scores": jnp.mean(out, axis=(0, 1))}

    params = {"mix": jax.random.normal(jax.random.key(3), (3, 4))}
    net, params = from_function(counted, params, input_size=(side, side), scores="scores")
    traces.clear()
    return net, params, lambda: len(traces)


@dataclass(frozen=True)
class Grey(Canvas):
    """A canvas with image = 1/2 + z that starts as one random grey, which compiles fast."""

    size: tuple[int, int]

    def init(self, key):
        return jnp.full((*self.size, 3), 0.3 * jax.random.normal(key))

    def decode(self, shared, z, key):
        return 0.5 + z


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """The loss that a function `(params, z, item, key) -> (value, terms)` computes."""

    function: Callable

    def __call__(self, params, z, item, key, shared=None):
        return (*self.function(params, z, item, key), None)


def photograph(side):
    """Returns a photograph `[side, side, 3]` float32 in [0, 1]."""
    from skimage import data, transform

    small = transform.resize(data.astronaut(), (side, side), anti_aliasing=True)
    return jnp.asarray(small, jnp.float32)


def compilations(call):
    """Returns how many programs XLA compiles while `call()` runs."""
    found = []

    def listen(name, seconds, **facts):
        if name.endswith("backend_compile_duration"):
            found.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        call()
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return len(found)


def run_once(function, *args):
    """Returns what a function computes, in a program that is compiled without LLVM's passes.

    They take most of the time to compile, and pay only where a program runs many times.
    """
    compiled = jax.jit(function).lower(*args)
    return compiled.compile({"xla_backend_optimization_level": 0})(*args)
