"""What a network is made of, for the file network.json of a sweep's folder."""

import hashlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxvis.nets.table.geometry import Geometry, geometry
from jaxvis.nets.table.layers import is_hidden, rows_behind_attention, shapes, sources
from jaxvis.network import Network
from jaxvis.types import Params

SCHEMA = 1
"""The version of the files that are written here."""
SHOWN = ("conv", "fc", "patches")
"""Ops of the rows that are measured where nothing else is asked for."""


def describe_layers(
    net: Network, params: Params, *, weights: str, labels: Sequence[str] = ()
) -> dict[str, Any]:
    """Describes a network and its layers, as network.json holds them.

    A receptive field is left out (null) where every unit sees the whole image, behind an
    attention, and so are a stride and a field where several units stand on one pixel, and in a
    network without a table, whose layers do not say what they read either.

    Args:
      net, params: the network.
      weights: where the parameters are from, such as "embedded" or the name of a file.
      labels: of the classes, by index.
    """
    return {
        "schema": SCHEMA,
        "name": net.name,
        "weights": weights,
        "sha256": hash_network(net, params),
        "input": [*net.input_size, net.channels],
        "classes": net.classes,
        "labels": list(labels),
        "layers": _list_rows(net) if net.rows else _list_taps(net, params),
    }


def _list_rows(net: Network) -> list[dict[str, Any]]:
    reads, everywhere = sources(net.rows), rows_behind_attention(net.rows)
    shape = shapes(net.rows, net.input_size)

    def find_taps(name: str) -> list[str]:
        """Finds the taps that a row reads, through rows that are none."""
        found, queue = dict.fromkeys(reads[name]), list(reads[name])
        while queue:
            read = queue.pop(0)
            more = reads[read] if is_hidden(shape[read]) else ()
            queue += [one for one in more if one not in found]
            found |= dict.fromkeys(more)
        return [read for read in found if not is_hidden(shape[read])]

    def describe(row: Geometry) -> dict[str, Any]:
        placed = row.stride >= 1
        field = row.receptive_field if placed and row.name not in everywhere else None
        return {
            "tap": row.name,
            "op": row.op,
            "shape": list(row.shape),
            "receptive_field": [field, field] if field else None,
            "stride": [row.stride, row.stride] if placed else None,
            "parameters": row.parameters,
            "reads": find_taps(row.name),
        }

    return [describe(row) for row in geometry(net)]


def _list_taps(net: Network, params: Params) -> list[dict[str, Any]]:
    unknown: dict[str, Any] = dict.fromkeys(("receptive_field", "stride"))
    unknown |= {"op": "", "parameters": 0, "reads": []}
    return [{"tap": tap, "shape": list(net.shape(params, tap)), **unknown} for tap in net.taps]


def choose_taps(net: Network, params: Params) -> tuple[str, ...]:
    """Chooses the layers whose units are measured where nothing else is asked for.

    They are those that kernels make, and the classes. In a network without a table they are
    all maps and vectors but the image.

    Args:
      net, params: the network.
    """
    if net.rows:
        ops = {row.name: row.op for row in net.rows}
        return tuple(tap for tap in net.taps if ops[tap] in SHOWN or tap == net.classes)
    maps = [tap for tap in net.taps if len(net.shape(params, tap)) in (1, 3)]
    return tuple(tap for tap in maps if tap != "input")


def hash_network(net: Network, params: Params) -> str:
    """Hashes what a network computes: its rows, its image and its parameters, in hexadecimal.

    Args:
      net, params: the network.
    """
    digest = hashlib.sha256(repr((net.name, net.rows, net.input_size, net.channels)).encode())
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        values = np.ascontiguousarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {values.dtype} {values.shape}".encode())
        digest.update(values.data if values.size else b"")
    return digest.hexdigest()
