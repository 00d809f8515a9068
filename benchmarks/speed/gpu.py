"""Everything that needs an accelerator, in less than ten minutes: `python -m benchmarks gpu`.

Each row is there, and in the file of `--out`, as soon as it is measured; what matters most
comes first. Before a case begins, it is guessed how long it will take: guesses follow what
the cases before took. One that would pass the time is left out, and named at the end.
Where a case fails, a row says why, and the others follow.

torch is measured on the same device where it finds it, and otherwise left out. With
`--smoke` the smallest form of every case runs, on a CPU too.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.speed import random_nets, sweep_gpu
from benchmarks.speed.gpu_steps import NAME, measure_against_cpu, measure_step

BUDGET = 540.0
"""Seconds after which no case begins."""
NETS = ("vgg16", "resnet50", "squeezenet1_1", "googlenet", "vgg19")
PRECISIONS = ("bfloat16", "tf32", "float32")
SIDE, BATCH = 224, 128


class Plan(NamedTuple):
    """A case that may be measured.

    Attributes:
      words: what it is.
      guess: seconds that it will take, by an H200.
      measure: makes its rows.
    """

    words: str
    guess: float
    measure: Callable[[], list[Row]]


def list_plans() -> list[Plan]:
    """Lists all cases, those that matter most first."""
    first, *others = NETS
    plans = [_plan_step(first, precision, BATCH) for precision in PRECISIONS]
    plans += [_plan_sweep(precision) for precision in PRECISIONS[:2]]
    plans += [_plan_cpu(name) for name in NETS]
    plans += [_plan_step(name, PRECISIONS[0], BATCH) for name in others]
    plans += [Plan("random networks side by side", 45, _measure_random)]
    plans += [_plan_step(first, precision, 1) for precision in PRECISIONS]
    whole = partial(sweep_gpu.measure_whole, PRECISIONS[0], sweep_gpu.FULL)
    plans += [Plan("the whole sweep", 110, whole)]
    plans += [_plan_step(name, precision, BATCH) for precision in PRECISIONS[1:] for name in others]
    return [*plans, _plan_sweep(PRECISIONS[2])]


def list_smoke_plans() -> list[Plan]:
    """Lists the smallest form of every case; random networks have a smoke of their own."""
    name, side = "demo", 32
    step = partial(measure_step, name, side=side, pairs=1)
    # In this precision the sweep leaves torch out, which takes most of the time.
    sweep = "tf32", sweep_gpu.SMOKE
    return [
        Plan("a step in float32", 5, partial(step, "float32", 2)),
        Plan("a step in bfloat16", 5, partial(step, "bfloat16", 2)),
        Plan("a sweep", 5, partial(sweep_gpu.measure_sweep, *sweep)),
        Plan("the CPU", 5, partial(measure_against_cpu, name, 2, side, pairs=1)),
        Plan("a whole sweep", 5, partial(sweep_gpu.measure_whole, *sweep)),
    ]


def _plan_step(name: str, precision: str, batch: int) -> Plan:
    measure = partial(measure_step, name, precision, batch, SIDE, pairs=5)
    return Plan(f"the step of {name}, {precision}, batch {batch}", 20, measure)


def _plan_sweep(precision: str) -> Plan:
    guess, sizes = {
        "bfloat16": (110, sweep_gpu.FULL),
        "tf32": (70, sweep_gpu.PART),
        "float32": (150, sweep_gpu.PART),
    }[precision]
    measure = partial(sweep_gpu.measure_sweep, precision, sizes)
    return Plan(f"the sweep, {precision}", guess, measure)


def _plan_cpu(name: str) -> Plan:
    measure = partial(measure_against_cpu, name, 2, SIDE, pairs=1)
    return Plan(f"{name} compared with the CPU", 25, measure)


def _measure_random() -> list[Row]:
    rows = random_nets.measure_networks(128, 8, pairs=3)
    return [{**row, "name": NAME, "target": None} for row in rows]


def check_accelerator(platform: str) -> None:
    """Checks that there is something to measure.

    Args:
      platform: of JAX's first device, such as "cpu".

    Raises:
      ValueError: on a CPU; says what to do.
    """
    if platform == "cpu":
        raise ValueError(
            "JAX finds no accelerator on this machine: run `python -m benchmarks gpu --out "
            "gpu.json` where there is a GPU (with jax[cuda13]) or a TPU, or add --smoke to run "
            "the smallest form of every case here"
        )


def stream_rows(size: str, budget: float = BUDGET) -> Iterator[Row]:
    """Measures case after case, and gives each row when it is there.

    Args:
      size: "smoke" takes the smallest form of every case, on any device.
      budget: seconds after which no case begins.

    Raises:
      ValueError: if there is no accelerator.
    """
    if size != "smoke":
        check_accelerator(jax.devices()[0].platform)
    plans = list_smoke_plans() if size == "smoke" else list_plans()
    return run_plans(plans, budget)


def run_plans(
    plans: list[Plan], budget: float, *, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Row]:
    """Runs the cases for which there is time, and says which were left out.

    Args:
      plans: the cases.
      budget: seconds that all of them may take.
      clock: gives the seconds since some moment.
    """
    begin, guessed, taken, left_out = clock(), 0.0, 0.0, []
    for plan in plans:
        before = clock()
        expected = plan.guess * (taken / guessed if guessed else 1)
        if before - begin + expected > budget:
            left_out.append(plan.words)
            continue
        print(f"{NAME}: {plan.words}...", file=sys.stderr, flush=True)
        yield from _run_plan(plan)
        guessed, taken = guessed + plan.guess, taken + clock() - before
    if left_out:
        named = "; ".join(left_out)
        print(f"{NAME}: left out, no time in {budget:.0f} s: {named}", file=sys.stderr, flush=True)


def _run_plan(plan: Plan) -> list[Row]:
    """Measures one case; where it fails, a row says why."""
    try:
        return plan.measure()
    except (RuntimeError, MemoryError) as error:  # such as too little memory, or a faulty kernel
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        case = Case(NAME, plan.words, {})
        row = make_row(case, ours=np.array([np.nan]), peer_name="failed", note=why)
        return [{**row, "agree": False}]


def measure(quick: bool) -> list[Row]:
    """Measures what fits into `BUDGET`.

    Args:
      quick: into two minutes.
    """
    return list(stream_rows("full", 120.0 if quick else BUDGET))


def measure_smoke() -> list[Row]:
    """Measures the smallest form of every case, on any device."""
    return list(stream_rows("smoke"))
