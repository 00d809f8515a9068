"""A command's work in parts: each is made, written and noted before the next one begins.

A part is what is made together: a layer, a block, some seeds. A command that goes on
keeps the pictures that are done, and makes the parts that are missing as they would have
been made. Everything that is shown and recorded in the end is read from the files, so
that it is the same whether the command went on or was never interrupted.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvis.cli.entries import describe_picture, restore_run
from jaxvis.cli.ledger import Ledger
from jaxvis.cli.saving import end_command, run_or_interrupt, save_run
from jaxvis.devices import find_devices
from jaxvis.display import join_planes
from jaxvis.interrupts import hold_interrupts
from jaxvis.optimize.runs import change_when_interrupted, split_axis
from jaxvis.optimize.watch import Progress, Watch, change_looks
from jaxvis.output.io import write_image
from jaxvis.types import Run, Status

Make = Callable[..., Run]
"""Makes pictures: a method that takes `progress=` alone."""
Pictures = list[dict[str, Any]]


class Part(NamedTuple):
    """Pictures that are made together.

    Attributes:
      names: of their files, without ending.
      make: gives their Run, with one leading axis or several.
      rows: which pictures of that Run they are, counted over all leading axes; None is
        all of them.
    """

    names: Sequence[str]
    make: Make
    rows: Sequence[int] | None = None

    def run(self, progress: Progress) -> Run:
        """Makes the pictures; gives their Run, leaves `[n, ...]`.

        Args:
          progress: see `jaxvis.optimize.solve`.
        """

        def pick(run: Run) -> Run:
            flat = flatten_run(run)
            if self.rows is None:
                return flat
            return jax.tree.map(lambda leaf: leaf[np.asarray(self.rows)], flat)

        with change_when_interrupted(pick):
            return pick(self.make(progress=change_looks(progress, pick)))


def cut_seeds(
    method: Callable[..., Run], name: str, seeds: int, *, chunk: int | None
) -> list[Part]:
    """Cuts the seeds of a method into parts of those that are made together.

    Args:
      method: takes `skip=`, the seeds that are left out, and `progress=`.
      name: of the pictures, without the number of a seed.
      seeds: how many.
      chunk: seeds that a device makes together, so that a part is one chunk for each
        device; None where the method decides, and all are one part.
    """
    parts, step = [], max(chunk * len(find_devices(())) if chunk else seeds, 1)
    for first in range(0, seeds, step):
        rows = range(first, min(first + step, seeds))
        others = [seed for seed in range(seeds) if seed not in rows]
        names = [f"{name}_{seed}" for seed in rows]
        parts.append(Part(names, partial(method, skip=others), rows))
    return parts


class Saving(NamedTuple):
    """How a command saves what is there.

    Attributes:
      save: writes the record, and the sheet where it is told so, of the Run of all
        pictures `[N, ...]`; gives the facts of each. It is told too which files are
        written, and whether the command was interrupted.
      every: steps between two savings of the pictures in progress; None saves none.
      tell: says something of a part that is done, by its number and its Run.
      whole: whether whole traces are kept, not only their ends.
    """

    save: Callable[..., Pictures]
    every: int | None = None
    tell: Callable[[int, Run], Any] = lambda number, run: None
    whole: bool = False


def make_parts(ledger: Ledger, parts: Sequence[Part], saving: Saving) -> int:
    """Makes the parts that are missing, and ends the command; gives its exit code.

    Args:
      ledger: what is done.
      parts: all of them, in their order.
      saving: how what is there is saved.

    Returns:
      int: see `jaxvis.cli.saving.end_command`.

    Raises:
      KeyboardInterrupt: where Ctrl-C left nothing to keep.
      OSError: if a file cannot be written or read.
      ValueError: as the methods raise it, or for a file that is damaged.
    """
    desk, interrupted = _Desk(ledger, parts, saving), False
    for number, part in enumerate(parts):
        if desk.has(part):
            continue
        watch = Watch(saving.every, partial(desk.look, part)) if saving.every else True
        try:
            run, interrupted = run_or_interrupt(partial(part.run, watch))
        except KeyboardInterrupt:
            if not desk.entries:
                raise
            interrupted = True
            break
        with hold_interrupts() as stopped:
            desk.keep(part, run)
            saving.tell(number, run)
            interrupted = interrupted or stopped()
        if interrupted:
            break
    pictures = desk.save(sheet=True, interrupted=interrupted)
    return end_command(ledger.output, pictures, interrupted=interrupted)


def save_pictures(
    ledger: Ledger, run: Run, *, names: Sequence[str], seeds: int | None = None, **facts: Any
) -> Pictures:
    """Writes what `Saving.save` writes, as `jaxvis.cli.saving.save_run` does it.

    Args:
      ledger: where.
      run: leaves `[N, ...]`.
      names: of the items, without ending.
      seeds: pictures of every item; None where an item is one picture, without a number.
      **facts: for `save_run`.

    Raises:
      OSError, ValueError: as `save_run`.
    """
    whole = run if seeds is None else split_axis(run, -1, seeds)
    return save_run(ledger.output, whole, names, seconds=ledger.seconds, **facts)


def flatten_run(run: Run) -> Run:
    """Gives a run one leading axis in place of several, without its z.

    Its images become what is written: see `jaxvis.display.join_planes`.

    Args:
      run: image `[..., H, W, C]`.
    """
    run = run._replace(image=join_planes(run.image))
    lead = np.ndim(run.image) - 3
    return jax.tree.map(
        lambda leaf: np.asarray(leaf).reshape(-1, *np.shape(leaf)[lead:]), run._replace(z=())
    )


class _Desk:
    """The pictures that are there: done, or left unfinished by this sitting."""

    def __init__(self, ledger: Ledger, parts: Sequence[Part], saving: Saving) -> None:
        self.ledger, self.saving = ledger, saving
        self.names = [name for part in parts for name in part.names]
        self.entries = {name: ledger.done[name] for name in self.names if name in ledger.done}

    def has(self, part: Part) -> bool:
        """Says whether all pictures of a part are done."""
        return all(name in self.ledger.done for name in part.names)

    def look(self, part: Part, where: np.ndarray, run: Run) -> None:
        """Saves the pictures in progress."""
        del where
        with hold_interrupts():
            self.write(part, run)
            self.save(sheet=False, interrupted=True)

    def keep(self, part: Part, run: Run) -> None:
        """Writes the pictures of a part, then notes those that are done."""
        self.write(part, run)
        ended = {
            name: self.entries[name]
            for name in part.names
            if name in self.entries and self.entries[name]["status"] != Status.UNFINISHED
        }
        if ended.keys() - self.ledger.done.keys():
            self.ledger.done.update(ended)
            self.ledger.write()

    def write(self, part: Part, run: Run) -> None:
        """Writes the pictures of a part, but for those that are done already."""
        self.ledger.begin()
        for i, name in enumerate(part.names):
            if name in self.ledger.done:
                continue
            entry = describe_picture(run, i, whole=self.saving.whole)
            if entry is None:
                continue
            if entry["finite"]:
                output = self.ledger.output
                write_image(output.path_of(name), np.asarray(run.image[i]), bits=output.bits)
            self.entries[name] = entry

    def save(self, *, sheet: bool, interrupted: bool) -> Pictures:
        output = self.ledger.output
        saved = {output.path_of(name).name for name in self.entries}
        run = restore_run(output, self.names, self.entries, images=sheet)
        pictures = self.saving.save(run, saved=saved, sheet=sheet, interrupted=interrupted)
        return pictures
