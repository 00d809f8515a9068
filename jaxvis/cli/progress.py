"""A sweep of pictures in a folder: made chunk by chunk, and resumed where it stopped.

progress.json comes with the first finished chunk and grows with every other, whole or
not at all. It says with which flags, weights and decoder the sweep was begun, how many
pictures were made together, and of every finished picture how it ended; the pictures
themselves are its PNG files. It stays when all is done, so that a resumed command only
has to write the sheet and the record.

Only small copies of the pictures are kept in memory, for the contact sheet.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.cli.saving import Output, cell_of, word_of, write_sheet
from jaxvis.optimize.job import Job
from jaxvis.output.files import write_atomically
from jaxvis.output.io import read_image, write_image
from jaxvis.output.record import make_record, to_json, write_record
from jaxvis.output.resample import resample
from jaxvis.types import Interrupted, Run, Status

NAME = "progress.json"
FREE = ("out", "overwrite", "resume")
"""Flags that a resumed command may change: they change no picture."""

Judge = Callable[[int, np.ndarray], Mapping[str, Any]]
"""`(number of a picture, image [H, W, 3]) -> further facts of it`."""


@dataclass
class Progress:
    """What is done of a sweep.

    Attributes:
      output: where it is.
      facts: what all of it has in common.
      names: of every picture, without ending, by its number.
      done: number -> {"finite", "status", "ends": term -> [first, last value], and what
        a judge said}.
      chunk: pictures that were made together; None as long as none is done.
      steps: updates of each; 0 as long as none is done.
      before: seconds that earlier sittings took.
    """

    output: Output
    facts: Mapping[str, Any]
    names: Sequence[str]
    done: dict[int, dict[str, Any]] = field(default_factory=dict)
    chunk: int | None = None
    steps: int = 0
    before: float = 0.0
    began: float = field(default_factory=time.perf_counter)
    thumbnails: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Wall time of all sittings."""
        return self.before + time.perf_counter() - self.began

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
          OSError: if the folder cannot be written.
          ValueError: as `Job.chunks`.
        """
        if len(self.done) == job.count:
            return False
        chunks = job.chunks(skip=set(self.done), chunk=self.chunk or chunk, progress=True)
        try:
            for numbers, run in chunks:
                self.keep(numbers, run, judge=judge)
        except Interrupted:
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
        for i, number in enumerate(map(int, numbers)):
            if run.status[i] == Status.UNFINISHED:
                continue
            image = np.asarray(run.image[i])
            finite = bool(np.isfinite(image).all())
            if finite:
                write_image(self._path(number), image, bits=self.output.bits)
            self._remember(number, image)
            ends = {name: [float(x) for x in term[i, [0, -1]]] for name, term in run.trace.items()}
            facts = judge(number, image) if judge else {}
            status = int(run.status[i])
            self.done[number] = {"finite": finite, "status": status, "ends": ends, **facts}
        self.steps = run.trace["loss"].shape[-1]
        self.chunk = int(run.facts["chunk"][0])
        self.write()

    def write(self) -> None:
        """Writes the file; a single picture has none."""
        if self.output.file is not None:
            return
        own = {"chunk": self.chunk, "steps": self.steps, "seconds": self.seconds}
        whole = {**self.facts, **own, "done": self.done}
        text = json.dumps(to_json(whole, NAME), allow_nan=False)
        write_atomically(self.output.folder / NAME, text.encode())

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
        own: dict[str, Any] = {"steps": self.steps, "seconds": self.seconds, "chunk": self.chunk}
        write_record(path, make_record(**facts, **own, run=self._run(seeds), pictures=pictures))
        return pictures

    def _describe(
        self, number: int, names: Sequence[str], seeds: int, items: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        item, seed = divmod(number, seeds)
        found = self.done.get(number, {"finite": False, "status": Status.UNFINISHED, "ends": {}})
        own = {name: found[name] for name in found if name not in ("finite", "status", "ends")}
        file = self._path(number).name if found["finite"] else None
        status = word_of(found["status"])
        about = {"file": file, "name": names[item], "seed": seed, "status": status}
        return {**about, **items[item], **own}

    def _run(self, seeds: int) -> Run:
        """Gives the ends of all traces and the statuses; NaN where a picture is missing."""
        none: dict[str, Any] = {"ends": {"loss": []}}
        first = next(iter(self.done.values()), none)
        missing = {"status": Status.UNFINISHED, "ends": dict.fromkeys(first["ends"], [np.nan] * 2)}
        found = [self.done.get(number, missing) for number in range(len(self.names))]
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
        if longest > cell and np.isfinite(image).all():
            height, width = (max(1, round(side * cell / longest)) for side in image.shape[:2])
            image = resample(image, (height, width))
        self.thumbnails[number] = image.astype(np.float16)

    def _thumbnail(self, number: int) -> np.ndarray:
        """Gives the small copy of a picture, from its file where an earlier sitting made it."""
        if number in self.done and number not in self.thumbnails:
            if self.done[number]["finite"]:
                self._remember(number, read_image(self._path(number)))
        missing = np.full((32, 32, 3), np.nan, np.float32)
        return np.asarray(self.thumbnails.get(number, missing), np.float32)


def begin_progress(
    output: Output,
    command: str,
    arguments: Mapping[str, Any],
    names: Sequence[str],
    **facts: Any,
) -> Progress:
    """Begins a sweep.

    Args:
      output: where to write to; see `jaxvis.cli.saving.open_output`.
      command: its name.
      arguments: its flags by name.
      names: of every picture, without ending.
      **facts: what else must be the same when it goes on, such as sha256 sums.
    """
    return Progress(output, _describe_sweep(command, arguments, facts), names)


def resume_progress(
    folder: Path | None,
    command: str,
    arguments: Mapping[str, Any],
    names: Sequence[str],
    *,
    bits: int = 8,
    **facts: Any,
) -> Progress:
    """Opens a sweep that goes on, or begins it if nothing was finished.

    Args:
      folder: where it was begun.
      command, arguments, names, facts: as for `begin_progress`, and the same but for
        `FREE`.
      bits: a channel of the PNG files.

    Raises:
      OSError: if the folder cannot be read.
      ValueError: if no folder is named, or it holds something else, or a sweep that was
        begun with other flags.
    """
    if folder is None:
        raise ValueError("--resume goes on in a folder: name it with --out")
    path, wanted = folder / NAME, _describe_sweep(command, arguments, facts)
    output = Output(folder, bits=bits)
    if not path.exists():
        if folder.exists() and any(folder.iterdir()):
            raise ValueError(f"{folder} holds files but no {NAME}: nothing to resume")
        folder.mkdir(parents=True, exist_ok=True)
        return Progress(output, wanted, names)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        done = {int(number): dict(one) for number, one in found.pop("done").items()}
        steps, before = int(found.pop("steps")), float(found.pop("seconds"))
        chunk, old = int(found.pop("chunk")), dict(found["arguments"])
        if max(done, default=-1) >= len(names) and old == wanted["arguments"]:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is damaged: begin again in a new folder") from None
    wrong = list_changes(old, wanted["arguments"])
    wrong += [
        f"other {name}"
        for name in wanted
        if name != "arguments" and found.get(name) != wanted[name]
    ]
    if wrong:
        raise ValueError(f"{folder} was begun with {', '.join(wrong)}: resume with it")
    return Progress(output, wanted, names, done, chunk, steps, before)


def list_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lists the flags, with their old values, that are not what they were.

    Args:
      old, new: flag's name -> value, as a file holds it.
    """
    return [
        f"--{name.replace('_', '-')} {value}"
        for name, value in old.items()
        if new.get(name) != value
    ]


def _describe_sweep(
    command: str, arguments: Mapping[str, Any], facts: Mapping[str, Any]
) -> dict[str, Any]:
    kept = {name: value for name, value in arguments.items() if name not in FREE}
    return to_json({"command": command, "arguments": kept, **facts}, NAME)
