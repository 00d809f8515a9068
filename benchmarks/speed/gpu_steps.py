"""The step of a batch on one accelerator: how fast, how much memory, and whether it is right.

The parameters are random, drawn once for each network. Compiling is timed by itself. Peaks
of memory are of the process: a device keeps no other, so that a step has one of its own only
where it took more than everything before it.
"""

import functools
import time
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.harness import child, flops, subjects
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.verdicts import cosine_distance, judge, judge_step, relative_difference
from benchmarks.peers import torch_peer
from benchmarks.speed.gpu_peaks import describe_rate
from jaxvis.nets import build
from jaxvis.network import Network
from jaxvis.types import Params

NAME = "gpu"
"""The benchmark, as rows call it."""
LOWER = (0.1, 0.3)
"""What two programs of less than float32 may differ by: scores, and angles of gradients."""


class Ready(NamedTuple):
    """A step that is compiled: the network, its program, what the program is given.

    Attributes:
      net, params: the network.
      run: takes the step and waits: (scores `[N]`, gradients `[N, H, W, 3]`).
      images, index: as `benchmarks.harness.subjects` draws them.
      compile_s: seconds that tracing and compiling took.
      program_mib: memory that the compiler says the step takes, None where it does not.
    """

    net: Network
    params: Params
    run: Any
    images: np.ndarray
    index: np.ndarray
    compile_s: float
    program_mib: float | None


@functools.lru_cache(maxsize=2)
def draw_params(name: str, side: int) -> Params:
    """Draws the parameters of a network, which are the same in every precision.

    Args:
      name: the network.
      side: pixels of a side.
    """
    return subjects.make_network(name, side)[1]


def compile_step(
    name: str, precision: str, batch: int, side: int, device: jax.Device | None = None
) -> Ready:
    """Compiles the step of a batch.

    Args:
      name: the network.
      precision: of its products.
      batch: images.
      side: pixels of a side.
      device: where; None takes JAX's first.
    """
    device = device or jax.devices()[0]
    net = build(name, input_size=(side, side), precision=precision)
    params = jax.device_put(draw_params(name, side), device)
    images, index = subjects.draw_images(batch, side), subjects.number_classes(batch)
    ready = subjects.prepare_params(net, params, side)
    given = jax.device_put((images, index), device)
    begin = time.perf_counter()
    compiled = subjects.make_gradient(net, net.classes).lower(ready, *given).compile()
    seconds = time.perf_counter() - begin
    stats = compiled.memory_analysis()
    mib = None if stats is None else (stats.temp_size_in_bytes + stats.output_size_in_bytes)

    def run() -> tuple:
        return jax.block_until_ready(compiled(ready, *given))

    return Ready(net, params, run, images, index, seconds, mib and round(mib / child.MIB, 1))


def read_peak(device: jax.Device) -> float | None:
    """Reads the most memory that the process has had on a device, in MiB; None if unknown.

    Args:
      device: the device.
    """
    found = (device.memory_stats() or {}).get("peak_bytes_in_use")
    return None if found is None else round(found / child.MIB, 1)


def measure_step(name: str, precision: str, batch: int, side: int, *, pairs: int) -> list[Row]:
    """Measures one network's step, against torch where torch has the device too.

    Args:
      name: the network.
      precision: of its products.
      batch: images.
      side: pixels of a side.
      pairs: interleaved runs.
    """
    device = jax.devices()[0]
    before = read_peak(device)
    ready = compile_step(name, precision, batch, side)
    case = Case(
        NAME,
        f"{name}, {side} px, batch {batch}, {precision}",
        {"net": name, "tap": ready.net.classes, "pixels": side, "batch": batch},
    )
    peer = torch_peer.why_absent() or _make_torch_step(name, ready, precision)
    row = compare(case, ready.run, peer, pairs=pairs)
    flop = flops.count_step(ready.net, ready.net.classes, (side, side)) * batch
    peak = read_peak(device)
    facts = {
        **describe_rate(flop, row["ours"], device.device_kind, precision),
        "images_per_s": round(batch / row["ours"], 1),
        "compile_s": round(ready.compile_s, 2),
        "program_mib": ready.program_mib,
        "peak_mib": peak,
        "peak_is_its_own": None if peak is None else peak > (before or 0),
    }
    return [{**row, **facts}]


def _make_torch_step(name: str, ready: Ready, precision: str) -> Peer:
    """Makes the same step in torch, channels last, in the same precision."""
    import torch

    from benchmarks.peers.torch_steps import take_step, to_arrays

    torch_peer.configure()
    allowed = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
    kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
    form = {"dtype": kind, "memory_format": torch.channels_last}
    side, net = ready.images.shape[1], ready.net
    module = torch_peer.make_module(net, ready.params, net.classes, side).to(**form)
    given = torch_peer.to_torch(ready.images).to(**form)
    numbers = torch.tensor(ready.index.tolist(), device=given.device)
    run = partial(take_step, module, given, numbers)
    theirs = to_arrays(tuple(part.float() for part in run()))
    verdict = judge_step(ready.run(), theirs)
    if precision != "float32":
        verdict = judge_lower(ready.run(), theirs)
    version = torch.__version__.partition("+")[0]
    return Peer(f"torch {version} channels_last, {precision}", run, verdict)


def judge_lower(ours: tuple, peer: tuple) -> Any:
    """Gives the verdict on a step whose products have less than float32's digits.

    Args:
      ours, peer: (scores `[N]`, gradients `[N, ...]`).
    """
    return judge(
        scores=(relative_difference(ours[0], peer[0]), LOWER[0]),
        gradient_angle=(cosine_distance(ours[1], peer[1]), LOWER[1]),
    )


def measure_against_cpu(name: str, batch: int, side: int, *, pairs: int) -> list[Row]:
    """Compares scores and gradients in float32 with those of this machine's CPU.

    Args:
      name: the network.
      batch: images.
      side: pixels of a side.
      pairs: interleaved runs.
    """
    ours = compile_step(name, "float32", batch, side)
    there = compile_step(name, "float32", batch, side, jax.devices("cpu")[0])
    verdict = judge_step(ours.run(), there.run())
    case = Case(
        NAME,
        f"{name}, {side} px, batch {batch}, float32, compared with the CPU",
        {"net": name, "tap": ours.net.classes, "pixels": side, "batch": batch},
    )
    facts = {"compile_s": round(ours.compile_s, 2), "cpu_compile_s": round(there.compile_s, 2)}
    peer = Peer("jaxvis on one device of the CPU", there.run, verdict, facts)
    return [compare(case, ours.run, peer, pairs=pairs)]
