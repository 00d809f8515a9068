"""What does the solver cost beside the steps it takes?

    python -m benchmarks.solve_overhead [--net NAME] [--quick] [--out FILE.json]

Three ways to take the same steps, in turn, again and again:
`solve`, whole: keys, start, choice of chunk, steps, trace, last image, copies to host;
`step`: the solver's own compiled step in a bare Python loop, and nothing else;
`bare`: a step written by hand for this one case, gradient and Adam alone.
Overheads are medians of the ratios of neighbours, with quartiles; wall time, and the
process's CPU time, which other work on the machine disturbs less. Compiling is timed
apart. One JSON object a row. Target: `solve` over `step` at most 5 %.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

from jaxvis.loss.canvas import Fourier
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Algebra, Excite
from jaxvis.nets import build, random_params
from jaxvis.optimize import Problem, solve, stepping
from jaxvis.optimize.optimizers import adam
from jaxvis.types import Params

RATE = 0.05
CASES = (
    ("squeezenet1_1", "conv10", 1, 64),
    ("squeezenet1_1", "conv10", 4, 24),
    ("vgg16", "relu5_3", 1, 12),
    ("vgg16", "relu5_3", 4, 6),
)
"""Network, tap, items, steps a run."""


@dataclass(frozen=True)
class Case:
    """One row: everything that the three ways need.

    Args:
      problem: one item's problem.
      params: random parameters.
      items: objectives `[N]`.
      key: random key.
    """

    problem: Problem
    params: Params
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
    net = build(name)
    params = random_params(net, jax.random.key(0), stop=tap)
    canvas = Fourier(size)
    problem = Problem(compose(net, canvas), canvas, adam(RATE), steps)
    items = jax.vmap(lambda index: Excite(tap, index))(jnp.arange(count))
    return Case(problem, params, items, jax.random.key(1))


def by_solve(this: Case) -> float:
    """Returns the seconds of a whole run; `solve` itself waits for its last image."""
    begin = time.perf_counter()
    solve(this.problem, this.params, this.items, this.key)
    return time.perf_counter() - begin


def by_step(this: Case) -> float:
    """Returns the seconds of the solver's own step in a bare loop."""
    carry = jax.block_until_ready(stepping.begin(this.problem, this.keys, None))
    keys, begin = this.keys, time.perf_counter()
    for step in range(this.problem.steps):
        carry, _ = stepping.step_once(
            this.problem, None, this.params, this.items, keys, carry, np.int32(step)
        )
    jax.block_until_ready(carry)
    return time.perf_counter() - begin


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


def by_hand(this: Case) -> float:
    """Returns the seconds of the hand-written step in a bare loop."""
    z, state, _ = jax.block_until_ready(stepping.begin(this.problem, this.keys, None))
    begin = time.perf_counter()
    for _ in range(this.problem.steps):
        z, state, _ = bare_step(this.problem, this.params, this.items, z, state)
    jax.block_until_ready(z)
    return time.perf_counter() - begin


WAYS: dict[str, Callable[[Case], float]] = {
    "solve": by_solve,
    "step": by_step,
    "bare": by_hand,
}


def timed(way: Callable[[Case], float], this: Case) -> tuple[float, float]:
    """Returns the wall and the CPU seconds of one run."""
    begin = time.process_time()
    wall = way(this)
    return wall, time.process_time() - begin


def quartiles(values: np.ndarray) -> list[float]:
    """Returns the median and the quartiles of ratios, as percent above one."""
    found = np.quantile(100 * (values - 1), (0.5, 0.25, 0.75))
    return [round(float(value), 1) for value in found]


def measured(this: Case, repeats: int) -> dict[str, Any]:
    """Returns one row's figures.

    Args:
      this: the case.
      repeats: runs of every way, interleaved.
    """
    # `step` finds compiled what `solve` compiled before it.
    first = {name: timed(way, this)[1] for name, way in WAYS.items()}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(repeats):
        for name, way in WAYS.items():
            runs[name].append(timed(way, this))
    wall, cpu = (
        {name: np.array([pair[i] for pair in pairs]) for name, pairs in runs.items()}
        for i in (0, 1)
    )
    steps = this.problem.steps
    row: dict[str, Any] = {
        f"{name}_ms_a_step": round(1000 * float(np.median(wall[name])) / steps, 2)
        for name in WAYS
    }
    for name in ("solve", "bare"):
        compiling = first[name] - float(np.median(cpu[name]))
        row[f"{name}_compile_cpu_s"] = round(compiling, 2)
    fixed = float(np.median(wall["solve"] - wall["step"]))
    row["solve_beside_its_steps_ms"] = round(1000 * fixed, 1)
    for kind, found in (("wall", wall), ("cpu", cpu)):
        for name in ("step", "bare"):
            row[f"solve_over_{name}_{kind}_percent"] = quartiles(
                found["solve"] / found[name]
            )
    return row


def main(
    *,
    net: str | None = None,
    quick: bool = False,
    repeats: int = 5,
    out: Path | None = None,
) -> None:
    """Prints one JSON object a row; writes them all to `out`, if given.

    Args:
      net: only this network's rows.
      quick: two small cases, to see that it runs.
      repeats: interleaved runs of every way.
      out: a .json file.
    """
    rows = []
    cases = [row for row in CASES if net in (None, row[0])]
    for name, tap, count, steps in cases[:2] if quick else cases:
        side, steps = (64, 4) if quick else (224, steps)
        this = case(name, tap, count, steps, (side, side))
        row = {
            "net": name, "tap": tap, "size": side, "items": count, "steps": steps,
            "repeats": repeats, **measured(this, repeats),
            "backend": jax.default_backend(), "jax": jax.__version__,
            "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip
        rows.append(row)
        print(json.dumps(row), flush=True)
    if out is not None:
        out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
