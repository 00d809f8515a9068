"""A photograph painted by a style network: ours against the same network in torch.

One forward pass with frozen weights, as `jaxvis stylize` makes it for every photograph
of a folder; torch in inference mode, in the faster of its two memory formats.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import Row, interleaved, relative, row, seconds, verdict
from benchmarks.peers import torch_peer
from jaxvis.methods.fast_style.stylize import stylize
from jaxvis.nets import random_params
from jaxvis.nets.table.layers import Layer, same_pads, sources
from jaxvis.nets.zoo.style_net import transform
from jaxvis.network import Network
from jaxvis.types import Params

NETS = ("transform_same", "transform_reflect")
SIDE = 512
TARGET = 1.0
TOLERANCE = 1e-4
"""Of the largest value: float32 round-off, Winograd's included."""


def measured(name: str, side: int, *, pairs: int, width: int = 32) -> Row:
    """Returns one row: one network and one photograph.

    Args:
      name: of `jaxvis.nets.zoo.style_net.NAMES`.
      side: pixels of a side.
      pairs: interleaved runs.
      width: of the network.
    """
    net = transform(name, width=width, input_size=(side, side))
    params = random_params(net, jax.random.key(0), preprocess="imagenet")
    image = subjects.photographs(1, side)[0]
    ready = subjects.ours(net, params, side)
    case = f"{name}, {side} px" + (f", width {width}" if width != 32 else "")
    said = {"sizes": {"net": name, "pixels": side, "width": width}}

    def run() -> np.ndarray:
        return stylize(net, ready, image)

    if torch_peer.absent() is not None:
        ours = interleaved({"ours": run}, pairs)["ours"]
        return row(
            "stylize",
            case,
            ours=ours,
            peer=None,
            verdict=None,
            peer_name=torch_peer.absent(),
            **said,
        )
    peer, tried = _fastest(net, params, image)
    found = verdict(picture=(relative(run(), _picture(peer())), TOLERANCE))
    times = interleaved({"ours": run, "peer": peer}, pairs, warmups=2)
    return row(
        "stylize",
        case,
        ours=times["ours"],
        peer=times["peer"],
        verdict=found,
        peer_name=f"torch {min(tried, key=tried.__getitem__)}",
        target=TARGET,
        tried=tried,
        **said,
    )


def _picture(found: Any) -> np.ndarray:
    return found[0].permute(1, 2, 0).contiguous().numpy()


def _fastest(
    net: Network, params: Params, image: np.ndarray
) -> tuple[Callable[[], Any], dict[str, float]]:
    """Returns the faster of torch's memory formats, and what each took."""
    import torch

    torch_peer.prepare()
    forms = {
        "contiguous": torch.contiguous_format,
        "channels_last": torch.channels_last,
    }
    runs, tried = {}, {}
    for name, form in forms.items():
        forward = _torch(net, subjects.plain(params), form)
        given = torch_peer.to_torch(image[None]).contiguous(memory_format=form)
        runs[name] = _inference(forward, given)
        runs[name]()
        tried[name] = min(seconds(runs[name]) for _ in range(torch_peer.TRIALS))
    return runs[min(tried, key=tried.__getitem__)], tried


def _inference(forward: Callable, given: Any) -> Callable[[], Any]:
    import torch

    def run() -> torch.Tensor:
        with torch.inference_mode():
            return forward(given)

    return run


def _torch(net: Network, params: dict, form: Any) -> Callable:
    """Returns the network in torch: `[1, 3, H, W]` -> its picture, clipped."""
    import torch

    reads = sources(net.rows)
    kept = {name for one in net.rows if one.op == "add" for name in one.inputs}
    plan = [
        (one, reads[one.name], _tensors(one, params.get(one.name, {}), form)) for one in net.rows
    ]

    def forward(image: torch.Tensor) -> torch.Tensor:
        values: dict[str, torch.Tensor] = {}
        for one, names, leaves in plan:
            given = [values[name] for name in names] or [image]
            values[one.name] = _op(one, leaves, *given)
            for name in names:  # freed as soon as it can be
                if name not in kept:
                    values.pop(name, None)
        return values["image"].clamp(0, 1)

    return forward


def _tensors(one: Layer, leaves: dict, form: Any) -> dict[str, Any]:
    """Returns a row's parameters as torch wants them."""
    import torch

    found = {}
    for leaf, array in leaves.items():
        if leaf == "kernel":
            # A doubling's kernel is that of the convolution that it transposes.
            array = array[::-1, ::-1] if one.op == "up" else array
            array = array.transpose((2, 3, 0, 1) if one.op == "up" else (3, 2, 0, 1))
        if one.op == "input":
            array = array.reshape(3, 1, 1)
        tensor = torch.from_numpy(np.array(array, order="C"))
        found[leaf] = tensor.contiguous(memory_format=form) if tensor.ndim == 4 else tensor
    return found


def _op(one: Layer, leaves: dict, x: Any, *others: Any) -> Any:
    """Returns a row's output in torch."""
    import torch
    from torch.nn import functional

    if one.op == "input":
        return x * leaves["scale"] + leaves["shift"]
    if one.op == "same":
        top, bottom = same_pads(x.shape[2], one)
        left, right = same_pads(x.shape[3], one)
        return functional.pad(x, (left, right, top, bottom))
    if one.op == "reflect":
        return functional.pad(x, (one.pad,) * 4, mode="reflect")
    if one.op == "conv":
        kernel = leaves["kernel"]
        return functional.conv2d(x, kernel, stride=one.stride, padding=one.pad)
    if one.op == "up":  # TensorFlow's: the first 2 n rows of 2 n + 1
        out = functional.conv_transpose2d(x, leaves["kernel"], stride=2)
        return out[:, :, : 2 * x.shape[2], : 2 * x.shape[3]]
    if one.op == "inorm":
        return functional.instance_norm(
            x, weight=leaves["scale"], bias=leaves["bias"], eps=one.alpha
        )
    if one.op == "relu":
        return functional.relu_(x)
    if one.op == "repeat":
        return functional.interpolate(x, scale_factor=2, mode="nearest")
    if one.op == "add":
        return x + others[0]
    return one.kappa + one.alpha * torch.tanh(x)


def rows(quick: bool) -> list[Row]:
    """Returns the rows: two ways of padding at 512 pixels.

    Args:
      quick: fewer runs.
    """
    return [measured(name, SIDE, pairs=5 if quick else 15) for name in NETS]


def smoke() -> list[Row]:
    """Returns the rows of narrow networks at 64 pixels."""
    return [measured(name, 64, pairs=1, width=4) for name in NETS]
