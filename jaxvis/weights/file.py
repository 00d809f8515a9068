"""The converted file: safetensors named after a network's table, checked both ways.

Tensors are named `row/leaf` (`conv1_1/kernel`, `input/scale`). The metadata say which
network they are for, where they came from, and the checksum of each tensor.
`weights_convert` writes such files.
"""

import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvis.escape import describe_shape, escape
from jaxvis.nets.table.forward import parameter_shapes
from jaxvis.nets.table.layers import rows_between
from jaxvis.network import Network
from jaxvis.types import ArrayLike, Params
from jaxvis.weights.tensor_file import (
    CONVERT,
    TensorFile,
    open_tensors,
    view_bytes,
    write_tensors,
)

CHECKSUMS = "crc32"
"""Key of the metadata: JSON, the name of a tensor -> the CRC-32 of its bytes."""
ABOUT = "__metadata__"
"""Key of the checksums: that of the other metadata, as sorted JSON. No tensor is called so."""

AGAIN = "convert the checkpoint again, or get it again with --overwrite"


class WeightsFile(NamedTuple):
    """The content of a converted file.

    Attributes:
      params: float32, `{row: {"kernel": ..., "bias": ...}}`.
      labels: class labels by class index; () if unknown.
      metadata: see `read_metadata`.
      sha256: that of the whole file, in hexadecimal; None if it was not asked for.
    """

    params: Params
    labels: tuple[str, ...]
    metadata: dict[str, str]
    sha256: str | None


def read_file(
    path: str | os.PathLike, net: Network, *, stop: str | None = None, with_sha256: bool = True
) -> WeightsFile:
    """Returns all that is in a converted file, checked against a network.

    Args:
      path: the file.
      net: the network it must have been made for.
      stop: the last tap that is wanted; later rows are not read. None reads all that
        the file has: one that was converted up to a tap has no rows after it.
      with_sha256: whether to hash the file too, which takes about a second a gigabyte.

    Raises:
      FileNotFoundError: if it does not exist.
      ValueError: if it is damaged, unconverted, or does not fit; lists every missing,
        extra and misshaped name.
    """
    with open_tensors(path) as file:
        metadata = _check_metadata(path, file.metadata, net.name)
        wanted = tensor_shapes(net, stop=stop or _read_stop(path, metadata, net))
        beyond = tensor_shapes(net).keys() - wanted.keys()
        found = {name: file.shape_of(name) for name in sorted({*file.names} - beyond)}
        problems = compare_shapes(wanted, found)
        if problems:
            raise ValueError(_describe_mismatch(path, net, problems))
        params = _read_params(path, file, wanted)
        labels = _parse_labels(path, metadata)
        return WeightsFile(params, labels, metadata, file.compute_sha256() if with_sha256 else None)


def read(path: str | os.PathLike, net: Network, *, stop: str | None = None) -> Params:
    """Returns the parameters in a converted file, float32; see `read_file`.

    Args:
      path: the file.
      net: the network it must have been made for.
      stop: the last tap that is wanted.

    Raises:
      FileNotFoundError: as `read_file`.
      ValueError: as `read_file`.
    """
    return read_file(path, net, stop=stop, with_sha256=False).params


def read_metadata(path: str | os.PathLike, *, net: str | None = None) -> dict[str, str]:
    """Returns what a converted file says of itself.

    Args:
      path: the file.
      net: the network that it must be for; None takes any.

    Returns:
      dict: strings under "net", "source" and "sha256" (JSON lists: the checkpoints it
      was made from), "preprocess", "stop" (the last tap, or empty), "labels" (a JSON list,
      by class index), "classes", "channels", and "crc32" (a JSON object, the checksum of
      each tensor and of the rest of the metadata).

    Raises:
      FileNotFoundError: as `read_file`.
      ValueError: as `read_file`.
    """
    with open_tensors(path) as file:
        return _check_metadata(path, file.metadata, net)


def read_labels(path: str | os.PathLike) -> tuple[str, ...]:
    """Returns the class labels in a converted file, by class index; () if unknown.

    Args:
      path: the file.

    Raises:
      FileNotFoundError: as `read_file`.
      ValueError: as `read_file`.
    """
    return _parse_labels(path, read_metadata(path))


def save(
    path: str | os.PathLike,
    net: Network,
    params: Mapping[str, Mapping[str, ArrayLike]],
    *,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Writes parameters as a converted file, whole or not at all.

    Args:
      path: the file to write; a temporary one beside it is renamed onto it.
      net: the network; `params` is checked against it.
      params: the arrays, of the shapes that `net` has, written in their own dtype (`load`
        casts to float32).
      facts: further metadata; "stop" names the last tap if later rows are absent.

    Raises:
      OSError: if it cannot be written.
      ValueError: if `params` does not fit `net`; lists every differing name.
    """
    facts = {**(facts or {}), "format": "jaxvis", "net": net.name}
    arrays = {
        f"{row}/{leaf}": np.asarray(array)
        for row, leaves in params.items()
        for leaf, array in leaves.items()
    }
    found = {name: array.shape for name, array in arrays.items()}
    problems = compare_shapes(tensor_shapes(net, stop=facts.get("stop") or None), found)
    if problems:
        raise ValueError(_describe_mismatch("the parameters", net, problems))
    checksums = {name: zlib.crc32(view_bytes(array).data) for name, array in arrays.items()}
    checksums[ABOUT] = _sum_metadata(facts)
    facts[CHECKSUMS] = json.dumps(checksums, sort_keys=True)
    write_tensors(path, arrays, metadata=facts)


def tensor_shapes(net: Network, *, stop: str | None = None) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every tensor of a converted file, by `row/leaf`.

    Args:
      net: a table network.
      stop: the last tap; None keeps every row.

    Raises:
      ValueError: for an adapted network or an unknown tap.
    """
    wanted = net.check_taps(stop or net.taps[-1])
    spec = parameter_shapes(net)
    rows = rows_between(net.rows, frozenset(["input"]), wanted) if stop else frozenset(spec)
    return {
        f"{row}/{leaf}": shape
        for row, leaves in spec.items()
        if row in rows
        for leaf, shape in leaves.items()
    }


def compare_shapes(
    wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Returns one line for every missing, extra and misshaped name.

    Args:
      wanted: name -> shape, of the network.
      found: name -> shape, of the file.
    """
    missing = [f"missing {name} {wanted[name]}" for name in wanted if name not in found]
    extra = [
        f"extra {escape(name)} {describe_shape(shape)}"
        for name, shape in found.items()
        if name not in wanted
    ]
    misshaped = [
        f"misshaped {name}: {describe_shape(found[name])} in the file, {wanted[name]} in the "
        "network"
        for name in wanted
        if name in found and tuple(found[name]) != tuple(wanted[name])
    ]
    return missing + extra + misshaped


def _check_metadata(path: Any, metadata: dict[str, str], name: str | None) -> dict[str, str]:
    """Returns the metadata of a file that is converted, for the network `name` if given."""
    if "net" not in metadata:
        raise ValueError(
            f"{path} is not converted yet; run: "
            + CONVERT.format(source=escape(Path(path).name), net=name or "NET")
        )
    if name is not None and metadata["net"] != name:
        held = escape(metadata["net"])
        raise ValueError(
            f"{path} holds weights of {held}, not of {name}: load {held}, or convert a "
            f"checkpoint of {name}"
        )
    if _parse_checksums(path, metadata).get(ABOUT) not in (None, _sum_metadata(metadata)):
        raise ValueError(
            f"{path} is damaged: what it says of itself is not what was written; " + AGAIN
        )
    return metadata


def _sum_metadata(metadata: Mapping[str, str]) -> int:
    others = {name: text for name, text in metadata.items() if name != CHECKSUMS}
    return zlib.crc32(json.dumps(others, sort_keys=True).encode())


def _parse_checksums(path: Any, metadata: Mapping[str, str]) -> dict[str, Any]:
    return _parse_json(path, metadata.get(CHECKSUMS) or "{}", dict, "checksums")


def _read_stop(path: Any, metadata: Mapping[str, str], net: Network) -> str | None:
    """Returns the last tap that a file has the parameters of; None if it has all."""
    stop = metadata.get("stop") or None
    if stop is not None and stop not in net.taps:
        raise ValueError(
            f"{path} is damaged: it ends at {escape(stop)!r}, which is no tap of {net.name}; "
            "convert it again"
        )
    return stop


def _read_params(
    path: Any, file: TensorFile, names: Iterable[str]
) -> dict[str, dict[str, jax.Array]]:
    """Returns the tensors as float32; refuses one whose checksum is another."""
    checksums = _parse_checksums(path, file.metadata)
    params: dict[str, dict[str, jax.Array]] = {}
    for name in names:
        array = file.read(name)
        if name in checksums and zlib.crc32(view_bytes(array).data) != checksums[name]:
            raise ValueError(
                f"{path} is damaged: the numbers of {name} are not those that were written; "
                + AGAIN
            )
        row, _, leaf = name.rpartition("/")
        # Cast in NumPy: JAX would compile one cast for each shape. `device_put` takes the
        # array as it is where the device is the CPU; `jnp.asarray` would copy it.
        params.setdefault(row, {})[leaf] = jax.device_put(np.asarray(array, np.float32))
    return params


def _parse_labels(path: Any, metadata: Mapping[str, str]) -> tuple[str, ...]:
    labels = _parse_json(path, metadata.get("labels") or "[]", list, "class labels")
    if not all(isinstance(label, str) for label in labels):
        raise ValueError(f"{path} is damaged: its class labels are not texts; convert it again")
    return tuple(labels)


def _parse_json(path: Any, text: str, kind: type, what: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise ValueError(
            f"{path} is damaged: its {what} are not a JSON {kind.__name__}; convert it again"
        )
    return value


def _describe_mismatch(path: Any, net: Network, problems: list[str]) -> str:
    size = "x".join(map(str, net.input_size))
    return (
        f"{path}: does not fit {net.name} (input {size}), {len(problems)} names "
        "differ:\n  " + "\n  ".join(problems)
    )
