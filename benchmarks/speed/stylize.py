"""A photograph painted by a style network: ours against the same network in torch.

One forward pass with frozen weights, as `jaxvis stylize` makes it for every photograph
of a folder; torch in inference mode, in the faster of its two memory formats.
"""

from collections.abc import Callable

import jax
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.verdicts import judge, relative_difference
from benchmarks.peers import torch_peer
from jaxvis.methods.fast_style.stylize import stylize
from jaxvis.nets import random_params
from jaxvis.nets.zoo.style_net import build_style_net
from jaxvis.network import Network
from jaxvis.types import Params

NETS = ("transform_same", "transform_reflect")
SIDE = 512
TARGET = 1.0
TOLERANCE = 1e-4
"""Of the largest value: float32 round-off, Winograd's included."""


def measure_network(name: str, side: int, *, pairs: int, width: int = 32) -> Row:
    """Measures one row: one network and one photograph.

    Args:
      name: of `jaxvis.nets.zoo.style_net.NAMES`.
      side: pixels of a side.
      pairs: interleaved runs.
      width: of the network.
    """
    net = build_style_net(name, width=width, input_size=(side, side))
    params = random_params(net, jax.random.key(0), preprocess="imagenet")
    image = subjects.draw_images(1, side)[0]
    ready = subjects.prepare_params(net, params, side)

    def ours() -> np.ndarray:
        return stylize(net, ready, image)

    def make_peer() -> Peer:
        form, make_run, tried = _find_fastest(net, params, image)
        run = make_run(torch_peer.format_of(form))
        theirs = run()[0].permute(1, 2, 0).contiguous().numpy()
        verdict = judge(picture=(relative_difference(ours(), theirs), TOLERANCE))
        return Peer(f"torch {form}", run, verdict, {"peer_tried_ms": tried})

    case = Case(
        "stylize",
        f"{name}, {side} px" + (f", width {width}" if width != 32 else ""),
        {"net": name, "pixels": side, "width": width},
        target=TARGET,
    )
    return compare(case, ours, torch_peer.why_absent() or make_peer(), pairs=pairs, warmups=2)


def _find_fastest(
    net: Network, params: Params, image: np.ndarray
) -> tuple[str, Callable[..., Callable], dict[str, float]]:
    """Finds the faster memory format; returns it, what makes a run, and all times."""
    import torch

    torch_peer.configure()
    module = torch_peer.make_module(net, params, net.taps[-1], image.shape[0])
    given = torch_peer.to_torch(image[None])

    def make_run(form: torch.memory_format) -> Callable[[], torch.Tensor]:
        painter, seen = module.to(memory_format=form), given.contiguous(memory_format=form)

        def run() -> torch.Tensor:
            with torch.inference_mode():
                return painter(seen).clamp(0, 1)

        return run

    form, tried = torch_peer.time_formats(make_run)
    return form, make_run, {name: round(time, 2) for name, time in tried.items()}


def measure(quick: bool) -> list[Row]:
    """Measures two ways of padding at 512 pixels.

    Args:
      quick: fewer runs.
    """
    return [measure_network(name, SIDE, pairs=5 if quick else 15) for name in NETS]


def measure_smoke() -> list[Row]:
    """Measures narrow networks at 64 pixels."""
    return [measure_network(name, 64, pairs=1, width=4) for name in NETS]
