"""How attacks are driven: images wait in a line, and take the slots that become free.

Attacks of different images end after different numbers of steps. A slot whose image is done
takes the next image at once, so that no device works for images that are done already.
"""

import logging
import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxvis.attacks import programs
from jaxvis.attacks.attack import Report
from jaxvis.attacks.line import Line, Result
from jaxvis.attacks.programs import Found, Program, Slots
from jaxvis.devices import copy_to_all, count_devices, find_devices, make_mesh, split_items
from jaxvis.interrupts import hold_interrupts
from jaxvis.optimize import memory
from jaxvis.platform import platform_of
from jaxvis.types import Params

log = logging.getLogger("jaxvis")

SEEN_PIXELS = 2**15
"""Pixels that a CPU device shows the network together. 64 pictures of 32 x 32 took ConvNetJS'
network 1.4 times as long each as 32, in a forward pass and in a gradient; LeNet-5's time was
the same. With fewer than 32, to fill slots again takes a larger part of an attack."""


def drive(
    program: Program,
    params: Params,
    line: Line,
    *,
    chunk: int | None = None,
    progress: bool = False,
) -> bool:
    """Attacks all rows that wait, spread over all devices.

    Args:
      program: what is compiled; its mesh is chosen here.
      params: the network's parameters.
      line: the rows; their results are noted in it.
      chunk: how many images a device attacks together; None fits them to its memory, on a
        CPU to the caches of its cores.
      progress: whether to show a bar.

    Returns:
      Whether Ctrl-C came: what was in progress is noted as it was, what waited is not.
    """
    chunk_now = chunk
    with tqdm(total=len(line), disable=not progress, delay=1) as bar:
        while len(line):
            drive_now = _Drive(program, params, line, chunk_now, bar)
            try:
                return drive_now.run()
            except (MemoryError, jax.errors.JaxRuntimeError) as error:
                if drive_now.each == 1 or not memory.is_out_of_memory(error):
                    raise
                chunk_now = -(-drive_now.each // 2)
            log.warning("out of memory: going on with %d images together", chunk_now)
            line = replace(line)
    return False


class _Drive:
    """The slots of all devices, and what is in them."""

    def __init__(
        self, program: Program, params: Params, line: Line, chunk: int | None, bar: tqdm
    ) -> None:
        self.line, self.bar = line, bar
        devices = find_devices((params,))
        on_cpu = devices[0].platform == "cpu"
        if on_cpu and 2 * len(line) < len(devices):
            devices = devices[:1]
        mesh = make_mesh(devices[: len(line)])
        self.program = replace(program, mesh=mesh)
        prepared = program.net.prepare(params, size=self._size())
        self.params = copy_to_all(prepared, mesh)
        self.each = chunk or self._choose_chunk(-(-len(line) // count_devices(mesh)))
        self.count = self.each * count_devices(mesh)
        self.steps = 1 if platform_of(params) == "cpu" else programs.SCAN
        self.held = np.full(self.count, -1)
        """The row in every slot; -1 where it is free."""
        self.taken = np.zeros(self.count, int)
        """The steps of every slot since it was filled; no fewer than the image took."""
        self.losses: dict[int, list[np.ndarray]] = {}
        self.slots: Slots | None = None
        self.inputs: tuple = ()

    def run(self) -> bool:
        """Attacks until nothing waits; says whether Ctrl-C came."""
        with hold_interrupts() as stopped:
            while self._fill():
                if not self._step_until_free(stopped):
                    self._harvest(ended=False)
                    return True
                self._harvest(ended=True)
        return False

    def _fill(self) -> bool:
        """Puts rows that wait into free slots; says whether any slot is taken."""
        free = np.flatnonzero(self.held < 0)
        taken = self.line.take(len(free))
        self.bar.n = len(self.line.results)
        self.bar.refresh()
        if taken:
            fresh = np.zeros(self.count, bool)
            fresh[free[: len(taken)]] = True
            self.held[free[: len(taken)]] = taken
            self.taken[fresh] = 0
            # Free slots hold copies, which nobody reads.
            rows = np.where(self.held < 0, taken[0], self.held)
            mesh = self.program.mesh
            self.inputs = split_items(self.line.pick(rows), mesh)
            new = programs.begin(self.program, self.params, *self.inputs)
            if self.slots is not None:
                marks = split_items(jnp.asarray(fresh), mesh)
                new = programs.refill(new, self.slots, marks, mesh=mesh)
            self.slots = new
        return bool((self.held >= 0).any())

    def _step_until_free(self, stopped: Any) -> bool:
        """Takes steps until enough slots are free; False where Ctrl-C came.

        The report of a step is read while the next one is computed. After the last step that
        an attack may take nothing is read before it ends.
        """
        before: Report | None = None
        idle = 0
        while True:
            if stopped():
                return False
            assert self.slots is not None
            self.slots, report = programs.advance(
                self.program, self.steps, self.params, *self.inputs, self.slots
            )
            self.taken += self.steps
            busy = (self.held >= 0) & (self.taken < self.program.attack.steps)
            if before is not None:
                self._note_losses(before)
                busy &= ~np.asarray(before.done)[-1]
            idle += self.count - int(busy.sum())
            # To fill slots again costs about a step of all of them: so much may be wasted.
            if not busy.any() or (len(self.line) > 0 and idle >= self.count):
                self._note_losses(report)
                return True
            before = report

    def _note_losses(self, report: Report) -> None:
        losses = np.asarray(report.loss)
        for slot in np.flatnonzero(self.held >= 0):
            self.losses.setdefault(int(self.held[slot]), []).append(losses[:, slot])

    def _harvest(self, *, ended: bool) -> None:
        """Takes what is done out of its slot; all of it where the attack is interrupted."""
        assert self.slots is not None
        rows, _ = self.inputs
        found: Found = jax.tree.map(
            np.asarray, programs.end(self.program, self.params, rows, self.slots)
        )
        done, queries, step = (
            np.asarray(leaf) for leaf in (self.slots.done, self.slots.queries, self.slots.step)
        )
        for slot in np.flatnonzero((self.held >= 0) & (done | (not ended))):
            row = int(self.held[slot])
            losses = np.concatenate(self.losses.pop(row, [np.zeros(0, np.float32)]))
            result = Result(
                np.array(found.image[slot]),
                bool(found.fooled[slot]),
                bool(found.finite[slot]),
                float(found.distance[slot]),
                int(found.label[slot]),
                int(queries[slot]),
                losses[: int(step[slot])],
                ended or bool(done[slot]),
            )
            self.line.note(row, result)
            self.held[slot] = -1

    def _choose_chunk(self, each: int) -> int:
        """Chooses how many images a device attacks together."""
        devices = count_devices(self.program.mesh)
        if platform_of(self.params) == "cpu":
            pixels = math.prod(self._size())
            items = memory.choose_core_items(pixels, each, devices)
            looks = self.program.attack.looks * self.program.samples
            most = min(each, max(1, SEEN_PIXELS // (looks * pixels)))
            if looks > 1:
                return min(items, most)
            # As equal as possible: what a last chunk has too little is computed in vain.
            return max(items, -(-each // -(-each // most)))
        one, two = self._peak(1), self._peak(2)
        return max(1, min(each, (memory.budget() - one) // max(two - one, 1)))

    def _size(self) -> tuple[int, int]:
        height, width = self.line.images.image.shape[1:3]
        return height, width

    def _peak(self, count: int) -> int:
        """Estimates the bytes that a step of `count` images takes."""
        alone = replace(self.program, mesh=None)
        rows, keys = self.line.pick(np.zeros(count, int))
        slots = jax.eval_shape(programs.begin, alone, self.params, rows, keys)
        traced = programs.advance.trace(alone, 1, self.params, rows, keys, slots)
        return memory.peak_bytes(traced.jaxpr.jaxpr)
