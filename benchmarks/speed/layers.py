"""Where a step's time goes: every distinct convolution of a network, against torch's.

Forward and gradient w.r.t. the input together, as a step needs them, on a batch of
four. What falls short here is short in the step too: the rows say in which layers, and
`gflops` says how far both are from the machine's products.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import Row, interleaved, relative, row, verdict
from benchmarks.peers import torch_peer
from jaxvis.convolution.conv import conv_general_dilated
from jaxvis.convolution.forms import NHWC
from jaxvis.nets.table.layers import Layer, sources
from jaxvis.types import Array

NETS = ("vgg19", "squeezenet1_1", "googlenet")
SIDE, BATCH = 224, 4
TOLERANCE = 1e-4


def distinct(name: str, side: int) -> dict[tuple, Layer]:
    """Returns (input shape, width, size, stride) -> a convolution that has them.

    Args:
      name: the network.
      side: pixels.
    """
    net, params = subjects.subject(name, side)
    at, reads = subjects.shapes_of(net, side), sources(net.rows)
    rows = [row for row in net.rows if row.op == "conv" and row.name in params]
    return {(at[reads[row.name][0]], row.width, row.size, row.stride): row for row in rows}


def measured(name: str, side: int, batch: int, *, pairs: int) -> list[Row]:
    """Returns a row for every distinct convolution of a network.

    Args:
      name: the network.
      side: pixels.
      batch: images.
      pairs: interleaved runs.
    """
    net, params = subjects.subject(name, side)
    ready = subjects.ours(net, params, side)
    return [
        _one(name, layer, shape, params, ready, batch, pairs)
        for (shape, *_), layer in distinct(name, side).items()
    ]


def _one(name, layer, shape, params, ready, batch, pairs) -> Row:
    draw = np.random.default_rng(0).standard_normal((batch, *shape)).astype(np.float32)
    x, kernel = jnp.asarray(draw), ready[layer.name]["kernel"]

    @jax.jit
    def both(x: Array, kernel: Array) -> tuple[Array, Array]:
        y, pull = jax.vjp(lambda x: _conv(x, kernel, layer), x)
        return y, pull(y)[0]

    def run() -> tuple:
        return jax.block_until_ready(both(x, kernel))

    out = jax.eval_shape(both, x, kernel)[0].shape
    flops = 4 * np.prod(out) * shape[-1] / layer.groups * layer.size**2
    case = (
        f"{name} {layer.name}: {layer.size}x{layer.size}"
        f"{f'/{layer.stride}' if layer.stride > 1 else ''}, "
        f"{shape[-1]} to {layer.width}, {shape[0]} px, batch {batch}"
    )
    said = {"sizes": {"net": name, "layer": layer.name, "batch": batch}}
    if torch_peer.absent() is not None:
        ours = interleaved({"ours": run}, pairs)["ours"]
        return row(
            "layers",
            case,
            ours=ours,
            peer=None,
            verdict=None,
            peer_name=torch_peer.absent(),
            **said,
        )
    peer = _torch(draw, np.asarray(params[layer.name]["kernel"]), layer)
    differences = [
        relative(np.asarray(a), b.permute(0, 2, 3, 1).numpy()) for a, b in zip(run(), peer())
    ]
    found = verdict(output=(differences[0], TOLERANCE), gradient=(differences[1], TOLERANCE))
    times = interleaved({"ours": run, "peer": peer}, pairs, warmups=2)
    gflops = {way: round(float(flops / np.median(t) / 1e9)) for way, t in times.items()}
    return row(
        "layers",
        case,
        ours=times["ours"],
        peer=times["peer"],
        verdict=found,
        peer_name="torch channels_last",
        gflops=gflops,
        **said,
    )


def _conv(x: Array, kernel: Array, layer: Layer) -> Array:
    return conv_general_dilated(
        x,
        kernel,
        (layer.stride,) * 2,
        ((layer.pad,) * 2,) * 2,
        dimension_numbers=NHWC,
        feature_group_count=layer.groups,
    )


def _torch(x: np.ndarray, kernel: np.ndarray, layer: Layer):
    """Returns the same in torch: output and gradient, channels_last."""
    import torch

    torch_peer.prepare()
    last = torch.channels_last
    image = torch.tensor(x).permute(0, 3, 1, 2).contiguous(memory_format=last)
    weight = torch.tensor(kernel).permute(3, 2, 0, 1).contiguous(memory_format=last)
    ones = ([layer.stride] * 2, [layer.pad] * 2, [1, 1])

    def run() -> tuple:
        with torch.no_grad():
            y = torch.nn.functional.conv2d(image, weight, None, *ones, layer.groups)
            gradient, _, _ = torch.ops.aten.convolution_backward(
                y,
                image,
                weight,
                None,
                *ones,
                False,
                [0, 0],
                layer.groups,
                [True, False, False],
            )
        return y, gradient

    return run


def rows(quick: bool) -> list[Row]:
    """Returns the rows: three networks at 224 pixels, batch 4.

    Args:
      quick: fewer runs.
    """
    pairs = 5 if quick else 15
    return [row for name in NETS for row in measured(name, SIDE, BATCH, pairs=pairs)]


def smoke() -> list[Row]:
    """Returns the rows of SqueezeNet at 64 pixels, one image."""
    return measured("squeezenet1_1", 64, 1, pairs=1)
