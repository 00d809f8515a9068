"""What a sweep has done so far, in a file: a killed one goes on where it stopped.

progress.json comes with the first finished chunk and grows with every other, whole or
not at all. It says with which flags, weights and decoder the sweep was begun,
and of every finished picture how it ended; the pictures themselves are its PNG files.
It stays, so that a command killed before its record makes the record alone.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.output.files import write_atomically
from jaxvis.output.io import read_image, write_image
from jaxvis.output.record import plain
from jaxvis.types import Run, Status

NAME = "progress.json"
FREE = ("out", "overwrite", "resume", "chunk")
"""Flags that a resumed command may change: they change no picture."""


@dataclass
class Progress:
    """What is done of a sweep.

    Attributes:
      folder: where it is.
      facts: what all of it has in common.
      files: of every picture, in the order of positions.
      done: position -> {"finite", "status", "ends": term -> [first, last value]}.
      steps: updates of each; 0 as long as none is done.
      before: seconds that earlier sittings took.
    """

    folder: Path
    facts: Mapping[str, Any]
    files: Sequence[str]
    done: dict[int, dict[str, Any]] = field(default_factory=dict)
    steps: int = 0
    before: float = 0.0
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Wall time of all sittings."""
        return self.before + time.perf_counter() - self.began

    def keep(self, where: Sequence[int], run: Run) -> None:
        """Writes the finished pictures of a chunk, then what they came to.

        Args:
          where: their positions.
          run: leaves `[n, ...]`.

        Raises:
          OSError: if the folder cannot be written.
        """
        terms = {
            name: np.asarray(values, np.float64)[:, [0, -1]].tolist()
            for name, values in run.trace.items()
            if name != "status"
        }
        for i, at in enumerate(where):
            finite = bool(np.isfinite(run.image[i]).all())
            if finite:
                write_image(self.folder / self.files[at], run.image[i])
            self.done[at] = {
                "finite": finite,
                "status": int(run.trace["status"][i]),
                "ends": {name: values[i] for name, values in terms.items()},
            }
        self.steps = run.trace["loss"].shape[-1]
        self.write()

    def write(self) -> None:
        """Writes the file."""
        whole = {**self.facts, "steps": self.steps, "seconds": self.seconds, "done": self.done}
        text = json.dumps(plain(whole, NAME), allow_nan=False)
        write_atomically(self.folder / NAME, text.encode())

    def run(self, seeds: int) -> Run:
        """Returns all of it as a Run, from the files: 8-bit pictures, NaN if missing.

        Args:
          seeds: pictures per item.

        Raises:
          OSError, ValueError: if a picture that was written is gone or damaged.
        """
        images = {
            at: read_image(self.folder / self.files[at])
            for at, one in self.done.items()
            if one["finite"]
        }
        shape = next(iter(images.values())).shape if images else (32, 32, 3)
        count, lost = len(self.files), np.full(shape, np.nan, np.float32)
        names = next(iter(self.done.values()))["ends"]
        ends = {name: np.full((count, 2), np.nan) for name in names}
        status = np.full(count, Status.UNFINISHED, np.int8)
        for at, one in self.done.items():
            status[at] = one["status"]
            for name in names:
                ends[name][at] = [float(value) for value in one["ends"][name]]
        image = np.stack([images.get(at, lost) for at in range(count)])
        trace = {"status": status, **ends}
        trace = {name: leaf.reshape(-1, seeds, *leaf.shape[1:]) for name, leaf in trace.items()}
        return Run((), image.reshape(-1, seeds, *shape), trace)


def begun(
    folder: Path,
    command: str,
    arguments: Mapping[str, Any],
    files: Sequence[str],
    **facts: Any,
) -> Progress:
    """Returns the progress of a sweep that begins.

    Args:
      folder: to write to; see `jaxvis.cli.common.new_folder`.
      command: its name.
      arguments: its flags by name.
      files: of every picture.
      **facts: what else must be the same when it goes on, such as sha256 sums.
    """
    return Progress(folder, _facts(command, arguments, facts), files)


def reopened(
    folder: Path | None,
    command: str,
    arguments: Mapping[str, Any],
    files: Sequence[str],
    **facts: Any,
) -> Progress:
    """Returns the progress of a sweep that goes on, or begins if nothing was finished.

    Args:
      folder: where it was begun.
      command, arguments, files, facts: as for `begun`, and the same but for `FREE`.

    Raises:
      OSError: if the folder cannot be read.
      ValueError: if no folder is named, or it holds something else, or a sweep that was
        begun with other flags.
    """
    if folder is None:
        raise ValueError("--resume goes on in a folder: name it with --out")
    path, wanted = folder / NAME, _facts(command, arguments, facts)
    if not path.exists():
        if folder.exists() and any(folder.iterdir()):
            raise ValueError(f"{folder} holds files but no {NAME}: nothing to resume")
        folder.mkdir(parents=True, exist_ok=True)
        return Progress(folder, wanted, files)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        done = {int(at): dict(one) for at, one in found.pop("done").items()}
        steps, before = int(found.pop("steps")), float(found.pop("seconds"))
        old = dict(found["arguments"])
        if max(done, default=-1) >= len(files) and old == wanted["arguments"]:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is damaged: begin again in a new folder") from None
    wrong = changed(old, wanted["arguments"])
    wrong += [
        f"other {name}"
        for name in wanted
        if name != "arguments" and found.get(name) != wanted[name]
    ]
    if wrong:
        raise ValueError(f"{folder} was begun with {', '.join(wrong)}: resume with it")
    return Progress(folder, wanted, files, done, steps, before)


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Returns the flags, with their old values, that are not what they were.

    Args:
      old, new: flag's name -> value, as a file holds it.
    """
    return [
        f"--{name.replace('_', '-')} {value}"
        for name, value in old.items()
        if new.get(name) != value
    ]


def _facts(command: str, arguments: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in arguments.items() if name not in FREE}
    return plain({"command": command, "arguments": kept, **facts}, NAME)
