"""The JSON beside a picture: what is enough to make the picture again.

A record is a plain dict of JSON values. Numbers that JSON cannot express are strings:
"nan", "inf", "-inf" (`float` reads them back). Paths are written as the user gave them;
nothing else of the machine's file system is in a record.
"""

import dataclasses
import datetime
import importlib.metadata
import json
import math
import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvis.escape import escape, escape_path
from jaxvis.output.files import read_regular_file, write_atomically
from jaxvis.output.io import describe_formats
from jaxvis.processor import find_processor
from jaxvis.tuning import find_tuning
from jaxvis.types import Run, Status

SCHEMA = 1
"""Grows when a field changes its meaning; new fields do not change it."""
PACKAGES = ("jaxvis", "jax", "jaxlib", "flax", "optax", "numpy", "pillow", "matplotlib")
MAX_BYTES = 1 << 25
"""The longest record that is read; that of a thousand pictures has a hundredth of it."""
VALUES = 100_000
"""The longest array that a record takes, in values."""


def make_record(
    command: str,
    arguments: Mapping[str, Any],
    *,
    net: str | None = None,
    weights: str | None = None,
    sha256: str | None = None,
    key: jax.Array | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    run: Run | None = None,
    pictures: Sequence[Mapping[str, Any]] = (),
    inputs: Mapping[str, Any] | None = None,
    files: Mapping[str, Any] | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """Makes the record of a command, ready for `write_record`.

    Args:
      command: what was run, such as "maximize".
      arguments: its arguments by name, defaults included, as the user gave them.
      net: the network's name.
      weights: where its parameters came from: the path given, "random:0", "embedded".
      sha256: of the file of weights, in hex.
      key: the typed random key of the run.
      steps: optimisation steps.
      seconds: wall time.
      run: what a method returned. The first and the last value of its terms, the words
        of its status and its facts are kept, as nested lists `[N]` or `[N, S]`.
      pictures: facts on each picture, such as {"file": ..., "index": ..., "seed": ...}.
      inputs: path as the user gave it -> sha256 of the file in hex; of a folder, name of
        each of its files -> sha256, or None for one that cannot be read.
      files: name of each file that was written -> its sha256 in hex.
      **facts: further JSON values, arrays, keys or dataclasses.

    Returns:
      dict: "schema", "command", "arguments", "network", "inputs", "key", "steps",
      "chunk" (how many items were optimised together; None where that was not always
      the same number), "seconds", "loss", "status", "facts", "pictures", "files",
      "formats" (how those were written that are pictures and no PNG files), "versions",
      "device", "tuning" (the numbers that replace the default ones of
      `jaxvis.tuning`, or None), "created" (UTC), and `facts`, which come last and win.

    Raises:
      ValueError: names a value that does not belong in a record.
    """
    terms = {} if run is None else run.trace
    whole = {
        "schema": SCHEMA,
        "command": command,
        "arguments": dict(arguments),
        "network": {"name": net, "weights": weights, "sha256": sha256},
        "inputs": dict(inputs or {}),
        "key": key,
        "steps": steps,
        "chunk": _find_chunk(run),
        "seconds": None if seconds is None else round(seconds, 3),
        "loss": {name: _first_and_last(values) for name, values in terms.items()},
        "status": None if run is None else name_status(run.status),
        "facts": {} if run is None else run.facts,
        "pictures": list(pictures),
        "files": dict(files or {}),
        "formats": describe_formats(files or ()),
        "versions": read_versions(),
        "device": describe_device(),
        "tuning": find_tuning().changes() or None,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **facts,
    }
    return {name: to_json(value, name) for name, value in whole.items()}


def _find_chunk(run: Run | None) -> int | None:
    """Finds how many items were optimised together, if it was one number throughout."""
    sizes = np.unique([] if run is None else run.facts.get("chunk", []))
    sizes = sizes[sizes > 0]  # 0 is of a picture that Ctrl-C came before
    return int(sizes[0]) if len(sizes) == 1 else None


def _first_and_last(values: Any) -> dict[str, Any]:
    """Gives the first and the last value of every line of `[..., steps]`."""
    values = np.asarray(values)
    if values.ndim == 0 or not values.shape[-1]:
        return {"first": None, "last": None}
    return {"first": values[..., 0], "last": values[..., -1]}


def name_status(status: Any) -> Any:
    """Gives the words of a status: "done", "failed", "unfinished", "dead"...

    Args:
      status: values of `jaxvis.types.Status`, of any shape `[...]`.

    Returns:
      A word, or nested lists of words of that shape.
    """
    status = np.asarray(status)
    words = {int(one): one.name.lower() for one in Status}
    if not status.ndim:
        return words[int(status)]
    return [name_status(one) for one in status]


def read_versions() -> dict[str, str]:
    """Reads the versions of Python and of the packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def describe_device() -> dict[str, Any]:
    """Gives what computes: what programs are compiled for, and with which flags.

    Returns:
      dict: "platform" and "kind" of the default device, "count" of devices, "flags" of
      the compiler (but those that name a file); of a CPU also "processor" and "cores".
    """
    first, flags = jax.devices()[0], os.environ.get("XLA_FLAGS", "").split()
    found: dict[str, Any] = {
        "platform": first.platform,
        "kind": first.device_kind,
        "count": jax.device_count(),
        "flags": " ".join(flag for flag in flags if "/" not in flag),
    }
    if first.platform == "cpu":
        found |= {"processor": find_processor().name, "cores": os.cpu_count()}
    return found


def to_json(value: Any, name: str) -> Any:
    """Converts a value to JSON's own types.

    Args:
      value: None, a bool, number, string, path, array, typed key, dataclass, mapping
        or sequence of such.
      name: what the message calls it.

    Raises:
      ValueError: for anything else, and for arrays of more than `VALUES` values.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): to_json(v, f"{name}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return to_json({"type": type(value).__name__, **fields}, name)
    if isinstance(value, (list, tuple, range, set, frozenset)):
        value = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [to_json(item, f"{name}[{i}]") for i, item in enumerate(value)]
    return _array_to_json(value, name)


def _array_to_json(value: Any, name: str) -> Any:
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        data = np.asarray(jax.random.key_data(value))
        return {"key": data.tolist(), "impl": str(jax.random.key_impl(value))}
    if not isinstance(value, (jax.Array, np.ndarray, np.generic)):
        raise ValueError(
            f"the record's {name!r} is a {type(value).__name__}, which JSON cannot express: pass "
            "numbers, text, arrays or dataclasses of them"
        )
    if value.size > VALUES:
        raise ValueError(
            f"the record's {name!r} has {value.size} values: arrays that large belong "
            "in a file beside it"
        )
    return to_json(np.asarray(value).tolist(), name)


def write_record(path: str | Path, record: Mapping[str, Any]) -> None:
    """Writes a record as JSON, whole or not at all.

    Args:
      path: the file; one that exists is replaced.
      record: what `make_record` returns, or part of it.

    Raises:
      OSError: if the folder is missing or cannot be written.
      ValueError: names a value that JSON cannot express.
    """
    text = json.dumps(to_json(record, "record"), indent=1, allow_nan=False)
    # One line for a list of numbers. JSON strings have no raw newline, so none is hit.
    text = re.sub(r"\[\n[^\[\]{}\"]*\]", lambda m: " ".join(m[0].split()), text)
    write_atomically(path, (text + "\n").encode())


def read_record(path: str | Path) -> dict[str, Any]:
    """Reads a record that `write_record` wrote.

    Args:
      path: the file.

    Returns:
      dict: JSON values; numbers that are not finite are still strings.

    Raises:
      OSError: if the file cannot be opened.
      ValueError: if it is no record, or was written by a later jaxvis.
    """
    data, shown = read_regular_file(path, most=MAX_BYTES), escape_path(path)
    try:
        found = json.loads(data.decode("utf-8"))
        schema = found["schema"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{shown} is not a record of a jaxvis run") from None
    if not isinstance(schema, int) or schema > SCHEMA:
        held = escape(schema)
        raise ValueError(f"{shown} has schema {held}, this jaxvis reads up to {SCHEMA}: update it")
    return found
