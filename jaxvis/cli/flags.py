"""Flags that many commands share, each written once, with its default and its help."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

# What a flag may be that can be left out: its help says what holds then.
Count = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
Factor = Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
Text = Annotated[str | None, tyro.conf.arg(metavar="STR", help_behavior_hint="")]

Precision = Literal["float32", "tf32", "bfloat16"]


@dataclass(frozen=True)
class WeightsFlags:
    """Which weights the network has."""

    weights: Text = None
    """A file (.pth, .safetensors, .npz, .h5, .keras, .caffemodel, .mat...) or a folder of
    Hugging Face's, converted at first use; hf:OWNER/NAME of its hub;
    torchvision:IMAGENET1K_V2; or random:SEED. The cached file if left out."""
    classes_count: Count = None
    """How many classes it tells apart, for random weights; a file says it itself."""
    channels: Count = None
    """Of the image, 1 for grey, for random weights; a file says it itself."""


@dataclass(frozen=True)
class NetworkFlags(WeightsFlags):
    """Which weights the network has, what its classes are called, and how it computes."""

    labels: Text = None
    """A file with one class label a line, by class index, or in JSON; or imagenet. Those
    of the weights if left out."""
    skip_first_label: bool = False
    """Leave out the first of them, such as "background"."""
    precision: Precision = "float32"
    """Of the network's products."""


@dataclass(frozen=True)
class OutputFlags:
    """Where the pictures go."""

    out: Folder = None
    """A new or empty folder, or a file such as art.png where the command makes one
    picture; jaxvis-COMMAND in the current folder if left out."""
    overwrite: bool = False
    """Write into a folder that holds files, and over a file."""
    bits: Literal[8, 16] = 8
    """Bits a channel of the PNG files."""


@dataclass(frozen=True)
class ResumeFlags(OutputFlags):
    """Where the pictures go, and whether a command goes on."""

    resume: bool = False
    """Go on in the folder named by --out, with the flags that it was begun with.
    Finished pictures stay; what was made together (--chunk) and is not finished is made
    again."""


@dataclass(frozen=True)
class WatchFlags(ResumeFlags):
    """Where the pictures go, when, and whether a command goes on."""

    save_every: Count = None
    """Steps after which the pictures in progress are saved, again and again."""


@dataclass(frozen=True)
class SeedFlags:
    """How many pictures of each there are, and what is random about them."""

    seeds: int = 1
    """Pictures of each, from different random starts."""
    seed: int = 0
    """Of all randomness, from 0 to 4294967295."""
    chunk: Count = None
    """Pictures that a device makes together; fitted to the memory if left out."""


WEIGHTS, NETWORK, OUTPUT, SEEDS = WeightsFlags(), NetworkFlags(), OutputFlags(), SeedFlags()
RESUMABLE, WATCHED = ResumeFlags(), WatchFlags()
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


def default_of(function: Callable[..., Any], option: str) -> Any:
    """Gives the default of a method's option, so that it is written once.

    Args:
      function: the method.
      option: its name.
    """
    return inspect.signature(function).parameters[option].default
