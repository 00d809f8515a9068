"""Many networks at once: N random VGG-19 trunks, one image each, one gradient step.

Ours is what the solver does: `vmap` over parameters and images on an accelerator, one
network after another on a CPU, where nothing is shared. Others take the same steps in
turn: our own `vmap` there; `torch.func.vmap` over stacked parameters; torch, one
network after another; and our own batch of N images through one network, which is what
sharing weights would cost.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import (
    Row,
    Verdict,
    angle,
    interleaved,
    relative,
    row,
    verdict,
)
from benchmarks.peers import torch_peer
from jaxvis.network import Network
from jaxvis.types import Array, Params

NET, TAP = "vgg19", "pool5"
GOAL = (128, 8, TAP)
"""Pixels, networks and tap for which there are targets."""
TARGETS = {"torch.func.vmap": 1.0, "shared": 0.75}
SCORES, ANGLE = 1e-4, 1e-3
"""Tolerances, as in `benchmarks.speed.step`."""


def stacked(side: int, count: int, *, tap: str = TAP) -> tuple[Network, Params]:
    """Returns the network and `count` sets of random parameters, leaves `[count, ...]`.

    Args:
      side: pixels of a side.
      count: networks.
      tap: the last tap wanted.
    """
    drawn = [subjects.subject(NET, side, stop=tap, seed=i) for i in range(count)]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(p for _, p in drawn))
    return drawn[0][0], params


def nth(params: Params, at: int) -> Params:
    """Returns one network's parameters of many.

    Args:
      params: leaves `[count, ...]`.
      at: which.
    """
    return jax.tree.map(lambda leaf: leaf[at], params)


def _peers(
    net: Network, params: Params, images: np.ndarray, index: np.ndarray, tap: str
) -> dict[str, Callable[[], tuple]]:
    """Returns torch's two ways: name -> call -> (scores `[N]`, gradients)."""
    import torch

    torch_peer.prepare()
    count, side = images.shape[:2]
    # Under vmap a ReLU in place would overwrite what all share.
    modules = [
        torch_peer.network(net, nth(params, i), tap, side, inplace=False) for i in range(count)
    ]
    state, _ = torch.func.stack_module_state(modules)
    given = torch_peer.to_torch(images)
    chosen = torch.tensor(index.tolist(), device=given.device)

    def value(image: torch.Tensor, own: dict, at: torch.Tensor) -> torch.Tensor:
        values = torch.func.functional_call(modules[0], own, (image[None],))
        return torch_peer.score(values, at[None])[0]

    every = torch.func.vmap(torch.func.grad_and_value(value))

    def together() -> tuple:
        gradients, scores = every(given, state, chosen)
        if gradients.is_cuda:
            torch.cuda.synchronize()
        return scores.detach(), gradients

    singles = [
        torch_peer.step(module, given[i : i + 1], chosen[i : i + 1])
        for i, module in enumerate(modules)
    ]

    def one_by_one() -> tuple:
        found = [run() for run in singles]
        return tuple(torch.cat(parts) for parts in zip(*found))

    return {"torch.func.vmap": together, "torch, one by one": one_by_one}


def measured(side: int, count: int, *, pairs: int, tap: str = TAP) -> list[Row]:
    """Returns three rows, one a peer, of the same interleaved runs.

    Args:
      side: pixels of a side.
      count: networks, and images.
      pairs: interleaved runs.
      tap: where the score is.
    """
    net, params = stacked(side, count, tap=tap)
    images, index = subjects.photographs(count, side), subjects.indices(count)
    own = subjects.gradient(net, tap, params_axis=0)
    shared = subjects.gradient(net, tap)
    ready = subjects.ours(net, params, side)
    first = subjects.ours(net, nth(params, 0), side)
    ways = {
        "vmap": lambda: jax.block_until_ready(own(ready, images, index)),
        "shared": lambda: jax.block_until_ready(shared(first, images, index)),
    }
    if jax.default_backend() == "cpu":
        ones = [jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], ready) for i in range(count)]
        ways["ours"] = lambda: one_by_one(own, ones, images, index)
    else:
        ways["ours"] = ways.pop("vmap")
    ours = ways["ours"]()
    found = {"shared": _one_of(ours, ways["shared"]())}
    if "vmap" in ways:
        found["vmap"] = _compared(ours, ways["vmap"]())
    if torch_peer.absent() is None:
        peers = _peers(net, params, images, index, tap)
        for name, run in peers.items():
            found[name] = _compared(ours, torch_peer.as_ours(run()))
        ways |= peers
    times = interleaved(ways, pairs)
    sizes = {"net": net.name, "tap": tap, "pixels": side, "networks": count}
    case = f"{count} {net.name} trunks, {side} px"
    targets = TARGETS if (side, count, tap) == GOAL else {}
    names = {"shared": f"jaxvis, one network, batch {count}", "vmap": "jaxvis, vmap"}
    out = [
        row(
            "random_nets",
            case,
            ours=times["ours"],
            peer=times[name],
            peer_name=names.get(name, name),
            verdict=found[name],
            target=targets.get(name),
            sizes=sizes,
        )
        for name in found
    ]
    return out


def one_by_one(
    gradient: subjects.Gradient, params: list[Params], images: Array, index: Array
) -> tuple[Array, Array]:
    """Returns scores and gradients of all items, computed one after another.

    Args:
      gradient: of `benchmarks.harness.subjects.gradient` with a `params_axis`.
      params: one item's parameters each, leaves `[1, ...]`.
      images: `[N, H, W, 3]`.
      index: `[N]`.
    """
    found = [gradient(own, images[i : i + 1], index[i : i + 1]) for i, own in enumerate(params)]
    return tuple(jax.block_until_ready(jnp.concatenate(part)) for part in zip(*found))


def _compared(ours: tuple, theirs: tuple) -> Verdict:
    return verdict(
        scores=(relative(ours[0], theirs[0]), SCORES),
        gradient_angle=(angle(ours[1], theirs[1]), ANGLE),
    )


def _one_of(ours: tuple, shared: tuple) -> Verdict:
    """Returns the verdict on the one item whose network both runs share."""
    return _compared(*([np.asarray(x)[:1] for x in both] for both in (ours, shared)))


def rows(quick: bool) -> list[Row]:
    """Returns the rows: eight trunks up to pool5 at 128 pixels.

    Args:
      quick: four trunks at 64 pixels.
    """
    return measured(64, 4, pairs=3) if quick else measured(128, 8, pairs=9)


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: two trunks up to pool2 at 32 pixels."""
    return measured(32, 2, pairs=1, tap="pool2")
