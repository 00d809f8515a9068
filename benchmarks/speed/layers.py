"""Where a step's time goes: every distinct convolution of a network, against torch's.

Forward and gradient with respect to the input together, as a step needs them, on a
batch of four. A step that is slower than torch's is slower in some of its layers: the
rows show in which, and `gflops` shows how far both are from the machine's rate.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.verdicts import judge, relative_difference
from benchmarks.peers import torch_peer
from jaxvis.compiler import jit
from jaxvis.convolution.conv import conv_general_dilated
from jaxvis.convolution.forms import NHWC
from jaxvis.nets import build
from jaxvis.nets.table.layers import Layer, rows_between, sources
from jaxvis.types import Array

NETS = ("vgg19", "squeezenet1_1", "googlenet")
SIDE, BATCH = 224, 4
TOLERANCE = 1e-4


def find_distinct(name: str, side: int) -> dict[tuple, Layer]:
    """Finds (input shape, width, size, stride) -> a convolution that has them.

    Args:
      name: the network.
      side: pixels.
    """
    net = build(name, input_size=(side, side))
    assert net.classes is not None  # every network of the zoo has them
    at, reads = subjects.shapes_of(net, side), sources(net.rows)
    needed = rows_between(net.rows, frozenset({"input"}), (net.classes,))
    rows = [row for row in net.rows if row.op == "conv" and row.name in needed]
    return {(at[reads[row.name][0]], row.width, row.size, row.stride): row for row in rows}


def measure_layers(name: str, side: int, batch: int, *, pairs: int) -> list[Row]:
    """Measures a row for every distinct convolution of a network.

    Args:
      name: the network.
      side: pixels.
      batch: images.
      pairs: interleaved runs.
    """
    net, params = subjects.make_network(name, side)
    ready = subjects.prepare_params(net, params, side)
    out = []
    for (shape, *_), layer in find_distinct(name, side).items():
        draw = np.random.default_rng(0).standard_normal((batch, *shape)).astype(np.float32)
        kernels = (params[layer.name]["kernel"], ready[layer.name]["kernel"])
        out.append(_measure_layer(name, layer, draw, kernels, pairs))
    return out


def _measure_layer(
    name: str, layer: Layer, x: np.ndarray, kernels: tuple[Array, Array], pairs: int
) -> Row:
    """Measures one convolution; `kernels` are as they were drawn, and as prepared."""
    plain, kernel = kernels
    given, step = jnp.asarray(x), _make_step(layer)

    def ours() -> tuple:
        return jax.block_until_ready(step(given, kernel))

    def make_peer() -> Peer:
        run = _make_torch_step(x, np.asarray(plain), layer)
        output, gradient = (
            (relative_difference(a, b.permute(0, 2, 3, 1).numpy()), TOLERANCE)
            for a, b in zip(ours(), run())
        )
        return Peer("torch channels_last", run, judge(output=output, gradient=gradient))

    batch, side, _, channels = x.shape
    stride = f"/{layer.stride}" if layer.stride > 1 else ""
    words = (
        f"{name} {layer.name}: {layer.size}x{layer.size}{stride}, "
        f"{channels} to {layer.width}, {side} px, batch {batch}"
    )
    case = Case("layers", words, {"net": name, "layer": layer.name, "batch": batch})
    row = compare(case, ours, torch_peer.why_absent() or make_peer(), pairs=pairs, warmups=2)
    out = jax.eval_shape(step, given, kernel)[0].shape
    flops = 4 * np.prod(out) * channels / layer.groups * layer.size**2
    times = {way: row[way] for way in ("ours", "peer") if row[way] is not None}
    return {**row, "gflops": {way: round(float(flops / t / 1e9)) for way, t in times.items()}}


def _make_step(layer: Layer) -> Callable[[Array, Array], tuple[Array, Array]]:
    """Makes our step: (x, kernel) -> output y, and the gradient of |y|^2 / 2 in x."""

    def convolve(x: Array, kernel: Array) -> Array:
        return conv_general_dilated(
            x,
            kernel,
            (layer.stride,) * 2,
            ((layer.pad,) * 2,) * 2,
            dimension_numbers=NHWC,
            feature_group_count=layer.groups,
        )

    @jit
    def step(x: Array, kernel: Array) -> tuple[Array, Array]:
        y, pull = jax.vjp(lambda x: convolve(x, kernel), x)
        return y, pull(y)[0]

    return step


def _make_torch_step(x: np.ndarray, kernel: np.ndarray, layer: Layer) -> Callable[[], tuple]:
    """Makes the same in torch: a call that returns output and gradient, channels_last."""
    import torch

    torch_peer.configure()
    last = torch.channels_last
    image = torch.tensor(x).permute(0, 3, 1, 2).contiguous(memory_format=last)
    weight = torch.tensor(kernel).permute(3, 2, 0, 1).contiguous(memory_format=last)
    window = ([layer.stride] * 2, [layer.pad] * 2, [1, 1])
    rest = (False, [0, 0], layer.groups, [True, False, False])

    def run() -> tuple:
        with torch.no_grad():
            y = torch.nn.functional.conv2d(image, weight, None, *window, layer.groups)
            pull = torch.ops.aten.convolution_backward
            gradient, _, _ = pull(y, image, weight, None, *window, *rest)
        return y, gradient

    return run


def measure(quick: bool) -> list[Row]:
    """Measures three networks at 224 pixels, batch 4.

    Args:
      quick: fewer runs.
    """
    pairs = 5 if quick else 15
    return [row for name in NETS for row in measure_layers(name, SIDE, BATCH, pairs=pairs)]


def measure_smoke() -> list[Row]:
    """Measures SqueezeNet at 64 pixels, one image."""
    return measure_layers("squeezenet1_1", 64, 1, pairs=1)
