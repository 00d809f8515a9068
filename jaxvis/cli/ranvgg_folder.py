"""A folder of stacked random networks: network_0.safetensors, ... and record.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvis.cli.checksums import hash_outputs
from jaxvis.cli.ledger import describe_command, refuse_changes
from jaxvis.cli.parsing import parse_size
from jaxvis.methods.ranvgg.candidates import join_networks, take_network
from jaxvis.methods.ranvgg.stack import Stack
from jaxvis.nets import registry
from jaxvis.network import Network
from jaxvis.output.record import make_record, read_record, write_record
from jaxvis.types import Params
from jaxvis.weights.file import read, save, tensor_shapes

COMMAND = "ranvgg stack"


def build_sized(net: str, size: str, pool: str, precision: str) -> Network:
    """Builds the network that flags describe, without parameters.

    Args:
      net, size, pool, precision: the flags; `pool` counts for VGG networks alone.

    Raises:
      ValueError: for a flag that names nothing.
    """
    return registry.build(
        net,
        pool=pool if net.startswith("vgg") else None,
        precision=precision,
        input_size=parse_size(size),
    )


def begin_stack(folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes the record of a stack that has no layer yet.

    Args:
      folder: exists.
      facts: of the command, for the record.

    Raises:
      OSError: if it cannot be written.
    """
    write_record(folder / "record.json", make_record(COMMAND, **facts, layers=[]))


def write_stack(
    folder: Path, net: Network, found: Stack, stop: str, facts: Mapping[str, Any]
) -> None:
    """Writes the networks up to `stop`, then the record, which says what is there.

    Args:
      folder: exists.
      net: the network.
      found: what is there so far.
      stop: the last tap whose parameters are written.
      facts: of the command, for the record.

    Raises:
      OSError: if a file cannot be written.
    """
    rows = {name.partition("/")[0] for name in tensor_shapes(net, stop=stop)}
    about = {
        "stop": stop,
        "source": json.dumps([f"jaxvis {COMMAND}"]),
        "sha256": "[]",
        "preprocess": "caffe_vgg",
        "labels": "[]",
    }
    paths = list_networks(folder, len(jax.tree.leaves(found.params)[0]))
    for n, path in enumerate(paths):
        own = take_network({row: found.params[row] for row in rows}, n)
        save(path, net, own, facts=about)
    layers = [
        {"tap": tap, "losses": found.losses[tap], "chosen": found.chosen[tap]}
        for tap in found.chosen
    ]
    files = hash_outputs(folder, [path.name for path in paths])
    write_record(folder / "record.json", make_record(COMMAND, layers=layers, files=files, **facts))


def resume_stack(folder: Path, net: Network, facts: Mapping[str, Any]) -> Stack | None:
    """Reads what a folder holds of a stack; None if no layer is finished yet.

    Args:
      folder: what --out names.
      net: the network.
      facts: of the command; the folder's record must have the same.

    Raises:
      OSError: if a file cannot be read.
      ValueError: if the folder holds something else, or was begun with other flags or
        another image.
    """
    before = read_record(folder / "record.json")
    refuse_changes(folder, _describe(before), _describe(facts))
    if not before["layers"]:
        return None
    count = facts["arguments"]["networks"]
    params = read_networks(folder, net, count, before["layers"][-1]["tap"])
    losses = {one["tap"]: _to_floats(one["losses"]) for one in before["layers"]}
    chosen = {one["tap"]: np.asarray(one["chosen"]) for one in before["layers"]}
    return Stack(params, losses, chosen)


def _describe(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Gives what must be the same when a stack goes on, of a record or of a command."""
    command, arguments = facts.get("command", COMMAND), dict(facts["arguments"])
    arguments.pop("image", None)  # of which the pixels count
    return describe_command(command, arguments, image=facts.get("image_sha256"))


def _to_floats(rows: list[list[Any]]) -> np.ndarray:
    # "nan" and "inf" are strings in a record.
    return np.asarray([[float(value) for value in row] for row in rows], np.float32)


def list_networks(folder: Path, count: int) -> list[Path]:
    """Lists the files of a folder's first networks, there or not.

    Args:
      folder: what `write_stack` wrote.
      count: how many networks.
    """
    return [folder / f"network_{n}.safetensors" for n in range(count)]


def read_networks(folder: Path, net: Network, count: int, stop: str) -> Params:
    """Reads a folder's first networks up to a tap, leaves `[count, ...]`.

    Args:
      folder: what `write_stack` wrote.
      net: the network.
      count: how many networks.
      stop: the last tap wanted.

    Raises:
      OSError: if a file cannot be read.
      ValueError: if there are fewer, or a file does not fit.
    """
    paths = list_networks(folder, count)
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise ValueError(
            f"{missing[0]} is not there: make {count} networks with jaxvis ranvgg "
            "stack --networks, or ask for fewer --seeds"
        )
    each = [read(path, net, stop=stop) for path in paths]
    return join_networks([jax.tree.map(np.asarray, own) for own in each])
