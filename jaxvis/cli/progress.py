"""A sweep of pictures in a folder: made chunk by chunk, and resumed where it stopped.

Each finished chunk is written and noted (see `jaxvis.cli.ledger`) before the next one
begins. A resumed sweep uses the chunk that it was begun with. Only small copies of the
pictures are kept in memory, for the contact sheet.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.cli.checksums import hash_outputs
from jaxvis.cli.ledger import Ledger
from jaxvis.cli.saving import word_of
from jaxvis.cli.sheets import cell_of, write_sheet
from jaxvis.display import join_planes
from jaxvis.interrupts import hold_interrupts
from jaxvis.optimize.job import Job
from jaxvis.output.arrays import blend_over
from jaxvis.output.io import check_format, read_image, write_image
from jaxvis.output.record import make_record, write_record
from jaxvis.output.resample import resample
from jaxvis.types import Run, Status

Judge = Callable[[int, np.ndarray], Mapping[str, Any]]
"""`(number of a picture, image [H, W, C]) -> further facts of it`."""


class Progress:
    """What is done of a sweep.

    Args:
      ledger: where it is, and how its finished pictures ended: "finite", "status",
        "ends" (term -> first and last value), and what a judge said.
      names: of every picture, without ending, by its number.
      alpha: whether the last channel of the pictures is their opacity, which files keep, and
        through which sheets show white.

    Raises:
      ValueError: for one file of a format that cannot hold such pictures.
    """

    def __init__(self, ledger: Ledger, names: Sequence[str], *, alpha: bool = False) -> None:
        self.ledger, self.output, self.names = ledger, ledger.output, names
        self.alpha = alpha
        if self.output.file is not None:
            check_format(self.output.file, bits=self.output.bits, alpha=alpha)
        self.thumbnails: dict[int, np.ndarray] = {}

    @property
    def done(self) -> dict[int, dict[str, Any]]:
        """How the finished pictures ended, by their numbers."""
        done = self.ledger.done
        return {i: done[name] for i, name in enumerate(self.names) if name in done}

    def _find(self, number: int) -> dict[str, Any] | None:
        return self.ledger.done.get(self.names[number])

    @property
    def chunk(self) -> int | None:
        """How many pictures were made together; None as long as none is done."""
        found: int | None = self.ledger.own.get("chunk")
        return found

    @property
    def steps(self) -> int:
        """Updates of each picture; 0 as long as none is done."""
        return int(self.ledger.own.get("steps", 0))

    def make(self, job: Job, *, chunk: int | None = None, judge: Judge | None = None) -> bool:
        """Makes the pictures that are missing, and writes each chunk when it is done.

        Args:
          job: the whole sweep.
          chunk: pictures made together; that of an earlier sitting goes first, so that
            what is left comes out as it would have done.
          judge: says further facts of each finished picture.

        Returns:
          bool: whether Ctrl-C cut it short.

        Raises:
          KeyboardInterrupt: where Ctrl-C left nothing to keep.
          OSError: if the folder cannot be written.
          ValueError: as `Job.chunks`.
        """
        if len(self.done) == job.count:
            return False
        chunks = job.chunks(skip=set(self.done), chunk=self.chunk or chunk, progress=True)
        try:
            for numbers, run in chunks:
                # What is made is written, even if Ctrl-C comes meanwhile.
                with hold_interrupts():
                    self.keep(numbers, run, judge=judge)
        except KeyboardInterrupt:
            if not self.done:
                raise
            return True
        return False

    def keep(
        self, numbers: np.ndarray | Sequence[int], run: Run, *, judge: Judge | None = None
    ) -> None:
        """Writes the finished pictures of a chunk, then how they ended.

        Args:
          numbers: of the pictures.
          run: leaves `[n, ...]`.
          judge: see `make`.

        Raises:
          OSError: if the folder cannot be written.
        """
        self.ledger.begin()
        for i, number in enumerate(map(int, numbers)):
            if run.status[i] == Status.UNFINISHED:
                continue
            image = np.asarray(run.image[i])
            finite = bool(np.isfinite(image).all())
            shown = blend_over(image, 1.0) if self.alpha else join_planes(image)
            if finite:
                written = image if self.alpha else shown
                bits = self.output.bits
                write_image(self._path(number), written, bits=bits, alpha=self.alpha)
            self._remember(number, shown)
            ends = {name: [float(x) for x in term[i, [0, -1]]] for name, term in run.trace.items()}
            facts = judge(number, shown if self.alpha else image) if judge else {}
            status = int(run.status[i])
            entry = {"finite": finite, "status": status, "ends": ends, **facts}
            self.ledger.done[self.names[number]] = entry
        chunk, steps = int(run.facts["chunk"][0]), run.trace["loss"].shape[-1]
        self.ledger.own |= {"chunk": chunk, "steps": steps}
        self.ledger.write()

    def finish(
        self,
        names: Sequence[str],
        *,
        seeds: int,
        captions: Sequence[str],
        items: Sequence[Mapping[str, Any]],
        **facts: Any,
    ) -> list[dict[str, Any]]:
        """Writes the contact sheet and the record.

        Args:
          names: of the items.
          seeds: pictures of each.
          captions: of the items, in the sheet.
          items: further facts of each, for the record.
          **facts: for `jaxvis.output.record.make_record`.

        Returns:
          list: for each picture its file (None if there is none), name, seed, status, and
          further facts.

        Raises:
          OSError, ValueError: if a picture that was written is gone or damaged.
        """
        numbers = range(len(self.names))
        pictures = [self._describe(number, names, seeds, items) for number in numbers]
        file = self.output.file
        if file is None:
            notes = [caption for caption in captions for _ in range(seeds)]
            images = [self._thumbnail(number) for number in numbers]
            write_sheet(self.output.folder / "contact.png", images, notes, seeds=seeds)
        path = file.with_suffix(".json") if file else self.output.folder / "record.json"
        written = [one["file"] for one in pictures if one["file"]]
        written += [] if file else ["contact.png"]
        own: dict[str, Any] = {"steps": self.steps, "chunk": self.chunk}
        own["seconds"] = self.ledger.seconds
        own["files"] = hash_outputs(self.output.folder, written)
        write_record(path, make_record(**facts, **own, run=self._run(seeds), pictures=pictures))
        return pictures

    def _describe(
        self, number: int, names: Sequence[str], seeds: int, items: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        item, seed = divmod(number, seeds)
        missing: dict[str, Any] = {"finite": False, "status": Status.UNFINISHED, "ends": {}}
        found = self._find(number) or missing
        own = {name: found[name] for name in found if name not in ("finite", "status", "ends")}
        file = self._path(number).name if found["finite"] else None
        status = word_of(found["status"])
        about = {"file": file, "name": names[item], "seed": seed, "status": status}
        return {**about, **items[item], **own}

    def _run(self, seeds: int) -> Run:
        """Gives the ends of all traces and the statuses; NaN where a picture is missing."""
        none: dict[str, Any] = {"ends": {"loss": []}}
        first = next(iter(self.ledger.done.values()), none)
        missing: dict[str, Any] = {"status": Status.UNFINISHED}
        missing["ends"] = dict.fromkeys(first["ends"], [np.nan] * 2)
        found = [self._find(number) or missing for number in range(len(self.names))]
        trace = {
            name: np.array([one["ends"][name] for one in found], float).reshape(-1, seeds, 2)
            for name in first["ends"]
        }
        status = np.array([one["status"] for one in found], np.int8).reshape(-1, seeds)
        return Run((), (), trace, status, {})

    def _path(self, number: int) -> Path:
        return self.output.path_of(self.names[number])

    def _remember(self, number: int, image: np.ndarray) -> None:
        cell, longest = cell_of(len(self.names)), max(image.shape[:2])
        if np.isfinite(image).all():
            # As its file holds it: a sheet that is made after a resume is the same.
            levels = 2**self.output.bits - 1
            image = np.floor(np.clip(image, 0, 1) * levels + 0.5) / levels
        if longest > cell and np.isfinite(image).all():
            height, width = (max(1, round(side * cell / longest)) for side in image.shape[:2])
            image = resample(image, (height, width))
        self.thumbnails[number] = image.astype(np.float16)

    def _thumbnail(self, number: int) -> np.ndarray:
        """Gives the small copy of a picture, from its file where an earlier sitting made it."""
        found = self._find(number)
        if found and found["finite"] and number not in self.thumbnails:
            self._remember(number, read_image(self._path(number)))
        missing = np.full((32, 32, 3), np.nan, np.float32)
        return np.asarray(self.thumbnails.get(number, missing), np.float32)
