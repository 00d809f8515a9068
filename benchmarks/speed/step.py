"""The step that everything is made of: the gradient of a class score in the image.

Ours is the compiled gradient of one-image functions, its images on devices as the solver
puts its items there (`benchmarks.harness.subjects.SharedStep`). The peer is the same
network in torch, on the same weights, in its fastest configuration.
"""

from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.verdicts import judge_step
from benchmarks.peers import torch_peer

TARGETS = {
    "vgg19": {1: 1.5, 4: 1.6},
    "vgg16": {1: 1.25, 4: 1.25},
    "alexnet": {1: 1.0, 4: 1.0},
    "squeezenet1_1": {1: 1.0, 4: 1.25, 8: 1.25},
    "googlenet": {1: 1.1, 8: 1.2},
    "resnet50": {1: 1.1, 8: 1.2},
    "densenet121": {1: 1.1, 8: 1.2},
    "mobilenet_v2": {1: 1.1, 8: 1.2},
    "convnext_tiny": {1: 1.1, 8: 1.2},
}
"""Network -> batch -> the ratio aimed at."""
QUICK = tuple((name, batch) for name in TARGETS if name != "vgg16" for batch in TARGETS[name])
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
    step = subjects.SharedStep(net, params, net.classes, images, index)

    def make_peer() -> Peer:
        from benchmarks.peers.torch_steps import to_arrays

        module = torch_peer.make_module(net, params, net.classes, side)
        fastest = torch_peer.find_fastest(module, images, index, compiled=compiled)
        verdict = judge_step(step.read(), to_arrays(fastest.run()))
        return Peer(fastest.name, fastest.run, verdict, {"peer_tried_ms": fastest.tried})

    case = Case(
        "step",
        f"{name}, {side} px, batch {batch}",
        {"net": name, "tap": net.classes, "pixels": side, "batch": batch},
        target=TARGETS[name].get(batch) if side == SIDE else None,
    )
    return compare(case, step.take, torch_peer.why_absent() or make_peer(), pairs=pairs)


def measure(quick: bool) -> list[Row]:
    """Measures nine networks at 224 pixels, batches of 1 and of 4 or 8.

    Args:
      quick: some of them, fewer runs, torch.compile not tried.
    """
    full = [(name, batch) for name, batches in TARGETS.items() for batch in batches]
    return [
        measure_step(name, SIDE, batch, pairs=3 if quick else 15, compiled=not quick)
        for name, batch in (QUICK if quick else full)
    ]


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: a chain of layers, and a network with branches."""
    return [
        measure_step(name, 64, 2, pairs=1, compiled=False) for name in ("alexnet", "squeezenet1_1")
    ]
