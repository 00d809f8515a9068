"""The file of a plan: JSON, written whole, read with care, and what of it is the work."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from jaxvis.escape import escape, escape_path
from jaxvis.output.files import read_regular_file, write_atomically
from jaxvis.output.record import to_json
from jaxvis.sweep.plan import Photos, Plan, Shard, Source
from jaxvis.sweep.ranges import read_ranges, write_ranges

SCHEMA = 1
"""Grows when a field changes its meaning."""
FREE = ("weights", "folder", "labels")
"""Fields that say where a file is: not what it is, so they may change from place to place."""


def hash_plan(plan: Plan) -> str:
    """Computes the sha256 of what the pictures of a plan depend on, not of estimates and paths.

    Args:
      plan: any.
    """
    text = json.dumps(describe_work(plan), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def describe_work(plan: Plan) -> dict[str, Any]:
    """Gives what the pictures of a plan depend on, as JSON: no estimate, no path.

    Args:
      plan: any.
    """
    whole = plan_to_json(plan)
    del whole["estimate"], whole["version"]
    for part in (whole["network"], *whole["judges"], *filter(None, [whole["photos"]])):
        for name in FREE:
            part.pop(name, None)
        if part.get("net_sha256"):
            part["name"] = Path(part["name"]).name
    return whole


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Gives a plan as JSON values.

    Args:
      plan: any.

    Raises:
      ValueError: for a setting that JSON cannot express.
    """
    whole: dict[str, Any] = to_json(plan, "plan")
    _drop_types(whole)
    whole |= {"schema": SCHEMA}
    for shard, own in zip(whole["shards"], plan.shards):
        shard["indices"] = write_ranges(own.indices)
    return whole


def _drop_types(value: Any) -> None:
    """Drops the names of dataclasses that records have, but those inside of recipes."""
    value.pop("type", None)
    for name in ("network", "photos"):
        if value[name]:
            value[name].pop("type", None)
    for one in (*value["judges"], *value["shards"]):
        one.pop("type", None)


def write_plan(path: str | Path, plan: Plan) -> None:
    """Writes a plan, whole or not at all.

    Args:
      path: the file.
      plan: any.

    Raises:
      OSError: if the folder is missing or cannot be written.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from jaxvis.sweep import Wish, plan_sweep, write_plan
    >>> plan = plan_sweep("demo", Wish(units=[("conv2_1", [3])], settings={"steps": [2]}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_plan(Path(folder, "plan.json"), plan)
    ...     [file.name for file in Path(folder).iterdir()]
    ['plan.json']
    """
    write_atomically(path, encode_plan(plan))


def encode_plan(plan: Plan) -> bytes:
    """Encodes a plan as the bytes of its file.

    Args:
      plan: any.
    """
    return (json.dumps(plan_to_json(plan), indent=1, allow_nan=False) + "\n").encode()


def read_plan(path: str | Path) -> Plan:
    """Reads a plan that `write_plan` wrote.

    Args:
      path: the file.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is no plan, or was written by a later jaxvis.

    >>> import tempfile
    >>> from jaxvis.sweep import Wish, plan_sweep, read_plan, write_plan
    >>> plan = plan_sweep("demo", Wish(units=[("conv2_1", [3])], settings={"steps": [2]}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_plan(f"{folder}/plan.json", plan)
    ...     read_plan(f"{folder}/plan.json") == plan
    True
    """
    return decode_plan(read_regular_file(path), escape_path(path))


def decode_plan(data: bytes, shown: str) -> Plan:
    """Decodes the bytes of a plan's file.

    Args:
      data: the bytes.
      shown: what messages call the file.

    Raises:
      ValueError: if it is no plan, or was written by a later jaxvis.
    """
    try:
        found = json.loads(data.decode("utf-8"))
        schema = found.pop("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise _Newer(
                f"{shown} has schema {schema}, this jaxvis reads up to {SCHEMA}: update it"
            )
        shards = tuple(_read_shard(one) for one in found.pop("shards"))
        network = Source(**found.pop("network"))
        judges = tuple(Source(**one) for one in found.pop("judges"))
        photos = found.pop("photos")
        recipes = tuple(found.pop("recipes"))
        kept = {one.name for one in fields(Plan)}
        return Plan(
            shards=shards,
            network=network,
            judges=judges,
            photos=None if photos is None else Photos(**photos),
            recipes=recipes,
            **{name: value for name, value in found.items() if name in kept},
        )
    except _Newer as newer:
        raise ValueError(str(newer)) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{shown} is no plan of a sweep ({escape(error)})") from None


class _Newer(Exception):
    """A plan of a later jaxvis."""


def _read_shard(found: dict[str, Any]) -> Shard:
    height, width = found["size"]
    return Shard(
        name=str(found["name"]),
        tap=found["tap"],
        indices=read_ranges(found["indices"]),
        sources=tuple(found["sources"]),
        size=(int(height), int(width)),
        settings=dict(found["settings"]),
    )


def list_differences(old: Any, new: Any, *, path: str = "", most: int = 6) -> list[str]:
    """Lists where two JSON values differ: "seeds: 2, now 4".

    Args:
      old, new: such as `describe_work` gives them.
      path: what the values themselves are called.
      most: how many differences are listed.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        found: list[str] = []
        for name in dict.fromkeys([*old, *new]):
            below = f"{path}.{name}" if path else name
            found += list_differences(old.get(name), new.get(name), path=below, most=most)
        return found[:most]
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return [f"{path}: {len(old)} of them, now {len(new)}"]
        found = []
        for number, (one, other) in enumerate(zip(old, new)):
            found += list_differences(one, other, path=f"{path}[{number}]", most=most)
        return found[:most]
    return [] if old == new else [f"{path}: {escape(old)}, now {escape(new)}"]
