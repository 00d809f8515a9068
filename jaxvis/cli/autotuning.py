"""Which of several algorithms XLA has chosen on a GPU, kept with a run and used again.

On a GPU XLA times several algorithms for a convolution or a matrix product when it compiles,
and takes the fastest. Two compilations may choose differently, and then pictures differ by
rounding that grows from step to step. JAX keeps the choices beside the compiled programs,
one file for each product, so that they are the same for all runs that share that folder.

A run's folder gets a copy of them. Where the run is resumed or made again with another cache
(on another machine, or after the cache was emptied), the copy is used: programs are compiled
into a cache of their own that holds these choices and no others. XLA takes a choice only for
the kind of GPU and the version that it was made with, and times the others anew.

On other platforms nothing is timed, and nothing is kept.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from jaxvis.output.files import read_regular_file, write_atomically
from jaxvis.platform import platform_of

NAME = "autotuning.json"
"""The copy in a run's folder: name of a file -> its text."""
CHOICES = "xla_gpu_per_fusion_autotune_cache_dir"
"""What JAX calls the folder of the choices, inside that of compiled programs."""
PLATFORM = "gpu"
"""The only platform on which XLA times algorithms, as `jaxvis.platform` calls it."""
FILE = re.compile(r"[\w.+-]+\.textproto")
"""Names of the files with choices."""
SHOWN = 16
"""Digits of a checksum that name a cache."""


def repeat_choices(command: str, arguments: Mapping[str, Any]) -> None:
    """Lets XLA choose as before, where a command goes on or repeats another one.

    Args:
      command, arguments: as for `find_source`.

    Raises:
      OSError, ValueError: as `use_choices`.
    """
    source = find_source(command, arguments)
    # Where there is no copy, JAX need not start yet.
    if source is not None and (source / NAME).is_file():
        use_choices(source, platform_of(()))


def find_source(command: str, arguments: Mapping[str, Any]) -> Path | None:
    """Finds the folder whose choices a command shall use, where it goes on or repeats.

    Args:
      command: its name, such as "maximize".
      arguments: its arguments by name, those by position included; see
        `jaxvis.cli.flags.flatten_flags`.
    """
    if command == "rerun":
        return Path(arguments["record"]).parent
    out = arguments.get("out")
    return Path(out) if out is not None and arguments.get("resume") else None


def keep_choices(folder: Path, platform: str, *, cache: Path | None = None) -> None:
    """Copies the choices into a run's folder; does nothing where there are none.

    Args:
      folder: the run's.
      platform: where its programs run: "cpu", "gpu" or "tpu".
      cache: the folder of compiled programs; None takes JAX's.

    Raises:
      OSError: if the folder cannot be written.
    """
    if platform != PLATFORM:
        return
    choices = _read_choices(cache or _find_cache())
    path = folder / NAME
    if choices and (not path.is_file() or _read_copy(path) != choices):
        write_atomically(path, json.dumps(choices, indent=1, sort_keys=True).encode())


def use_choices(folder: Path, platform: str, *, cache: Path | None = None) -> Path | None:
    """Lets XLA choose as it did for a run; to be called before anything is compiled.

    Args:
      folder: the run's; one without a copy changes nothing.
      platform: where programs will run: "cpu", "gpu" or "tpu".
      cache: the folder of compiled programs; None takes JAX's. One that holds the same
        choices is used as it is.

    Returns:
      The folder of compiled programs that JAX uses from now on; None where it is not
      changed.

    Raises:
      OSError: if a file cannot be read or written.
      ValueError: if the copy is damaged.
    """
    path, cache = folder / NAME, cache or _find_cache()
    if platform != PLATFORM or cache is None or not path.is_file():
        return None
    wanted = _read_copy(path)
    # A cache that was made for this run has become larger since, and so has the copy.
    others = sorted(cache.parent.glob(f"{cache.name}-*"))
    own = next(
        (one for one in (cache, *others) if wanted.items() <= _read_choices(one).items()), None
    )
    if own is None:
        checksum = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        own = cache.with_name(f"{cache.name}-{checksum[:SHOWN]}")
        (own / CHOICES).mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            write_atomically(own / CHOICES / name, text.encode())
    if own == cache:
        return None
    jax.config.update("jax_compilation_cache_dir", str(own))
    return own


def _find_cache() -> Path | None:
    """Finds the folder in which JAX keeps compiled programs; None where it keeps none."""
    # JAX adds its settings when it is imported, so its annotations do not list them.
    found = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    return None if found is None or "://" in found else Path(found)


def _read_choices(cache: Path | None) -> dict[str, str]:
    """Reads the choices of a cache; none where there is no such folder."""
    if cache is None or not (cache / CHOICES).is_dir():
        return {}
    files = [path for path in (cache / CHOICES).iterdir() if FILE.fullmatch(path.name)]
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(files)}


def _read_copy(path: Path) -> dict[str, str]:
    """Reads the copy of a run's folder."""
    try:
        found = json.loads(read_regular_file(path))
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(text, str) and FILE.fullmatch(name) for name, text in found.items()
    ):
        raise ValueError(f"{path} is damaged: remove it, and XLA chooses algorithms anew")
    return found
