"""What the solver would give a GPU or TPU, asked for on a machine that has none.

`record_solves` runs a method and notes what it asks the solver for; nothing is computed.
`plan_step` builds the step of it as the solver would on an accelerator, from descriptions
of arrays (`jax.ShapeDtypeStruct`) that lie there.
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, NamedSharding, PartitionSpec

from jaxvis.devices import AXIS, PARTS, WHOLE
from jaxvis.optimize import job, step_programs, stepping
from jaxvis.optimize.chunk_size import Sweep, max_chunk
from jaxvis.optimize.keys import keys_of_places
from jaxvis.optimize.problem import Problem
from jaxvis.optimize.solve import solve
from jaxvis.optimize.step_programs import Batch, Carry, Layout
from jaxvis.platform import platform_of
from jaxvis.train import loop
from jaxvis.types import Run, Status, as_key

LOWERED = {"gpu": "cuda", "tpu": "tpu", "cpu": "cpu"}
"""Platform -> what JAX calls it where it lowers."""


def lower(traced: jax.stages.Traced, platform: str) -> str:
    """Lowers a program, and gives its StableHLO with the places in the source."""
    return traced.lower(lowering_platforms=(LOWERED[platform],)).as_text(debug_info=True)


class Solve(NamedTuple):
    """What a method asked the solver for: the arguments of `jaxvis.optimize.solve`."""

    problem: Problem
    params: Any
    items: Any
    keys: Any
    shared: Any = None
    start: Any = None
    params_axis: int | None = None


class Step(NamedTuple):
    """The step of one solve on another platform.

    Attributes:
      solve: what it is the step of.
      batch, carry: its arguments, described.
      traced: the program.
    """

    solve: Solve
    batch: Batch
    carry: Carry
    traced: jax.stages.Traced


def record_solves(method: Callable[[], Any]) -> list[Solve]:
    """Runs a method with a solver that only notes what it is asked for.

    Every Run has the right shapes, and zeros in them, so that the next stage follows.

    Args:
      method: calls the method.
    """
    found: list[Solve] = []

    def solve_chunks(problem, params, items, key, *, shared=None, start=None, **options):
        axis, key = options.get("params_axis"), as_key(key)
        keys = key if key.ndim else keys_of_places(key, len(jax.tree.leaves(items)[0]))
        found.append(Solve(problem, params, items, keys, shared, start, axis))
        run = _imagine(found[-1])
        yield np.arange(len(run.status)), run

    with pytest.MonkeyPatch.context() as patch:
        for module in (sys.modules[solve.__module__], job):
            patch.setattr(module, "solve_chunks", solve_chunks)
        method()
    return found


def _imagine(asked: Solve) -> Run:
    program, count = asked.problem.program, len(asked.keys)
    z = jax.eval_shape(step_programs.begin, program, asked.keys, asked.start).z
    step = np.int32(asked.problem.steps)
    image = jax.eval_shape(step_programs.finish, program, asked.shared, asked.keys, z, step)
    z, image = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), (z, image))
    trace = {name: np.zeros((count, step), np.float32) for name in ("loss", "objective")}
    facts = {name: np.zeros(count, np.int32) for name in ("steps", "chunk", "evaluations")}
    return Run(z, image, trace, np.full(count, Status.DONE, np.int8), facts)


def make_mesh(platform: str, count: int = 1) -> AbstractMesh:
    """Makes a mesh of devices that are not there."""
    return AbstractMesh((count,), (AXIS,), abstract_device=AbstractDevice(platform, None, platform))


def describe(tree: Any, mesh: AbstractMesh, spec: PartitionSpec = WHOLE) -> Any:
    """Describes the arrays of a pytree as they would lie on the devices of a mesh."""
    sharding = NamedSharding(mesh, spec)

    def one(leaf: Any) -> jax.ShapeDtypeStruct:
        aval = jax.typeof(leaf)
        return jax.ShapeDtypeStruct(aval.shape, aval.dtype, sharding=sharding)

    return jax.tree.map(one, tree)


def plan_step(asked: Solve, platform: str = "gpu", devices: int = 1) -> Step:
    """Builds the step that the solver would run on `devices` devices of a platform.

    Args:
      asked: what a method asked for.
      platform: "gpu", "tpu" or "cpu".
      devices: how many share the items, whose number is a multiple of it.
    """
    mesh, problem = make_mesh(platform, devices), asked.problem
    layout = Layout(asked.params_axis, mesh if devices > 1 else None)
    params = describe(asked.params, mesh, layout.params_spec)
    ready = jax.eval_shape(problem.loss.prepare, params)
    program = jax.tree.map(np.float32, problem.program)
    items, keys, start = describe((asked.items, asked.keys, asked.start), mesh, PARTS)
    batch = Batch(
        layout,
        program,
        describe(ready, mesh, layout.params_spec),
        describe(asked.shared, mesh),
        items,
        keys,
    )
    assert platform_of(batch.params or batch.keys) == platform
    own = params if asked.params_axis == 0 else None
    sweep = Sweep({} if own else params, asked.shared, items, keys, start, own, layout.mesh)
    if platform != "cpu":
        assert stepping.scans(batch.params)
        assert max_chunk(problem, sweep) * devices == len(asked.keys)
    carry = describe(jax.eval_shape(step_programs.begin, program, keys, start), mesh, PARTS)
    return Step(asked, batch, carry, stepping.trace_step(batch, carry, problem.steps))


class Training(NamedTuple):
    """What a method asked `jaxvis.train.loop.train` for."""

    step: Any
    state: Any
    size: tuple[int, int]
    batch: int
    given: Any


class _Recorded(Exception):
    """Ends a method that would train."""


def record_training(module: ModuleType, method: Callable[[], Any]) -> Training:
    """Runs a method with a loop that only notes what it is asked for.

    Args:
      module: the method's, in which the loop is called `train`.
      method: calls the method.
    """
    found: list[Training] = []

    def train(step, state, images, key, *, batch, given=None, **options):
        found.append(Training(step, state, images.size, batch, given))
        raise _Recorded

    with pytest.MonkeyPatch.context() as patch, pytest.raises(_Recorded):
        patch.setattr(module, "train", train)
        method()
    return found[0]


def trace_training(asked: Training, platform: str = "gpu") -> jax.stages.Traced:
    """Traces the step of a training as it would run on one device of a platform."""
    mesh = make_mesh(platform)
    images = np.zeros((asked.batch, *asked.size, 3), np.uint8)
    state, images, key, given = (
        jax.tree.map(lambda leaf: describe(leaf, mesh) if np.ndim(leaf) else leaf, tree)
        for tree in (asked.state, images, jax.random.key(0), asked.given)
    )
    return loop._take_step.trace(asked.step, state, images, key, np.int32(0), given)
