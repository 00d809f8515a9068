"""progress.json: what a folder says of the command that writes into it, so that it goes on.

It comes before the first picture and grows with every part of the work that is done,
whole or not at all. It says with which flags, weights and files the command was begun,
and of every finished picture how it ended; the pictures themselves are the PNG files. It
stays when all is done: a command that goes on then only writes sheet and record again.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxvis.cli.autotuning import keep_choices
from jaxvis.cli.flags import ResumeFlags, list_changes
from jaxvis.cli.locking import lock_folder
from jaxvis.cli.saving import Output, holds_files, open_output
from jaxvis.output.files import write_atomically
from jaxvis.output.record import to_json
from jaxvis.platform import platform_of
from jaxvis.tuning import find_tuning

NAME = "progress.json"
FREE = ("out", "overwrite", "resume", "save_every")
"""Flags that a command may change when it goes on: they change no picture."""


@dataclass
class Ledger:
    """What is done of a command.

    Attributes:
      output: where it writes.
      facts: what must be the same when it goes on: command, arguments, and more.
      done: name of a picture, without ending -> how it ended; "finite" says whether it
        has a file.
      own: what else the file keeps of the work, such as the chunk.
      before: seconds that earlier sittings took.
      began: when this one began, by `time.perf_counter`.
      written: whether this sitting has written the file.
    """

    output: Output
    facts: Mapping[str, Any]
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    before: float = 0.0
    began: float = field(default_factory=time.perf_counter)
    written: bool = False

    @property
    def seconds(self) -> float:
        """Wall time of all sittings."""
        return self.before + time.perf_counter() - self.began

    @property
    def path(self) -> Path:
        """The file progress.json."""
        return self.output.folder / NAME

    def write(self) -> None:
        """Writes the file; a picture that is a file of its own has none.

        Raises:
          OSError: if it cannot be written.
        """
        self.written = True
        if self.output.file is None:
            whole = {**self.facts, "own": self.own, "seconds": self.seconds, "done": self.done}
            write_atomically(self.path, json.dumps(to_json(whole, NAME), allow_nan=False).encode())
            keep_choices(self.output.folder, platform_of(()))

    def begin(self) -> None:
        """Writes the file, unless this sitting has: no picture may come before it.

        Raises:
          OSError: if it cannot be written.
        """
        if not self.written:
            self.write()


def open_ledger(
    flags: ResumeFlags,
    command: str,
    arguments: Mapping[str, Any],
    *,
    count: int | None,
    **facts: Any,
) -> Ledger:
    """Opens the output of a command that begins, or of one that goes on.

    Args:
      flags: where it writes, and whether it goes on.
      command: its name.
      arguments: its flags by name.
      count: how many pictures there will be; see `jaxvis.cli.saving.open_output`.
      **facts: what else must be the same when it goes on, such as sha256 sums.

    Raises:
      OSError: if the folder cannot be read or written.
      ValueError: as `open_output` and `resume_ledger`.
    """
    if flags.resume:
        found = resume_ledger(flags.out, command, arguments, bits=flags.bits, **facts)
        of = "" if count is None else f" of {count}"
        print(f"{len(found.done)}{of} pictures are there already", flush=True)
        return found
    output = open_output(flags, command, count=count)
    return begin_ledger(output, command, arguments, **facts)


def begin_ledger(
    output: Output, command: str, arguments: Mapping[str, Any], **facts: Any
) -> Ledger:
    """Begins a command of which nothing is done.

    Args:
      output: where it writes.
      command, arguments, facts: as for `open_ledger`.
    """
    return Ledger(output, describe_command(command, arguments, **facts))


def resume_ledger(
    folder: Path | None, command: str, arguments: Mapping[str, Any], *, bits: int, **facts: Any
) -> Ledger:
    """Opens a command that goes on, or begins it if nothing was done.

    Args:
      folder: where it was begun.
      command, arguments, facts: as for `open_ledger`, the same but for `FREE`.
      bits: a channel of the PNG files.

    Raises:
      OSError: if the folder cannot be read or written.
      ValueError: if no folder is named, another command writes into it, or it holds
        something else, or what was begun with other flags.
    """
    if folder is None or folder.is_file():
        raise ValueError("--resume goes on in a folder: name it with --out")
    folder.mkdir(parents=True, exist_ok=True)
    lock_folder(folder)
    output, wanted = Output(folder, bits=bits), describe_command(command, arguments, **facts)
    path = folder / NAME
    if not path.exists():
        if holds_files(folder):
            raise ValueError(f"{folder} holds files but no {NAME}: nothing to resume")
        return Ledger(output, wanted)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        done = {str(name): dict(one) for name, one in found.pop("done").items()}
        own, before = dict(found.pop("own")), float(found.pop("seconds"))
        old = dict(found["arguments"])
        done = {
            name: one
            for name, one in done.items()
            if not one["finite"] or output.path_of(name).is_file()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is damaged: begin again in a new folder") from None
    refuse_changes(folder, found | {"arguments": old}, wanted)
    return Ledger(output, wanted, done, own, before)


def describe_command(command: str, arguments: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """Describes a command by what must be the same when it goes on, as a file holds it.

    That includes the numbers that replace the default ones of `jaxvis.tuning`.

    Args:
      command: its name.
      arguments: its flags by name; those of `FREE` are left out.
      **facts: what else must be the same.

    Raises:
      ValueError: for a value that a file cannot hold.
    """
    kept = {name: value for name, value in arguments.items() if name not in FREE}
    own = {"command": command, "arguments": kept, "tuning": find_tuning().changes() or None}
    whole: dict[str, Any] = to_json({**own, **facts}, NAME)
    return whole


def refuse_changes(folder: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuses to go on with other flags, or with other files.

    Args:
      folder: where the command was begun.
      found: what its file says, as `describe_command` makes it.
      wanted: what the command says now.

    Raises:
      ValueError: names the flags, with the values that they had, or what else was another.
    """
    if found["command"] != wanted["command"]:
        raise ValueError(f"{folder} holds {found['command']}, not {wanted['command']}")
    wrong = list_changes(found["arguments"], wanted["arguments"])
    wrong += [
        f"other {name}"
        for name in wanted
        if name not in ("command", "arguments") and found.get(name) != wanted[name]
    ]
    if wrong:
        raise ValueError(f"{folder} was begun with {', '.join(wrong)}: resume with it")
