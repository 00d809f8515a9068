"""The numbers that were measured, all in one place, and a file that replaces them.

On a CPU some choices follow numbers that were found by measuring: how many pictures a core
takes together, and which convolutions go by Winograd's algorithm. They were measured on two
cores of x86 processors, and are the defaults for every machine. They change the
time that a picture takes, and its rounding; nothing else.

`python -m benchmarks tune --out tuning.json` measures them on another machine. The file that it
writes is used where the environment variable JAXVIS_TUNING names it. It is read once, at the
first question. A file that was measured on another processor, or with another vector unit,
is not used: a warning says so, and the defaults stay, so that the machines of a cluster may
have one environment. A file that is damaged, or holds a number that cannot be, is an error.
"""

import dataclasses
import functools
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxvis.escape import escape, escape_path
from jaxvis.processor import Processor, find_used_processor

log = logging.getLogger("jaxvis")

VARIABLE = "JAXVIS_TUNING"
"""The environment variable that names a file."""
MOST = 2**31
"""No number is larger."""
AT_LEAST_ONE = ("core_pixels", "cpu_items")
"""Numbers that may not be 0."""


@dataclass(frozen=True)
class Tuning:
    """The numbers that were measured. All are whole numbers.

    F(m, r) is Winograd's algorithm with output tiles of m x m and kernels of r x r. The gain
    of a layer is in * out / (in + out) of its channels: it says how much its matrix products
    save beside what the transforms cost. The limits of tiles were chosen from forward pass
    and gradient of single layers on two cores, and respect that each layer of such a form
    takes half a second more to compile.

    Args:
      core_pixels: a core takes as many pictures together as have so many pixels. Processor
        time of SqueezeNet's, MobileNetV2's and GoogLeNet's steps was least with 8 pictures of
        64 px, 4 of 96 px, 2 of 128 px and 1 or 2 of 224 px, and up to 1.8 times that with
        twice as many, which leave the core's cache.
      core_large: pixels of a picture up to which a core takes two at least. Two of 224 px
        took each as long as one alone, or a little less; larger ones were not measured. The
        table is in docs/devices.md.
      cpu_items: pictures that a CPU takes together at most. With more it was no faster, and
        shows the first ones later.
      flip_pixels: output pixels up to which a flipped copy of the kernel is kept for the
        gradient. To flip a kernel in a step takes the time of 40 output pixels.
      tile_side: the least side of an output that goes by F(2, 3) or F(4, 3).
      tile2_gain: the least gain for F(2, 3).
      tile4_side: the least side of an output that goes by F(4, 3).
      tile4_gain: the least gain for F(4, 3).
      tile4_weights: F(4, 3) needs in * out below this. Its two transforms take 8 times the
        memory of the kernel; that of F(2, 3), which such kernels may have, takes 1.8 times.
      tile3_side: the least side of an output that goes by F(3, 4), the form of 4x4 kernels.
      tile3_gain: the least gain for F(3, 4).
      learned_side: the least side of an output for which a learned kernel is transformed,
        which then happens in every step and pays for large maps alone.
    """

    core_pixels: int = 40_000
    core_large: int = 256 * 256
    cpu_items: int = 8
    flip_pixels: int = 32 * 32
    tile_side: int = 8
    tile2_gain: int = 100
    tile4_side: int = 24
    tile4_gain: int = 40
    tile4_weights: int = 256 * 512
    tile3_side: int = 24
    tile3_gain: int = 40
    learned_side: int = 48

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for field in dataclasses.fields(self):
            value, least = getattr(self, field.name), int(field.name in AT_LEAST_ONE)
            if type(value) is not int or not least <= value <= MOST:
                raise ValueError(
                    f"{field.name} must be a whole number from {least} to {MOST}, "
                    f"got {escape(value)}"
                )

    def changes(self) -> dict[str, int]:
        """Gives the numbers that are not the default ones, by name."""
        default = Tuning()
        both = ((name, value, getattr(default, name)) for name, value in vars(self).items())
        return {name: value for name, value, usual in both if value != usual}


@functools.cache
def find_tuning() -> Tuning:
    """Finds the numbers of this process: those of the file in $JAXVIS_TUNING, or the defaults.

    Raises:
      OSError: if the file cannot be read.
      ValueError: as `read_tuning`.
    """
    named = os.environ.get(VARIABLE)
    return read_tuning(named) if named else Tuning()


def read_tuning(path: str | Path) -> Tuning:
    """Reads a file of numbers; the defaults where it was measured on another processor.

    Args:
      path: a file that `write_tuning` wrote.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it is damaged, or holds a number that is not known or cannot be.
    """
    shown, here = escape_path(path), find_used_processor()
    remedy = f"write it anew with `python -m benchmarks tune --out {shown}`, or unset {VARIABLE}"
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        there = Processor(_take_text(found, "processor"), _take_text(found, "unit"))
        numbers = dict(found["numbers"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{shown} is no file of measured numbers: {remedy}") from None
    known = {field.name for field in dataclasses.fields(Tuning)}
    if unknown := [name for name in numbers if name not in known]:
        raise ValueError(f"{shown} has an unknown number, {escape(unknown[0])}: {remedy}")
    try:
        tuning = Tuning(**numbers)
    except ValueError as error:
        raise ValueError(f"{shown}: {error}: {remedy}") from None
    if there != here:
        log.warning(
            "%s was measured on %s, and this is %s: the default numbers are used",
            *(shown, _describe(there), _describe(here)),
        )
        return Tuning()
    return tuning


def write_tuning(path: str | Path, tuning: Tuning, measured: Any) -> None:
    """Writes a file of numbers that were measured on this machine.

    Args:
      path: the file; one that exists is replaced.
      tuning: the numbers. Those that are the default ones are left out, so that they stay
        the default ones of later versions.
      measured: what was measured, for whoever reads the file; values that JSON can hold.

    Raises:
      OSError: if it cannot be written.
    """
    name, unit = find_used_processor()
    whole: Mapping[str, Any] = {
        "processor": name,
        "unit": unit,
        "numbers": tuning.changes(),
        "measured": measured,
    }
    Path(path).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def _take_text(found: Any, name: str) -> str:
    if not isinstance(found[name], str):
        raise TypeError(name)
    return found[name]


def _describe(processor: Processor) -> str:
    return escape(" ".join(filter(None, processor)))
