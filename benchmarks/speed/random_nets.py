"""Many networks at once: N random VGG-19 trunks, one image each, one gradient step.

Ours is what the solver does: `vmap` over parameters and images on an accelerator, one
network after another on a CPU, where nothing is shared. The peers take the same steps:
our own `vmap` there; `torch.func.vmap` over stacked parameters; torch, one network
after another; and our own batch of N images through one network, which shows what a
step costs when the weights are shared.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.timing import interleave
from benchmarks.harness.verdicts import judge_step
from benchmarks.peers import torch_peer
from jaxvis.network import Network
from jaxvis.types import Array, Params

NET, TAP = "vgg19", "pool5"
TARGETS = {
    (128, 8, TAP): {"torch.func.vmap": 1.0, "shared": 0.75, "torch, one by one": 1.5},
    (64, 4, TAP): {"torch, one by one": 1.1},
}
"""Pixels, networks and tap -> peer -> the ratio aimed at."""

Step = Callable[[], tuple]
"""A call that takes the step of all networks and waits: (scores `[N]`, gradients)."""


def make_networks(side: int, count: int, *, tap: str = TAP) -> tuple[Network, Params]:
    """Makes the network and `count` sets of random parameters, leaves `[count, ...]`.

    Args:
      side: pixels of a side.
      count: networks.
      tap: the last tap wanted.
    """
    made = [subjects.make_network(NET, side, stop=tap, seed=i) for i in range(count)]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(p for _, p in made))
    return made[0][0], params


def take_network(params: Params, at: int) -> Params:
    """Takes one network's parameters out of many.

    Args:
      params: leaves `[count, ...]`.
      at: which.
    """
    return jax.tree.map(lambda leaf: leaf[at], params)


def _make_ours(net: Network, params: Params, images: np.ndarray, tap: str) -> dict[str, Step]:
    """Makes our own ways: "ours", "shared" and, on a CPU, "vmap"."""
    count, side = images.shape[:2]
    index = subjects.number_classes(count)
    own = subjects.make_gradient(net, tap, params_axis=0)
    shared = subjects.make_gradient(net, tap)
    ready = subjects.prepare_params(net, params, side)
    first = subjects.prepare_params(net, take_network(params, 0), side)
    ways: dict[str, Step] = {
        "ours": lambda: jax.block_until_ready(own(ready, images, index)),
        "shared": lambda: jax.block_until_ready(shared(first, images, index)),
    }
    if jax.default_backend() == "cpu":
        ways["vmap"] = ways["ours"]
        ones = [jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], ready) for i in range(count)]
        ways["ours"] = partial(step_one_by_one, own, ones, images, index)
    return ways


def _make_peers(net: Network, params: Params, images: np.ndarray, tap: str) -> dict[str, Step]:
    """Makes torch's two ways."""
    import torch

    from benchmarks.peers.torch_steps import stack_modules, take_stacked_step, take_step

    torch_peer.configure()
    count, side = images.shape[:2]
    modules = [
        torch_peer.make_module(net, take_network(params, i), tap, side, inplace=False)
        for i in range(count)
    ]
    given = torch_peer.to_torch(images)
    index = torch.arange(count, device=given.device)

    def one_by_one() -> tuple:
        found = [
            take_step(module, given[i : i + 1], index[i : i + 1])
            for i, module in enumerate(modules)
        ]
        return tuple(torch.cat(parts) for parts in zip(*found))

    return {
        "torch.func.vmap": partial(take_stacked_step, *stack_modules(modules), given, index),
        "torch, one by one": one_by_one,
    }


def measure_networks(side: int, count: int, *, pairs: int, tap: str = TAP) -> list[Row]:
    """Measures a row for every peer, of the same interleaved runs.

    Args:
      side: pixels of a side.
      count: networks, and images.
      pairs: interleaved runs.
      tap: where the score is.
    """
    net, params = make_networks(side, count, tap=tap)
    images = subjects.draw_images(count, side)
    ways = _make_ours(net, params, images, tap)
    ours = ways["ours"]()
    found = {name: run() for name, run in ways.items() if name != "ours"}
    if torch_peer.why_absent() is None:
        from benchmarks.peers.torch_steps import to_arrays

        peers = _make_peers(net, params, images, tap)
        found |= {name: to_arrays(run()) for name, run in peers.items()}
        ways |= peers
    # "shared" has the first network's weights alone: one item is the same.
    same = {name: 1 if name == "shared" else count for name in found}
    verdicts = {
        name: judge_step(*([part[: same[name]] for part in both] for both in (ours, theirs)))
        for name, theirs in found.items()
    }
    times = interleave(ways, pairs)
    sizes = {"net": net.name, "tap": tap, "pixels": side, "networks": count}
    case = Case("random_nets", f"{count} {net.name} trunks, {side} px", sizes)
    targets = TARGETS.get((side, count, tap), {})
    names = {"shared": f"jaxvis, one network, batch {count}", "vmap": "jaxvis, vmap"}
    return [
        make_row(
            case._replace(target=targets.get(name)),
            ours=times["ours"],
            peer=times[name],
            **times.describe(peer=name),
            peer_name=names.get(name, name),
            verdict=verdict,
        )
        for name, verdict in verdicts.items()
    ]


def step_one_by_one(
    gradient: subjects.Gradient, params: list[Params], images: Array, index: Array
) -> tuple[Array, Array]:
    """Computes scores and gradients of all items, one after another.

    Args:
      gradient: of `benchmarks.harness.subjects.make_gradient` with a `params_axis`.
      params: one item's parameters each, leaves `[1, ...]`.
      images: `[N, H, W, 3]`.
      index: `[N]`.
    """
    found = [gradient(own, images[i : i + 1], index[i : i + 1]) for i, own in enumerate(params)]
    return tuple(jax.block_until_ready(jnp.concatenate(part)) for part in zip(*found))


def measure(quick: bool) -> list[Row]:
    """Measures eight trunks up to pool5 at 128 pixels.

    Args:
      quick: four trunks at 64 pixels.
    """
    return measure_networks(64, 4, pairs=3) if quick else measure_networks(128, 8, pairs=9)


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: two trunks up to pool2 at 32 pixels."""
    return measure_networks(32, 2, pairs=1, tap="pool2")
