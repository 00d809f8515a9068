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
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvis.output.files import write_atomically
from jaxvis.types import Run, Status

SCHEMA = 1
"""Grows when a field changes its meaning; new fields do not change it."""
PACKAGES = ("jaxvis", "jax", "jaxlib", "flax", "optax", "numpy")
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
      **facts: further JSON values, arrays, keys or dataclasses.

    Returns:
      dict: "schema", "command", "arguments", "network", "key", "steps", "seconds",
      "loss", "status", "facts", "pictures", "versions", "device", "created" (UTC), and
      `facts`.

    Raises:
      ValueError: names a value that does not belong in a record.
    """
    terms = {} if run is None else run.trace
    whole = {
        "schema": SCHEMA,
        "command": command,
        "arguments": dict(arguments),
        "network": {"name": net, "weights": weights, "sha256": sha256},
        "key": key,
        "steps": steps,
        "seconds": None if seconds is None else round(seconds, 3),
        "loss": {name: _first_and_last(values) for name, values in terms.items()},
        "status": None if run is None else name_status(run.status),
        "facts": {} if run is None else run.facts,
        "pictures": list(pictures),
        "versions": read_versions(),
        "device": describe_device(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **facts,
    }
    return {name: to_json(value, name) for name, value in whole.items()}


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
    """Gives the default device's platform and kind, and how many there are."""
    first = jax.devices()[0]
    return {
        "platform": first.platform,
        "kind": first.device_kind,
        "count": jax.device_count(),
    }


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
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        schema = found["schema"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise ValueError(f"{path} is not a record of a jaxvis run") from None
    if not isinstance(schema, int) or schema > SCHEMA:
        raise ValueError(f"{path} has schema {schema}, this jaxvis reads up to {SCHEMA}: update it")
    return found
