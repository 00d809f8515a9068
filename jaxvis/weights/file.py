"""The converted file: safetensors named after a network's table, checked both ways.

Tensors are named `row/leaf` (`conv1_1/kernel`, `input/scale`); the metadata say which
network they are for and where they came from. `weights_convert` writes such files.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from jaxvis.nets.table.forward import parameter_shapes
from jaxvis.network import Network
from jaxvis.types import Params

CONVERT = "python -m weights_convert {source} --net {net} --out {net}.safetensors"


def read(path: str | os.PathLike, net: Network, *, stop: str | None = None) -> Params:
    """Returns the parameters in a converted file, checked against a network.

    Args:
      path: the file.
      net: the network it must have been made for.
      stop: the last tap that is wanted; later rows are not read. None reads all that
        the file has: one that was converted up to a tap has no rows after it.

    Returns:
      Params: float32.

    Raises:
      FileNotFoundError: if it does not exist.
      ValueError: if it is damaged, unconverted, or does not fit; lists every missing,
        extra and misshaped name.
    """
    with opened(path) as file:
        facts = _facts(file, path, net.name)
        wanted = flat_shapes(net, stop=stop or facts.get("stop") or None)
        beyond = flat_shapes(net).keys() - wanted.keys()
        found = {name: shape_of(file, name) for name in sorted({*file.keys()} - beyond)}
        problems = differences(wanted, found)
        if problems:
            raise ValueError(_mismatch(path, net, problems))
        params: dict[str, dict[str, jax.Array]] = {}
        for name in wanted:
            row, _, leaf = name.rpartition("/")
            # In NumPy: JAX would compile one cast a shape.
            array = np.asarray(file.get_tensor(name), np.float32)
            params.setdefault(row, {})[leaf] = jnp.asarray(array)
    return params


def metadata(path: str | os.PathLike) -> dict[str, str]:
    """Returns what a converted file says of itself.

    Args:
      path: the file.

    Returns:
      dict: strings under "net", "source" and "sha256" (JSON lists), "preprocess",
      "stop" (the last tap, or empty) and "labels" (a JSON list, by class index).

    Raises:
      FileNotFoundError: as `read`.
      ValueError: as `read`.
    """
    with opened(path) as file:
        return _facts(file, path, None)


def labels(path: str | os.PathLike) -> tuple[str, ...]:
    """Returns the class labels in a converted file, by class index; () if unknown.

    Args:
      path: the file.

    Raises:
      FileNotFoundError: as `read`.
      ValueError: as `read`.
    """
    return tuple(json.loads(metadata(path).get("labels") or "[]"))


def save(
    path: str | os.PathLike,
    net: Network,
    params: Params,
    *,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Writes parameters as a converted file, whole or not at all.

    Args:
      path: the file to write; a temporary one beside it is renamed onto it.
      net: the network; `params` is checked against it.
      params: the arrays, written in their own dtype (`load` casts to float32).
      facts: further metadata; "stop" names the last tap if later rows are absent.

    Raises:
      ValueError: if `params` does not fit `net`; lists every differing name.
    """
    facts = {**(facts or {}), "format": "jaxvis", "net": net.name}
    arrays = {
        f"{row}/{leaf}": np.ascontiguousarray(array)
        for row, leaves in params.items()
        for leaf, array in leaves.items()
    }
    found = {name: array.shape for name, array in arrays.items()}
    problems = differences(flat_shapes(net, stop=facts.get("stop") or None), found)
    if problems:
        raise ValueError(_mismatch("the parameters", net, problems))
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as part:
        file = Path(part) / path.name
        file.touch()
        mode = file.stat().st_mode
        save_file(arrays, file, metadata=facts)
        file.chmod(mode)  # safetensors lets only the owner read
        os.replace(file, path)


def flat_shapes(net: Network, *, stop: str | None = None) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every tensor of a converted file, by `row/leaf`.

    Args:
      net: a table network.
      stop: the last tap; None keeps every row.

    Raises:
      ValueError: for an adapted network or an unknown tap.
    """
    wanted = net.named(stop or net.taps[-1])
    rows = net.forward.needed(frozenset(["input"]), wanted) if stop else net.taps
    return {
        f"{row}/{leaf}": shape
        for row, leaves in parameter_shapes(net).items()
        if row in rows
        for leaf, shape in leaves.items()
    }


def differences(
    wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Returns one line for every missing, extra and misshaped name.

    Args:
      wanted: name -> shape, of the network.
      found: name -> shape, of the file.
    """
    missing = [f"missing {name} {wanted[name]}" for name in wanted if name not in found]
    extra = [f"extra {name} {found[name]}" for name in found if name not in wanted]
    misshaped = [
        f"misshaped {name}: {found[name]} in the file, {wanted[name]} in the network"
        for name in wanted
        if name in found and tuple(found[name]) != tuple(wanted[name])
    ]
    return missing + extra + misshaped


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[Any]:
    """Yields a safetensors file, mapped and not read.

    Args:
      path: the file.

    Raises:
      FileNotFoundError: if it does not exist.
      ValueError: if it is empty, truncated, claims more than it has, or is something
        else; nothing is allocated for what it claims.
    """
    path = Path(path)
    size = path.stat().st_size  # FileNotFoundError names the file
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a file of weights")
    if size == 0:
        raise ValueError(f"{path} is empty: fetch it again")
    with path.open("rb") as raw:
        start = raw.read(9)
    header = int.from_bytes(start[:8], "little")
    if len(start) < 9 or start[8:9] != b"{":
        raise ValueError(
            f"{path} is not a safetensors file; to convert a checkpoint run: "
            + CONVERT.format(source=path.name, net="NET")
        )
    if header > size - 8:
        raise ValueError(
            f"{path} is truncated: its header claims {header} bytes, the file has "
            f"{size}; fetch it again"
        )
    try:
        file = safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or truncated ({error}); fetch it again") from None
    with file:
        yield file


def shape_of(file: Any, name: str) -> tuple[int, ...]:
    """Returns a tensor's shape without reading it.

    Args:
      file: what `opened` yields.
      name: the tensor's.
    """
    return tuple(file.get_slice(name).get_shape())


def _facts(file: Any, path: str | os.PathLike, name: str | None) -> dict[str, str]:
    facts = file.metadata() or {}
    if "net" not in facts:
        raise ValueError(
            f"{path} is not converted yet; run: "
            + CONVERT.format(source=Path(path).name, net=name or "NET")
        )
    if name is not None and facts["net"] != name:
        raise ValueError(
            f"{path} holds weights of {facts['net']}, not of {name}: load "
            f"{facts['net']!r}, or convert a checkpoint of {name}"
        )
    return facts


def _mismatch(path: Any, net: Network, problems: list[str]) -> str:
    size = "x".join(map(str, net.input_size))
    return (
        f"{path}: does not fit {net.name} (input {size}), {len(problems)} names "
        "differ:\n  " + "\n  ".join(problems)
    )
