"""What does the solver cost beside the steps it takes?

Three ways to take the same steps, in turn, again and again:
`solve`, whole: keys, start, choice of chunk, steps, trace, last image, copies to host;
`step`: the solver's own compiled step in a bare Python loop, and nothing else;
`bare`: a step written by hand for this one case, gradient and Adam alone.
A row compares `solve` with one of the others, in seconds a step. Wall time; beside it
the process's CPU time, which other work on the machine disturbs less. Compiling is
timed apart. Target: `solve` at most 5 % over `step`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.harness import subjects
from benchmarks.harness.rows import Row, Verdict, relative, row, verdict
from jaxvis.loss.canvas import Fourier
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Algebra, Excite
from jaxvis.optimize import Problem, solve, stepping
from jaxvis.optimize.rules.first_order import adam
from jaxvis.types import Params

RATE = 0.05
CASES = (
    ("squeezenet1_1", "conv10", 1, 64),
    ("squeezenet1_1", "conv10", 4, 24),
    ("vgg16", "relu5_3", 1, 12),
    ("vgg16", "relu5_3", 4, 6),
)
"""Network, tap, items, steps a run."""
SIDE = 224
TARGETS = {"step": 1 / 1.05}
Z = 1e-3
"""Tolerance of z after a run, relative to its largest entry."""


@dataclass(frozen=True)
class Case:
    """One row: everything that the three ways need.

    Args:
      problem: one item's problem.
      params: random parameters, as `solve` takes them.
      ready: the same as its steps want them: `solve` sees to that itself.
      items: objectives `[N]`.
      key: random key.
    """

    problem: Problem
    params: Params
    ready: Params
    items: Algebra
    key: jax.Array

    @property
    def keys(self) -> jax.Array:
        """One key an item, as the solver folds them."""
        count = len(self.items.index)
        return jax.vmap(partial(jax.random.fold_in, self.key))(np.arange(count))


def case(name: str, tap: str, count: int, steps: int, size: tuple[int, int]) -> Case:
    """Returns a case: the first `count` channels of `tap`, excited.

    Args:
      name: the network.
      tap: where it stops.
      count: items.
      steps: steps of a run.
      size: (H, W) in pixels.
    """
    net, params = subjects.subject(name, size[0], stop=tap)
    canvas = Fourier(size)
    problem = Problem(compose(net, canvas), canvas, adam(RATE), steps)
    items = jax.vmap(lambda index: Excite(tap, index))(jnp.arange(count))
    ready = problem.loss.prepare(params)
    return Case(problem, params, ready, items, jax.random.key(1))


Timed = tuple[float, Any]
"""Seconds of a run, and the z that it ends with."""


def by_solve(this: Case) -> Timed:
    """Returns the seconds of a whole run, and z; `solve` waits for its last image."""
    begin = time.perf_counter()
    run = solve(this.problem, this.params, this.items, this.key)
    return time.perf_counter() - begin, run.z


def by_step(this: Case) -> Timed:
    """Returns the seconds of the solver's own step in a bare loop, and z."""
    carry = jax.block_until_ready(stepping.begin(this.problem, this.keys, None))
    keys, begin = this.keys, time.perf_counter()
    for step in range(this.problem.steps):
        carry, _ = stepping.step_once(
            this.problem, None, this.ready, this.items, keys, carry, np.int32(step)
        )
    jax.block_until_ready(carry)
    return time.perf_counter() - begin, carry[0]


@partial(jax.jit, static_argnums=0, donate_argnums=(3, 4))
def bare_step(problem: Problem, params: Params, items: Algebra, z: Any, state: Any):
    """Returns z and Adam's state after one step of every item, and the losses."""
    net, canvas = problem.loss.net, problem.canvas

    key = jax.random.key(0)  # this canvas draws nothing

    def value(z, item):
        return item(net.apply(params, canvas.decode(z, key), stop=item.taps))

    def one(z, state, item):
        loss, grad = jax.value_and_grad(value)(z, item)
        updates, state = problem.optimizer.update(grad, state, z)
        return optax.apply_updates(z, updates), state, loss

    return jax.vmap(one)(z, state, items)


def by_hand(this: Case) -> Timed:
    """Returns the seconds of the hand-written step in a bare loop, and z."""
    z, state, _ = jax.block_until_ready(stepping.begin(this.problem, this.keys, None))
    begin = time.perf_counter()
    for _ in range(this.problem.steps):
        z, state, _ = bare_step(this.problem, this.ready, this.items, z, state)
    jax.block_until_ready(z)
    return time.perf_counter() - begin, z


WAYS: dict[str, Callable[[Case], Timed]] = {
    "solve": by_solve,
    "step": by_step,
    "bare": by_hand,
}


def timed(way: Callable[[Case], Timed], this: Case) -> tuple[float, float]:
    """Returns the wall and the CPU seconds of one run.

    Args:
      way: how to take the steps.
      this: the case.
    """
    begin = time.process_time()
    wall, _ = way(this)
    return wall, time.process_time() - begin


def compared(this: Case) -> dict[str, Verdict]:
    """Returns, by way, whether it ends with the z that `solve` ends with.

    Args:
      this: the case; its keys draw the same start for all ways.
    """
    found = {name: np.asarray(way(this)[1]) for name, way in WAYS.items()}
    return {
        name: verdict(z=(relative(found["solve"], found[name]), Z)) for name in ("step", "bare")
    }


def quartiles(values: np.ndarray) -> list[float]:
    """Returns the median and the quartiles of ratios, as percent above one.

    Args:
      values: `[pairs]`.
    """
    found = np.quantile(100 * (values - 1), (0.5, 0.25, 0.75))
    return [round(float(value), 1) for value in found]


def measured(this: Case, sizes: dict[str, Any], *, pairs: int) -> list[Row]:
    """Returns the rows of one case: `solve` against its own step, and a bare one.

    Args:
      this: the case.
      sizes: what the rows say of it.
      pairs: interleaved runs of every way.
    """
    # `step` finds compiled what `solve` compiled before it.
    first = {name: timed(way, this)[1] for name, way in WAYS.items()}
    same = compared(this)
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(pairs):
        for name, way in WAYS.items():
            runs[name].append(timed(way, this))
    wall, cpu = (
        {name: np.array([pair[i] for pair in of]) for name, of in runs.items()} for i in (0, 1)
    )
    steps = this.problem.steps
    fixed = float(np.median(wall["solve"] - wall["step"]))
    names = {
        "step": "the solver's own step, bare loop",
        "bare": "hand-written jitted step, bare loop",
    }
    case = f"{sizes['net']} {sizes['tap']}, {sizes['items']} x {sizes['pixels']} px"
    return [
        row(
            "solve_overhead",
            case,
            ours=wall["solve"] / steps,
            peer=wall[name] / steps,
            peer_name=names[name],
            verdict=same[name],
            target=TARGETS.get(name) if sizes["pixels"] == SIDE else None,
            sizes=sizes,
            overhead_wall_percent=quartiles(wall["solve"] / wall[name]),
            overhead_cpu_percent=quartiles(cpu["solve"] / cpu[name]),
            beside_its_steps_s=round(fixed, 4),
            compile_cpu_s={
                way: round(first[way] - float(np.median(cpu[way])), 2) for way in ("solve", "bare")
            },
        )
        for name in names
    ]


def _all(cases: tuple, side: int, pairs: int) -> list[Row]:
    out = []
    for name, tap, count, steps in cases:
        sizes = {"net": name, "tap": tap, "pixels": side, "items": count, "steps": steps}
        this = case(name, tap, count, steps, (side, side))
        out += measured(this, sizes, pairs=pairs)
    return out


def rows(quick: bool) -> list[Row]:
    """Returns the rows: SqueezeNet and VGG-16 at 224 pixels, 1 and 4 items.

    Args:
      quick: SqueezeNet alone, fewer steps and runs.
    """
    if quick:
        return _all((CASES[0][:3] + (24,), CASES[1][:3] + (8,)), SIDE, 3)
    return _all(CASES, SIDE, 7)


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: SqueezeNet, 48 pixels, 2 items."""
    return _all((CASES[1][:2] + (2, 3),), 48, 1)
