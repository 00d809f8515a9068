"""A process that makes shards for an engine: set up as the one that started it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax

from jaxvis.compiler import extend_flags
from jaxvis.devices import use_cores
from jaxvis.jax_internals import has_started
from jaxvis.sweep.store import Store
from jaxvis.tuning import find_tuning

PROGRAMS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)
"""Settings of JAX that say where compiled programs are kept."""


@dataclass(frozen=True)
class Setting:
    """What a worker needs to know of the process that started it.

    Attributes:
      folder: the current one, from which the paths of a plan are read.
      cores: of the CPU that are devices; None takes all that the worker may use.
      programs: where compiled programs are kept.
    """

    folder: str
    cores: int | None = None
    programs: Mapping[str, Any] = field(default_factory=dict)


def describe_setting(*, cores: int | None = None) -> Setting:
    """Describes this process for its workers.

    Args:
      cores: of each worker; None takes all that it may use.
    """
    programs = {name: getattr(jax.config, name) for name in PROGRAMS}
    return Setting(os.getcwd(), cores, programs if programs[PROGRAMS[0]] else {})


def prepare_worker(setting: Setting) -> None:
    """Sets this process up before JAX first computes in it.

    Args:
      setting: of the process that started it.

    Raises:
      OSError, ValueError: if the file of measured numbers cannot be read.
    """
    if Path(setting.folder).is_dir():
        os.chdir(setting.folder)
    find_tuning()
    extend_flags(os.environ)
    if not has_started():
        use_cores(count=setting.cores)
    for name, value in setting.programs.items():
        jax.config.update(name, value)


def check_shared(store: Store, engine: str) -> str:
    """Gives the address of a store for other processes, which see no memory of this one.

    Args:
      store: where pictures go.
      engine: that will write there.

    Raises:
      ValueError: for a store in the memory of this process.
    """
    if store.url.startswith("memory://"):
        raise ValueError(
            f"memory:// is the memory of one process, which --engine {engine} cannot write: "
            "name a folder, or s3://bucket/path"
        )
    return store.url if store.folder is None else str(store.folder.absolute())


def check_flags(*, options: Mapping[str, str] | None, workers: int | None) -> None:
    """Checks the flags of an engine that is not SLURM.

    Args:
      options: those of SLURM, which must be empty.
      workers: how many.

    Raises:
      ValueError: names the flag.
    """
    if options:
        raise ValueError("--slurm is of the engine slurm: leave it out")
    if workers is not None and workers < 1:
        raise ValueError(f"--workers must be at least 1, a whole number, got {workers}")
