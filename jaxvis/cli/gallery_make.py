"""How an entry of the gallery is made: its commands in a temporary folder, then its pages."""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from jaxvis.cli import COMMANDS, INTERRUPTED, split_command
from jaxvis.cli.calling import run_command
from jaxvis.cli.locking import hold_locks
from jaxvis.gallery.compose import compose, encode_page
from jaxvis.gallery.entry import Entry
from jaxvis.gallery.photographs import (
    find_photographs,
    lay_drawings,
    lay_photographs,
    lay_stand_ins,
)
from jaxvis.gallery.sums import keep_sum
from jaxvis.output.files import write_atomically
from jaxvis.weights.source import find_weights

PROGRAMS = {
    "python": (sys.executable,),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
}
"""First word of a command that is not jaxvis's own -> what it may be called here."""
DATA = "JAXVIS_TEST_DATA"
"""The variable that names the data folder of the tests."""


def check_needs(
    entries: Mapping[str, Entry], root: Path, photos: Path | None, *, small: bool
) -> dict[str, Path]:
    """Checks that all that entries need is there; gives the photographs, name -> file.

    Args:
      entries: name -> entry.
      root: the checkout.
      photos: the folder of photographs, or None.
      small: whether neither weights nor photographs are needed.

    Raises:
      OSError: for weights or a folder that are not there.
      ValueError: for a photograph or a program that is not there.
    """
    for name, entry in entries.items():
        for command in entry.commands:
            program = command.words()[0]
            if program != "jaxvis":
                _find_program(program, name)
        for file in entry.data:
            if not (_find_data(root) / file).exists():
                raise ValueError(f"{name} needs {file} in the folder that {DATA} names")
    wanted = {one: name for name, entry in entries.items() for one in entry.photographs}
    if wanted and photos is None and not small:
        one, name = next(iter(wanted.items()))
        raise ValueError(
            f"{name} needs {one}, which does not come with jaxvis: name the folder of "
            "photographs with --photos (jaxvis gallery --list says what each picture needs)"
        )
    # What a benchmark draws needs its trained networks even in small.
    heavy = [entry for entry in entries.values() if not small or entry.data]
    for net in dict.fromkeys(net for entry in heavy for net in entry.weights):
        with find_weights(net, None):
            pass
    if small or photos is None:
        return {}
    return find_photographs(photos, [*wanted])


class Maker(NamedTuple):
    """What makes the pictures of entries.

    Attributes:
      folder: where pictures and sums go.
      root: the checkout.
      photographs: name -> file, of all entries.
      small: whether commands are quick, with photographs that come with jaxvis.
    """

    folder: Path
    root: Path
    photographs: Mapping[str, Path]
    small: bool

    def make(self, name: str, entry: Entry) -> int:
        """Makes the pictures of an entry, and keeps their sums.

        Args:
          name: of the entry.
          entry: of the table.

        Returns:
          int: 0; 1 where a command said that a picture failed, or is dead.

        Raises:
          KeyboardInterrupt: after Ctrl-C, also where a command has kept what was finished.
          OSError: if something cannot be read or written.
          ValueError: for a command that fails.
        """
        began, worst = time.perf_counter(), 0
        with tempfile.TemporaryDirectory(prefix="jaxvis-gallery-") as place:
            here = Path(place)
            self._lay(here, entry)
            with contextlib.chdir(here):
                for command in entry.commands:
                    words = command.words(small=self.small)
                    print(f"$ {shlex.join(words)}", flush=True)
                    worst = max(worst, run_line(words, name, data=_find_data(self.root)))
            pages = {
                file: encode_page(compose(here, page), Path(file).suffix)
                for file, page in entry.pages.items()
            }
        for file, data in pages.items():
            (self.folder / file).parent.mkdir(exist_ok=True)
            write_atomically(self.folder / file, data)
        if not self.small:
            keep_sum(self.folder, name, entry, self.root)
        jax.clear_caches()  # hours of other networks' programs follow
        sizes = ", ".join(f"{file} ({len(data) / 1e3:.0f} kB)" for file, data in pages.items())
        print(f"{self.folder}: {sizes}, {time.perf_counter() - began:.0f} s", flush=True)
        return worst

    def _lay(self, here: Path, entry: Entry) -> None:
        """Lays what commands use into their folder."""
        if self.small:
            lay_stand_ins(here, entry.photographs)
        else:
            lay_photographs(here, {one: self.photographs[one] for one in entry.photographs})
        if entry.drawings:
            lay_drawings(here)
        if any("benchmarks" in command.line for command in entry.commands):
            # They write into the checkout that they are part of: this one is thrown away.
            shutil.copytree(self.root / "benchmarks", here / "benchmarks")
            (here / "docs").mkdir()


def run_line(words: Sequence[str], name: str, *, data: Path) -> int:
    """Runs one command line in the current folder; gives its exit code, 0 or 1.

    Args:
      words: of the line.
      name: of the entry, for messages.
      data: the data folder of the tests, which may be missing.

    Raises:
      KeyboardInterrupt: where Ctrl-C cut it short.
      OSError: as the command.
      ValueError: as the command, and if it ends in another way.
    """
    if words[0] == "jaxvis":
        code = _run_own(words[1:])
    else:
        program, variables = _find_program(words[0], name), {**os.environ, DATA: str(data)}
        code = subprocess.run([program, *words[1:]], env=variables).returncode
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code not in (0, 1) or (code and words[0] != "jaxvis"):
        raise ValueError(f"{name}: {words[0]} ended with exit code {code}: {shlex.join(words)}")
    return code


def _run_own(words: Sequence[str]) -> int:
    """Runs a command of jaxvis in this process, and lets go of the folders that it locked."""
    name, rest = split_command(words)
    if not name:
        raise ValueError(f"there is no command jaxvis {' '.join(words[:2])}")
    try:
        with hold_locks():
            code = run_command(name, COMMANDS[name], rest)
    except SystemExit as stop:  # tyro has said why
        return stop.code if isinstance(stop.code, int) else 2
    return code if isinstance(code, int) else 0


def _find_data(root: Path) -> Path:
    """Finds the data folder of the tests, as the benchmarks do; it may be missing."""
    return Path(os.environ.get(DATA, root.parent / "shared" / "data")).absolute()


def _find_program(name: str, entry: str) -> str:
    """Finds a program that is not jaxvis's own."""
    for one in PROGRAMS.get(name, ()):
        found = shutil.which(one)
        if found:
            return found
    raise ValueError(f"{entry} needs {name}, which is not here: install it, or name other pictures")
