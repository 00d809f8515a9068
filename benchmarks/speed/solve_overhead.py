"""What does the solver cost beside the steps it takes?

There are three ways to take the same steps, run in turn:
`solve`, whole: keys, start, choice of chunk, steps, trace, last image, copies to host;
`step`: the solver's own compiled step in a bare Python loop, and nothing else;
`bare`: a step written by hand for this one case, gradient and Adam alone.
A row compares `solve` with one of the others, in seconds a step: in wall time, and in
the process's CPU time, which other work on the machine disturbs less. Compiling is
timed apart. The target is `solve` at most 5 % over `step`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.verdicts import Verdict, judge, relative_difference
from jaxvis.compiler import jit
from jaxvis.devices import PARTS, WHOLE, share
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.canvas import Fourier
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Excite
from jaxvis.optimize import Problem, solve, step_programs
from jaxvis.optimize.chunk_size import Sweep, choose_devices
from jaxvis.optimize.keys import keys_of_places
from jaxvis.optimize.rules import adam, transformation_of
from jaxvis.types import Params

RATE = 0.05
CASES = (
    ("squeezenet1_1", "conv10", 1, 256),
    ("squeezenet1_1", "conv10", 4, 256),
    ("vgg16", "relu5_3", 1, 12),
    ("vgg16", "relu5_3", 4, 6),
)
"""Network, tap, items, steps a run."""
SIDE = 224
TARGETS = {"step": 1 / 1.05}
PEERS = {
    "step": "the solver's own step, bare loop",
    "bare": "hand-written jitted step, bare loop",
}
"""Way -> the peer's name."""
Z = 1e-3
"""Tolerance of z after a run, relative to its largest entry."""


@dataclass(frozen=True)
class Excitations:
    """Channels to excite: everything that the three ways need.

    Args:
      problem: one item's problem.
      params: random parameters, as `solve` takes them.
      items: objectives `[N]`.
      key: random key.
      batch: what the solver's steps read: prepared parameters, items and their keys,
        on the devices that the solver chooses.
    """

    problem: Problem
    params: Params
    items: Algebra
    key: jax.Array
    batch: step_programs.Batch


def make_excitations(
    name: str, tap: str, count: int, steps: int, size: tuple[int, int]
) -> Excitations:
    """Makes the excitations of the first `count` channels of `tap`.

    Args:
      name: the network.
      tap: where it stops.
      count: items.
      steps: steps of a run.
      size: (H, W) in pixels.
    """
    net, params = subjects.make_network(name, size[0], stop=tap)
    canvas, key = Fourier(size), jax.random.key(1)
    problem = Problem(compose(net, canvas), canvas, adam(RATE), steps)
    items = jax.vmap(lambda index: Excite(tap, index))(jnp.arange(count))
    ready = problem.loss.prepare(params)
    sweep = Sweep(ready, None, items, keys_of_places(key, count), None, None)
    sweep = sweep.share(choose_devices(sweep))
    return Excitations(problem, params, items, key, sweep.batch(problem))


Timed = tuple[float, Any]
"""Seconds of a run, and the z that it ends with."""


def run_solve(given: Excitations) -> Timed:
    """Times a whole run, and returns z; `solve` waits for its last image."""
    begin = time.perf_counter()
    run = solve(given.problem, given.params, given.items, given.key)
    return time.perf_counter() - begin, run.z


def _begin(batch: step_programs.Batch) -> step_programs.Carry:
    mesh = batch.layout.mesh
    return jax.block_until_ready(step_programs.begin(batch.program, batch.keys, None, mesh=mesh))


def run_step(given: Excitations) -> Timed:
    """Times the solver's own step in a bare loop, and returns z."""
    batch = given.batch
    carry = _begin(batch)
    begin = time.perf_counter()
    for step in range(given.problem.steps):
        carry, _ = step_programs.step_once(*batch, carry, np.int32(step))
    jax.block_until_ready(carry)
    return time.perf_counter() - begin, carry.z


@jit(static_argnums=(0, 1), donate_argnums=(4, 5))
def take_bare_step(
    problem: Problem, mesh: Mesh | None, params: Params, items: Algebra, z: Any, state: Any
):
    """Takes one step of every item on its device; returns z, Adam's state and the losses."""
    net, canvas = problem.loss.net, problem.canvas
    optimizer = transformation_of(problem.optimizer)
    key = jax.random.key(0)  # this canvas draws nothing

    def value(params, z, item):
        return item(net.apply(params, canvas.decode(None, z, key), stop=item.taps))

    def one(params, z, state, item):
        loss, grad = jax.value_and_grad(value, argnums=1)(params, z, item)
        updates, state = optimizer.update(grad, state, z)
        return optax.apply_updates(z, updates), state, loss

    together = jax.vmap(one, (None, 0, 0, 0))
    specs = (WHOLE, PARTS, PARTS, PARTS)
    return share(mesh, together, specs, PARTS)(params, z, state, items)


def run_bare(given: Excitations) -> Timed:
    """Times the hand-written step in a bare loop, and returns z."""
    batch = given.batch
    carry = _begin(batch)
    z, state = carry.z, carry.state
    begin = time.perf_counter()
    for _ in range(given.problem.steps):
        z, state, _ = take_bare_step(
            given.problem, batch.layout.mesh, batch.params, batch.items, z, state
        )
    jax.block_until_ready(z)
    return time.perf_counter() - begin, z


WAYS: dict[str, Callable[[Excitations], Timed]] = {
    "solve": run_solve,
    "step": run_step,
    "bare": run_bare,
}


def time_way(way: Callable[[Excitations], Timed], given: Excitations) -> tuple[float, float]:
    """Measures the wall and the CPU seconds of one run.

    Args:
      way: how to take the steps.
      given: the excitations.
    """
    begin = time.process_time()
    wall, _ = way(given)
    return wall, time.process_time() - begin


def judge_ways(given: Excitations) -> dict[str, Verdict]:
    """Judges whether the other ways end with the z that `solve` ends with.

    Args:
      given: the excitations; their keys draw the same start for all ways.
    """
    found = {name: np.asarray(way(given)[1]) for name, way in WAYS.items()}
    return {
        name: judge(z=(relative_difference(found["solve"], found[name]), Z))
        for name in ("step", "bare")
    }


def quartiles_of(values: np.ndarray) -> list[float]:
    """Gives the median and the quartiles of ratios, as percent above one.

    Args:
      values: `[pairs]`.
    """
    found = np.quantile(100 * (values - 1), (0.5, 0.25, 0.75))
    return [round(float(value), 1) for value in found]


def measure_ways(given: Excitations, case: Case, *, pairs: int) -> list[Row]:
    """Measures the rows of one case: `solve` against its own step, and a bare one.

    Args:
      given: the excitations.
      case: what the rows say of them.
      pairs: interleaved runs of every way.
    """
    # `step` finds compiled what `solve` compiled before it.
    first = {name: time_way(way, given)[1] for name, way in WAYS.items()}
    same = judge_ways(given)
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(pairs):
        for name, way in WAYS.items():
            runs[name].append(time_way(way, given))
    wall, cpu = (
        {name: np.array([pair[i] for pair in of]) for name, of in runs.items()} for i in (0, 1)
    )
    steps = given.problem.steps
    compiling = {
        way: round(first[way] - float(np.median(cpu[way])), 2) for way in ("solve", "bare")
    }
    return [
        make_row(
            case._replace(target=TARGETS.get(name) if case.sizes["pixels"] == SIDE else None),
            ours=wall["solve"] / steps,
            peer=wall[name] / steps,
            peer_name=PEERS[name],
            verdict=same[name],
            overhead_wall_percent=quartiles_of(wall["solve"] / wall[name]),
            overhead_cpu_percent=quartiles_of(cpu["solve"] / cpu[name]),
            beside_its_steps_s=round(float(np.median(wall["solve"] - wall["step"])), 4),
            compile_cpu_s=compiling,
        )
        for name in PEERS
    ]


def _measure_all(cases: tuple, side: int, pairs: int) -> list[Row]:
    out = []
    for name, tap, count, steps in cases:
        sizes = {"net": name, "tap": tap, "pixels": side, "items": count, "steps": steps}
        case = Case("solve_overhead", f"{name} {tap}, {count} x {side} px", sizes)
        given = make_excitations(name, tap, count, steps, (side, side))
        out += measure_ways(given, case, pairs=pairs)
    return out


def measure(quick: bool) -> list[Row]:
    """Measures SqueezeNet and VGG-16 at 224 pixels, 1 and 4 items.

    Args:
      quick: SqueezeNet alone, fewer steps and runs.
    """
    if quick:
        return _measure_all((CASES[0][:3] + (192,), CASES[1][:3] + (96,)), SIDE, 3)
    return _measure_all(CASES, SIDE, 7)


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: SqueezeNet, 48 pixels, 2 items."""
    return _measure_all((CASES[1][:2] + (2, 3),), 48, 1)
