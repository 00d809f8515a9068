"""jaxvis rerun: a command once more, from its record, and whether its files are the same."""

import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from jaxvis.cli.rerun_call import call_command, find_command, list_flags
from jaxvis.cli.rerun_check import list_changes_of_inputs
from jaxvis.cli.rerun_compare import (
    Pieces,
    compare_pieces,
    find_one_file,
    find_pieces,
    list_finished,
)
from jaxvis.escape import escape_characters
from jaxvis.output.record import read_record

SHOWN = 6
"""Names that a message lists; it counts the others."""


def rerun(
    record: Path,
    /,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    changed: bool = False,
) -> int:
    """Runs a command again from its record, and compares what both have made.

    Call it in the folder where the command ran: paths are as they were given then.
    Inputs and weights are checked first. Files are equal byte for byte where versions,
    device and chunk are the same. Exit code 0: all are; 1: some differ, and it says what
    else does. For example: jaxvis rerun classes/record.json --out again

    Args:
      record: the record.json (or art.json) of any command.
      out: a new or empty folder; jaxvis-rerun if left out.
      overwrite: write into a folder that holds files.
      changed: go on although inputs or weights have changed since.

    Raises:
      OSError: if the record, an input or the folder cannot be opened.
      ValueError: for a damaged record or one of a later jaxvis, and for inputs or
        weights that have changed or are not there, unless told to go on.
    """
    kept = _read(record)
    command = find_command(kept["command"])
    folder = out or _choose_folder()
    one, flags = find_one_file(record, kept), list_flags(command)
    arguments = {**kept["arguments"], "out": str(folder / one if one else folder)}
    own = {"overwrite": overwrite, "resume": False, "chunk": kept.get("chunk")}
    arguments |= {name: own[name] for name in own if name in flags and own[name] is not None}
    _check(record, kept, go_on=changed)
    print(f"jaxvis {kept['command']} again, into {folder}", flush=True)
    code = call_command(command, arguments)
    if code == 130:
        return 130
    return _report(compare_pieces(kept, find_pieces(record, kept, folder, arguments["out"])))


def _read(path: Path) -> dict[str, Any]:
    """Reads a record, and checks that a command can be called from it."""
    kept = read_record(path)
    parts: dict[str, type] = {
        "command": str,
        "arguments": dict,
        "inputs": dict,
        "files": dict,
        "network": dict,
        "pictures": list,
    }
    for name, kind in parts.items():
        if not isinstance(kept.get(name, kind()), kind):
            raise ValueError(f"{path} is damaged: its {name} is no {kind.__name__}")
    if not all(isinstance(one, dict) for one in kept.get("pictures", [])):
        raise ValueError(f"{path} is damaged: its pictures are not described")
    if "command" not in kept or "arguments" not in kept:
        raise ValueError(f"{path} is damaged: it names no command and arguments")
    return kept


def _choose_folder() -> Path:
    names = (Path("jaxvis-rerun" if i == 1 else f"jaxvis-rerun-{i}") for i in count(1))
    return next(folder for folder in names if not folder.exists())


def _check(path: Path, kept: Mapping[str, Any], *, go_on: bool) -> None:
    """Refuses what cannot come out the same, before any work starts."""
    if kept.get("interrupted"):
        finished = list_finished(kept)
        if not finished and not go_on:
            raise ValueError(
                f"{path} is of an interrupted run that had finished nothing to compare: "
                "finish it with --resume first, or pass --changed"
            )
        _say(f"{path} is of an interrupted run: only what was finished is compared")
    if "inputs" not in kept:
        _say(f"{path} keeps no sha256 of its inputs: nobody knows whether they have changed")
    changes = list_changes_of_inputs(kept)
    if not changes:
        return
    if not go_on:
        raise ValueError(
            f"{_join(changes, '; ')}. Paths are as they were given: call rerun in the folder "
            "where the command ran, or pass --changed to go on all the same"
        )
    _say(_join(changes, "; "))


def _report(pieces: Pieces) -> int:
    """Says which files are the same; gives the exit code."""
    if pieces.unknown:
        _say(f"could not be compared: {_join(pieces.unknown)}")
    total = len(pieces.same) + len(pieces.different)
    if not pieces.different:
        what = f"all {total} files are" if total > 1 else "the one file is"
        print(f"{what} the same, byte for byte" if total else "no file could be compared")
        return 0
    _say(f"{len(pieces.different)} of {total} files differ: {_join(pieces.different)}")
    for reason in pieces.reasons:
        _say(f"  {reason}")
    if not pieces.reasons:
        _say("  although nothing else does that the record knows of")
    return 1


def _join(words: list[str], between: str = ", ") -> str:
    rest = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return between.join(words[:SHOWN]) + rest


def _say(text: str) -> None:
    print(escape_characters(text), file=sys.stderr, flush=True)
