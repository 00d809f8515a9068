"""The step that everything is made of: the gradient of a class score in the image.

Ours is `jax.jit(jax.vmap(jax.value_and_grad(...)))` of one-image functions, as the
solver runs it; the peer is the same network in torch, on the same weights, in its
fastest configuration.
"""

import jax
import numpy as np

from benchmarks.harness import subjects
from benchmarks.harness.rows import Row, angle, interleaved, relative, row, verdict
from benchmarks.peers import torch_peer

NETS = {
    "vgg19": 1.25,
    "vgg16": 1.25,
    "alexnet": 1.0,
    "squeezenet1_1": 1.0,
    "googlenet": 1.0,
}
"""Network -> the ratio aimed at."""
QUICK = (
    ("vgg19", 1),
    ("vgg19", 4),
    ("alexnet", 1),
    ("squeezenet1_1", 1),
    ("squeezenet1_1", 4),
    ("googlenet", 1),
)
"""What is measured of it quickly: network, batch."""
SIDE = 224
"""Pixels for which there are targets."""
SCORES, ANGLE = 1e-4, 1e-3
"""Tolerances: relative, of scores; 1 - cosine, of gradients (ReLUs near zero flip)."""


def measured(name: str, side: int, batch: int, *, pairs: int, compiled: bool) -> Row:
    """Returns one row: one network at one size and batch.

    Args:
      name: the network.
      side: pixels of a side.
      batch: images.
      pairs: interleaved runs.
      compiled: whether torch.compile is tried too.
    """
    net, params = subjects.subject(name, side)
    images, index = subjects.photographs(batch, side), subjects.indices(batch)
    ready = subjects.ours(net, params, side)
    gradient = subjects.gradient(net, net.classes)
    on_device = jax.device_put(images)

    def run() -> tuple:
        return jax.block_until_ready(gradient(ready, on_device, index))

    said = {
        "sizes": {"net": name, "tap": net.classes, "pixels": side, "batch": batch},
        "target": NETS[name] if side == SIDE else None,
    }
    case = f"{name}, {side} px, batch {batch}"
    reason = torch_peer.absent()
    if reason is not None:
        times = interleaved({"ours": run}, pairs)
        return row(
            "step", case, ours=times["ours"], peer=None, peer_name=reason, verdict=None, **said
        )
    module = torch_peer.network(net, params, net.classes, side)
    peer = torch_peer.best(module, images, index, compiled=compiled)
    scores, gradients = map(np.asarray, run())
    their_scores, their_gradients = torch_peer.as_ours(peer.run())
    found = verdict(
        scores=(relative(scores, their_scores), SCORES),
        gradient_angle=(angle(gradients, their_gradients), ANGLE),
    )
    times = interleaved({"ours": run, "peer": peer.run}, pairs)
    return row(
        "step",
        case,
        ours=times["ours"],
        peer=times["peer"],
        verdict=found,
        peer_name=peer.name,
        peer_tried_ms=peer.tried,
        **said,
    )


def rows(quick: bool) -> list[Row]:
    """Returns the rows: five networks at 224 pixels, batch 1 and 4.

    Args:
      quick: some of them, fewer runs, torch.compile not tried.
    """
    cases = QUICK if quick else [(name, batch) for name in NETS for batch in (1, 4)]
    return [
        measured(name, SIDE, batch, pairs=3 if quick else 15, compiled=not quick)
        for name, batch in cases
    ]


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: a chain, and one with branches."""
    return [measured(name, 64, 2, pairs=1, compiled=False) for name in ("alexnet", "squeezenet1_1")]
