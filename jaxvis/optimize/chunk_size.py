"""Which devices share the items, and how many each takes together.

On an accelerator a device takes as many as the compiled step has room for. The memory of
a step, beyond the shared parameters, grows with the chunk; so one compilation predicts what
fits. Where the first guess holds, it is the program that will run. On a CPU it takes few.
"""

import functools
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxvis.devices import (
    copy_to_all,
    count_devices,
    find_devices,
    lie_like_items,
    make_mesh,
    split_items,
)
from jaxvis.jax_internals import Jaxpr
from jaxvis.optimize import memory, step_programs, stepping
from jaxvis.optimize.problem import Problem
from jaxvis.platform import platform_of
from jaxvis.types import Array, Item, Params

GROW = 1.5  # a chunk that much larger is worth another compilation
HOPELESS = 4  # times the memory that is free: an estimate is never that far off


class Sweep(NamedTuple):
    """What a sweep is made of, whole; leaves of what varies are `[N, ...]`.

    Attributes:
      params: the network's, as the step takes them; empty where items own theirs.
      shared: what the canvases of all items have in common, or None.
      items: objectives.
      keys: `[N]` typed keys.
      start: the first z of every item, or None.
      own: the items' own parameters of the network, or None.
      mesh: the devices that share the items, or None for one device.
    """

    params: Params
    shared: Any
    items: Item
    keys: Array
    start: Any
    own: Params | None
    mesh: Mesh | None = None

    @property
    def length(self) -> int:
        """N, how many items there are."""
        return self.keys.shape[0]

    def take(self, index: np.ndarray) -> "Sweep":
        """Takes the items at `index` `[n]`; what is on the host is cut there."""
        if np.array_equal(index, np.arange(self.length)):
            return self  # all of them: nothing is cut, and nothing compiled for it
        varying = (self.items, self.keys, self.start, self.own)
        items, keys, start, own = jax.tree.map(lambda leaf: leaf[index], varying)
        return self._replace(items=items, keys=keys, start=start, own=own)

    def share(self, mesh: Mesh | None) -> "Sweep":
        """Gives the sweep for the devices of `mesh`, with what items share on each of them."""
        params, shared = copy_to_all((self.params, self.shared), mesh)
        return self._replace(params=params, shared=shared, mesh=mesh)

    def batch(self, problem: Problem) -> step_programs.Batch:
        """Gives what the steps of a `problem` read, on the devices that will take them.

        The items' own parameters are prepared.
        """
        layout = step_programs.Layout(None if self.own is None else 0, self.mesh)
        own = None if self.own is None else problem.loss.prepare(self.own)
        # On the devices once, not with every step.
        program = copy_to_all(jax.tree.map(jnp.float32, problem.program), self.mesh)
        items, keys, own = split_items((self.items, self.keys, own), self.mesh)
        params = self.params if own is None else own
        return step_programs.Batch(layout, program, params, self.shared, items, keys)


def plan(
    problem: Problem,
    sweep: Sweep,
    *,
    chunk: int | None = None,
    done: Collection[int] = (),
) -> tuple[Sweep, int]:
    """Chooses which devices share the items, and how many each takes together.

    Args:
      problem: one item's problem.
      sweep: all items.
      chunk: how many items a device shall take together; None leaves it open.
      done: positions of items that need not be made.

    Returns:
      The sweep, with the devices that share it, and the items that each takes together.

    Raises:
      ValueError: as `chunk_size`.
    """
    shared = sweep.share(choose_devices(sweep, chunk=chunk, done=done))
    size = chunk_size(problem, shared, chunk=chunk)
    if shared.mesh is None or not _is_on_cpu(shared):
        return shared, size
    # Cores share one memory: where it is too small for all of them, fewer take part.
    step = _compile_once(_trace(problem, shared, size), shared)
    each = memory.step_bytes(step, (shared.params, shared.shared))
    fitting = max(1, memory.budget() // max(each or 1, 1))
    if fitting >= shared.mesh.size:
        return shared, size
    shared = sweep.share(make_mesh(list(shared.mesh.devices.flat[:fitting])))
    return shared, size if fitting > 1 else chunk_size(problem, shared, chunk=chunk)


def choose_devices(
    sweep: Sweep, *, chunk: int | None = None, done: Collection[int] = ()
) -> Mesh | None:
    """Chooses the devices that share the items: None for one alone.

    One item, or as many as a chunk takes, stay on one device. So do items of which there
    are fewer than half as many as cores: a CPU splits their operations over all cores.

    Args:
      sweep: all items.
      chunk: how many items a device shall take together; None leaves it open.
      done: positions of items that need not be made. They count where the chunk is open,
        because the choice of the chunk must not depend on what is done.
    """
    devices = find_devices((sweep.params, sweep.shared, sweep.items, sweep.start, sweep.own))
    wanted = sweep.length
    if chunk is not None:
        wanted = len({place // chunk for place in range(sweep.length) if place not in done})
    if devices[0].platform == "cpu" and 2 * wanted < len(devices):
        return None
    return make_mesh(devices[:wanted])


def chunk_size(problem: Problem, sweep: Sweep, *, chunk: int | None = None) -> int:
    """Chooses how many items a device takes together.

    Args:
      problem: one item's problem.
      sweep: all items, and the devices that share them.
      chunk: how many are asked for; None takes what fits.

    Raises:
      ValueError: if the chunk that is asked for takes more memory than there is, or one
        item alone takes far more.
    """
    most = max_chunk(problem, sweep)
    size = most if chunk is None else min(chunk, sweep.length)
    trace = partial(_trace, problem, sweep)
    # The cores of a CPU are devices that share one memory.
    sharers = count_devices(sweep.mesh) if _is_on_cpu(sweep) else 1
    if size == 1:
        _refuse_hopeless(memory.peak_bytes(trace(1).jaxpr.jaxpr), memory.free_bytes())
        return 1
    shared = (sweep.params, sweep.shared)

    def need(size: int, sharers: int = sharers) -> float | None:
        try:
            bytes_ = memory.step_bytes(_compile_once(trace(size), sweep), shared)
        except Exception as error:
            if memory.is_out_of_memory(error):  # while the compiler tries its algorithms
                return float("inf")
            raise
        return None if bytes_ is None else sharers * bytes_

    if chunk is not None:
        # Where the memory is too small for all cores, fewer take part: see `plan`.
        _check(size, need(size, 1), memory.free_bytes())
        return size
    room = memory.budget()
    guess = sharers * memory.peak_bytes(trace(size).jaxpr.jaxpr)
    if guess > size * room:
        _refuse_hopeless(guess / size, memory.free_bytes())
        return 1  # not even one, perhaps: nothing else to try
    if guess > room:
        size = int(size * room / guess)
    return _fit(need, size, most, room)


def max_chunk(problem: Problem, sweep: Sweep) -> int:
    """Says how many items at most are worth taking together on a device.

    On a CPU items with kernels of their own, a network or a generator each, share no
    work, only a loop around it. A core that has items for itself takes few at a time,
    which its cache holds.

    Args:
      problem: one item's problem.
      sweep: all items, and the devices that share them.
    """
    devices = count_devices(sweep.mesh)
    each = -(-sweep.length // devices)
    if not _is_on_cpu(sweep):
        return each
    if sweep.own is not None or problem.canvas.owns_kernels:
        return 1
    return memory.choose_core_items(math.prod(problem.canvas.image_size()), each, devices)


def _is_on_cpu(sweep: Sweep) -> bool:
    return platform_of((sweep.params, sweep.own)) == "cpu"


def _trace(problem: Problem, sweep: Sweep, size: int) -> jax.stages.Traced:
    """Traces the step of `size` items a device; jit keeps it, and the compiled step."""
    count = size * count_devices(sweep.mesh)
    part = sweep.take(np.arange(count) % sweep.length)
    own = None if part.own is None else jax.eval_shape(problem.loss.prepare, part.own)
    batch = part._replace(own=None).batch(problem)
    if own is not None:
        layout = batch.layout._replace(params_axis=0)
        batch = batch._replace(layout=layout, params=lie_like_items(own, sweep.mesh))
    carry = jax.eval_shape(step_programs.begin, batch.program, part.keys, part.start)
    return stepping.trace_step(batch, lie_like_items(carry, sweep.mesh), problem.steps)


@dataclass(frozen=True)
class _Step:
    """A traced step; steps of one program on one kind of device are equal."""

    program: Jaxpr
    platform: str
    traced: jax.stages.Traced = field(compare=False)


def _compile_once(traced: jax.stages.Traced, sweep: Sweep) -> jax.stages.Compiled:
    """Compiles the traced step of a sweep; a second call of a method asks for the same one."""
    platform = platform_of((sweep.params, sweep.own))
    return _compile(_Step(traced.jaxpr.jaxpr, platform, traced))


@functools.lru_cache(maxsize=64)
def _compile(step: _Step) -> jax.stages.Compiled:
    return step.traced.lower().compile()


def _fit(need: Callable[[int], float | None], size: int, most: int, room: int) -> int:
    """Finds the chunk that `room` bytes have room for, up to `most`."""
    if size == 1 == most:
        return 1
    bytes_ = need(size)
    if bytes_ is None:
        return size
    if bytes_ <= room:
        larger = min(most, int(size * room / max(bytes_, 1)))
        grows = larger >= GROW * size and (need(larger) or 0) <= room
        return larger if grows else size
    while size > 1 and bytes_ > room:
        size = max(1, min(size - 1, int(size * room / bytes_)))
        bytes_ = (need(size) or 0) if size > 1 else 0
    return size


def _check(size: int, bytes_: float | None, free: int) -> None:
    if bytes_ is None or bytes_ <= free or bytes_ == float("inf"):
        return
    fits = max(1, int(size * free / bytes_))
    raise ValueError(
        f"chunk={size} takes {bytes_ / 2**30:.2f} GiB and {free / 2**30:.2f} GiB are "
        f"free: about {fits} items fit; leave chunk out to have it chosen"
    )


def _refuse_hopeless(bytes_: float, free: int) -> None:
    if free != memory.HOST_BYTES and bytes_ > HOPELESS * free:  # and what is free is known
        raise ValueError(
            f"one picture alone takes about {bytes_ / 2**30:.0f} GiB and {free / 2**30:.1f} GiB "
            "are free: make it smaller"
        )
