"""A program that solves the same items on as many CPU devices as its argument says.

`python solve_on_devices.py 8 results.npz` writes what came out of each case.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from lbfgs_problems import Vector
from tiny_nets import FunctionLoss, Grey, conv_net

import jaxvis
from jaxvis.devices import make_mesh, split_items
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Excite
from jaxvis.loss.views import Roll
from jaxvis.optimize import Problem, lbfgs, memory, solve, step_programs
from jaxvis.optimize.rules import adam

SIDE, ITEMS = 16, 9
HARD = np.float32([1, 2, 500, 1, 30, 1, 1, 4, 7])
"""The spread of curvatures, one an item: item 2 takes longest."""


def valley(params, z, item, key):
    """Computes a bent valley, and a little noise of the item's own key."""
    far = z - 1.0 - 0.1 * jax.random.normal(key, z.shape)
    spread = jnp.linspace(0.0, 1.0, z.shape[0])
    bent = params * jnp.sum(item**spread * far**2)
    return bent, {"bent": bent}


COLLECTIVES = ("all-gather", "all-reduce", "all-to-all", "collective", "send", "recv")
"""What the operations are called by which devices wait for each other."""


def solve_cases() -> dict[str, tuple]:
    """Gives name of the case -> its Run, and what was watched of its steps."""
    net, params = conv_net(SIDE)
    canvas = Grey((SIDE, SIDE))
    problem = Problem(compose(net, canvas, view=Roll(2)), canvas, adam(0.05), 4)
    classes = jax.vmap(lambda i: Excite("fc", i))(jnp.arange(ITEMS) % 5)
    own = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf, leaf]), params)
    search = Problem(FunctionLoss(valley), Vector(6), lbfgs(memory=4, ftol=1e-6), 70)
    three = jax.tree.map(lambda leaf: leaf[:3], classes)
    calls = {
        "chosen": (problem, params, classes, {}),
        "two together": (problem, params, classes, {"chunk": 2}),
        "some done": (problem, params, classes, {"chunk": 1, "skip": {0, 1, 4}}),
        "own networks": (problem, own, three, {"params_axis": 0}),
        "one item": (problem, params, jax.tree.map(lambda leaf: leaf[:1], classes), {}),
        "search": (search, 1.0, HARD, {"chunk": 3}),
    }
    found, step_once = {}, step_programs.step_once
    for name, (problem, params, items, options) in calls.items():
        step_programs.step_once = Watched(step_once)
        run = solve(problem, params, items, jax.random.key(3), **options)
        found[name] = run, step_programs.step_once
    step_programs.step_once = step_once
    found["little memory"] = solve_with_little_memory(*calls["chosen"][:3])
    before = step_once.count_compilations()
    problem, params, items, options = calls["chosen"]
    solve(problem, params, jax.tree.map(lambda leaf: leaf + 0, items), jax.random.key(4))
    assert step_once.count_compilations() == before, "new data compiled the step again"
    return found


def solve_with_little_memory(problem, params, items) -> tuple:
    """Solves where there is room for the steps of three devices of one item each."""
    step_bytes, budget, step_once = memory.step_bytes, memory.budget, step_programs.step_once
    memory.step_bytes, memory.budget = lambda compiled, shared: 100, lambda: 350
    step_programs.step_once = Watched(step_once)
    run = solve(problem, params, items, jax.random.key(3))
    steps = step_programs.step_once
    memory.step_bytes, memory.budget, step_programs.step_once = step_bytes, budget, step_once
    return run, steps


class Watched:
    """The step; it notes the sizes of batches, and how devices wait for each other."""

    def __init__(self, step_once):
        self.step_once, self.trace = step_once, step_once.trace
        self.sizes, self.collectives = [], set()

    def __call__(self, *arguments):
        """Takes the step."""
        if not self.sizes:
            text = self.step_once.lower(*arguments).compile().as_text()
            self.collectives = find_collectives(text)
        self.sizes.append(len(arguments[5]))
        return self.step_once(*arguments)


def find_collectives(text: str) -> set[str]:
    """Finds the operations in a compiled program by which devices wait for each other."""
    return {name for name in COLLECTIVES if f" {name}" in text}


def compile_sum() -> str:
    """Gives the program of a sum over all devices, which none can make alone."""
    numbers = split_items(np.ones(8, np.float32), make_mesh(jax.devices()))
    return jax.jit(jnp.sum).lower(numbers).compile().as_text()


def main(devices: int, path: str) -> None:
    """Writes the results of all cases to `path`."""
    assert jaxvis.use_cores(count=devices) == devices == len(jax.devices())
    arrays = {}
    for name, (run, steps) in solve_cases().items():
        arrays |= {
            f"{name}/image": run.image,
            f"{name}/loss": run.trace["loss"],
            f"{name}/status": run.status,
            f"{name}/chunk": run.facts["chunk"],
            f"{name}/sizes": steps.sizes,
            f"{name}/collectives": np.array(sorted(steps.collectives), dtype="U20"),
        }
    seen = sorted(find_collectives(compile_sum())) if devices > 1 else []
    np.savez(path, **arrays, collectives_of_a_sum=np.array(seen, dtype="U20"))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
