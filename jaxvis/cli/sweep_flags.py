"""Flags of a sweep that is planned before it is made, and of how it is run."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

import tyro

from jaxvis.cli.flags import Count, Folder, Text

SweepMethod = Literal["maximize", "invert", "caricature", "explain", "attack", "generate", "ranvgg"]
"""What a sweep makes of every item."""
Engine = Literal["local", "ray", "slurm"]
"""What runs the shards of a sweep."""
Form = Annotated[
    Literal["csv", "parquet", "files", "webdataset"],
    tyro.conf.arg(name="as"),  # a word of Python's own
]
"""What a sweep is exported as."""


@dataclass(frozen=True)
class PlanFlags:
    """What is planned: these flags go with --plan."""

    plan: Folder = None
    """Write what would be done to this file (.json), with measured time, memory and disk,
    and make nothing: `jaxvis sweep run FILE DIR` makes it. The flags below need it."""
    method: SweepMethod = "maximize"
    """What is made of every item."""
    taps: Text = None
    """Layers, separated by commas; all is every layer of maps; classes are the class scores.
    Classes alone if left out."""
    index: str = ":"
    """Which channels of every layer, such as 0:16 or 1,5,9:12; of ranvgg the numbers of
    networks. All if left out."""
    photos: Folder = None
    """Of invert, caricature, explain, attack and ranvgg, the folder of photographs."""
    set: Text = None
    """Settings of the method, NAME=VALUE; several values make all their combinations, such
    as "steps=64,256; recipe=lucid"."""
    judge: Text = None
    """Networks that say what they see in every picture, separated by commas: NET, or
    NET=WEIGHTS."""
    shard: Count = None
    """Pictures that are written together; what a kill costs is one shard. 32 on a CPU, 256
    on other devices, if left out."""
    format: Literal["png", "webp"] = "png"
    """Of the pictures; both are without loss."""
    measure: Literal["yes", "no"] = "yes"
    """Whether a few pictures of each shape are made, to say what the plan costs."""


@dataclass(frozen=True)
class RunFlags:
    """What runs a sweep, and which part of it."""

    engine: Engine = "local"
    """What runs it: this process with all its devices; Ray, with a worker for each device;
    or SLURM, as an array of jobs."""
    workers: Count = None
    """Of ray and slurm, how many; all devices of the Ray cluster, or 8 jobs, if left out."""
    part: str = "1/1"
    """I/N makes every N-th shard, from the I-th, for schedulers of other kinds."""
    slurm: str = ""
    """Options of sbatch, such as "partition=gpu,gpus_per_node=1,timeout_min=600"."""


RUN = RunFlags()
"""The defaults."""
UNPLANNED = PlanFlags()
"""The defaults."""


def refuse_unplanned(flags: PlanFlags) -> None:
    """Refuses flags of a plan where none is written.

    Args:
      flags: those that were given.

    Raises:
      ValueError: names the flag.
    """
    for field in fields(flags):
        if getattr(flags, field.name) != field.default:
            raise ValueError(
                f"--{field.name} belongs to a plan: add --plan FILE, then jaxvis sweep run FILE DIR"
            )
