"""The step that everything is made of: the gradient of a class score in the image.

Ours is `jaxvis.jit(jax.vmap(jax.value_and_grad(...)))` of one-image functions, as the
solver runs it. The peer is the same network in torch, on the same weights, in its
fastest configuration.
"""

import jax

from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.verdicts import judge_step
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
"""What is measured quickly: network, batch."""
SIDE = 224
"""Pixels for which there are targets."""


def measure_step(name: str, side: int, batch: int, *, pairs: int, compiled: bool) -> Row:
    """Measures one row: one network at one size and batch.

    Args:
      name: the network.
      side: pixels of a side.
      batch: images.
      pairs: interleaved runs.
      compiled: whether torch.compile is tried too.
    """
    net, params = subjects.make_network(name, side)
    images, index = subjects.draw_images(batch, side), subjects.number_classes(batch)
    ready = subjects.prepare_params(net, params, side)
    gradient = subjects.make_gradient(net, net.classes)
    on_device = jax.device_put(images)

    def ours() -> tuple:
        return jax.block_until_ready(gradient(ready, on_device, index))

    def make_peer() -> Peer:
        from benchmarks.peers.torch_steps import to_arrays

        module = torch_peer.make_module(net, params, net.classes, side)
        fastest = torch_peer.find_fastest(module, images, index, compiled=compiled)
        verdict = judge_step(ours(), to_arrays(fastest.run()))
        return Peer(fastest.name, fastest.run, verdict, {"peer_tried_ms": fastest.tried})

    case = Case(
        "step",
        f"{name}, {side} px, batch {batch}",
        {"net": name, "tap": net.classes, "pixels": side, "batch": batch},
        target=NETS[name] if side == SIDE else None,
    )
    return compare(case, ours, torch_peer.why_absent() or make_peer(), pairs=pairs)


def measure(quick: bool) -> list[Row]:
    """Measures five networks at 224 pixels, batch 1 and 4.

    Args:
      quick: some of them, fewer runs, torch.compile not tried.
    """
    cases = QUICK if quick else [(name, batch) for name in NETS for batch in (1, 4)]
    return [
        measure_step(name, SIDE, batch, pairs=3 if quick else 15, compiled=not quick)
        for name, batch in cases
    ]


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: a chain of layers, and a network with branches."""
    return [
        measure_step(name, 64, 2, pairs=1, compiled=False) for name in ("alexnet", "squeezenet1_1")
    ]
