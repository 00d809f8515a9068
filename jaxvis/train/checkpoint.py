"""Checkpoints: single files from which a training goes on exactly where it was.

A checkpoint is a safetensors file, written whole or not at all. Its tensors are the
leaves of the state, named by their path. Its metadata are the step and the facts
(network, options) as JSON. A checkpoint that does not fit is refused, and the message
lists the names that differ. The same state gives the same bytes.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.escape import escape, escape_path
from jaxvis.weights.file import compare_shapes
from jaxvis.weights.tensor_file import TensorFile, open_tensors, write_tensors

FORMAT = "jaxvis-training"


class Checkpoint(NamedTuple):
    """The content of a checkpoint.

    Attributes:
      state: the pytree that was saved.
      step: how many steps had been taken.
      facts: the network and the options of the training.
      curves: name -> `[n, 2]` float64, (step, value).
    """

    state: Any
    step: int
    facts: dict[str, Any]
    curves: dict[str, np.ndarray]


def name_leaves(tree: Any) -> dict[str, Any]:
    """Gives the leaves of a pytree by their paths, such as "params/conv1/kernel".

    Args:
      tree: a pytree of arrays; typed keys cannot be saved.
    """
    return {
        "/".join(_name_part(part) for part in path): leaf
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
    }


def _name_part(part: Any) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(part, attribute):
            return str(getattr(part, attribute))
    return str(part)


def save_checkpoint(
    path: str | os.PathLike,
    state: Any,
    *,
    step: int,
    facts: Mapping[str, Any] | None = None,
    curves: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Writes a checkpoint; a crash leaves the previous one.

    Args:
      path: the file.
      state: a pytree of arrays.
      step: how many steps were taken.
      facts: JSON values that a later training must share (`restore`).
      curves: name -> `[n, 2]`, (step, value).

    Raises:
      OSError: if it cannot be written.
    """
    arrays = {f"state/{k}": np.asarray(v) for k, v in name_leaves(state).items()}
    arrays |= {f"curve/{k}": np.asarray(v, float) for k, v in (curves or {}).items()}
    about = {"format": FORMAT, "step": str(step), "facts": json.dumps(facts or {})}
    write_tensors(path, arrays, metadata=about)


def peek(path: str | os.PathLike) -> tuple[int, dict[str, Any]]:
    """Reads (step, facts) of a checkpoint without its arrays.

    Args:
      path: the file.

    Raises:
      FileNotFoundError: if it does not exist.
      ValueError: if it is no checkpoint of a training.
    """
    with open_tensors(path) as file:
        return _read_metadata(file, path)


def restore(
    path: str | os.PathLike, like: Any, *, facts: Mapping[str, Any] | None = None
) -> Checkpoint:
    """Reads a checkpoint and checks it against what is expected of it.

    Args:
      path: the file.
      like: a pytree of arrays (or their shapes) of the structure to return.
      facts: those that the checkpoint must share; None checks none.

    Raises:
      FileNotFoundError: if it does not exist.
      ValueError: if it is damaged, no checkpoint, of another network or of other
        options; the message lists what differs.
    """
    with open_tensors(path) as file:
        step, found_facts = _read_metadata(file, path)
        _check_facts(path, facts or {}, found_facts)
        names = {name: name.removeprefix("state/") for name in file.names}
        found = {
            short: file.shape_of(name) for name, short in names.items() if name.startswith("state/")
        }
        wanted = name_leaves(like)
        problems = compare_shapes({k: tuple(np.shape(v)) for k, v in wanted.items()}, found)
        if problems:
            raise ValueError(
                f"{path} was saved by another network or optimizer, {len(problems)} "
                "names differ: " + "; ".join(problems[:8])
            )
        leaves = [
            jnp.asarray(file.read(f"state/{name}"), leaf.dtype) for name, leaf in wanted.items()
        ]
        curves = {
            name.removeprefix("curve/"): file.read(name)
            for name in names
            if name.startswith("curve/")
        }
    state = jax.tree.unflatten(jax.tree.structure(like), leaves)
    return Checkpoint(state, step, found_facts, curves)


def _read_metadata(file: TensorFile, path: str | os.PathLike) -> tuple[int, dict[str, Any]]:
    """Returns (step, facts)."""
    about = file.metadata
    if about.get("format") != FORMAT:
        raise ValueError(f"{escape_path(path)} is no checkpoint of a training")
    try:
        step, facts = int(about["step"]), json.loads(about["facts"])
    except (KeyError, ValueError, RecursionError):
        step, facts = -1, None
    if step < 0 or not isinstance(facts, dict):
        raise ValueError(
            f"{escape_path(path)} is damaged: its step or its facts make no sense; train anew"
        )
    return step, facts


def _check_facts(
    path: str | os.PathLike, wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> None:
    """Raises ValueError if a wanted fact has another value in the checkpoint."""
    wanted = json.loads(json.dumps(dict(wanted)))  # tuples are lists in JSON
    other = [
        f"{name} {escape(repr(found.get(name)))} there, {escape(repr(value))} here"
        for name, value in wanted.items()
        if found.get(name) != value
    ]
    if other:
        raise ValueError(
            f"{path} was saved by a training of another kind: {'; '.join(other)}; "
            "repeat its options, or train into a new folder"
        )
