"""Flags that many commands share, each written once, with its default and its help."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

Precision = Literal["float32", "tf32", "bfloat16"]


@dataclass(frozen=True)
class NetworkFlags:
    """Which weights the network has, and how it computes."""

    weights: str | None = None
    """A converted file, or random:SEED; the cached file if left out."""
    precision: Precision = "float32"
    """Of the network's products."""


@dataclass(frozen=True)
class OutputFlags:
    """Where the pictures go."""

    out: Path | None = None
    """A new or empty folder, or a file such as art.png where the command makes one
    picture; jaxvis-COMMAND in the current folder if left out."""
    overwrite: bool = False
    """Write into a folder that holds files, and over a file."""
    bits: Literal[8, 16] = 8
    """Bits a channel of the PNG files."""


@dataclass(frozen=True)
class SeedFlags:
    """How many pictures of each there are, and what is random about them."""

    seeds: int = 1
    """Pictures of each, from different random starts."""
    seed: int = 0
    """Of all randomness, from 0 to 4294967295."""
    chunk: int | None = None
    """Pictures made together; fitted to the memory if left out."""


NETWORK, OUTPUT, SEEDS = NetworkFlags(), OutputFlags(), SeedFlags()
"""The defaults, for signatures of commands."""


def flatten_flags(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Gives a command's arguments by the names that its flags have.

    Args:
      arguments: a command's `locals()`, in which shared flags are dataclasses.
    """
    flat: dict[str, Any] = {}
    for name, value in arguments.items():
        if is_dataclass(value) and not isinstance(value, type):
            flat.update({field.name: getattr(value, field.name) for field in fields(value)})
        else:
            flat[name] = value
    return flat


def default_of(function: Callable[..., Any], option: str) -> Any:
    """Gives the default of a method's option, so that it is written once.

    Args:
      function: the method.
      option: its name.
    """
    return inspect.signature(function).parameters[option].default
