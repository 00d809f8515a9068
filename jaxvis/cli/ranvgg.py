"""jaxvis ranvgg stack: random networks built layer by layer, and the folder of them."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvis.cli.common import new_folder, parse_size
from jaxvis.cli.image import photograph
from jaxvis.cli.progress import changed
from jaxvis.methods.ranvgg.candidates import inverted_layers, joined, nth
from jaxvis.methods.ranvgg.stack import Stack
from jaxvis.methods.ranvgg.stack import stack as stacked_of
from jaxvis.nets import registry
from jaxvis.network import Network
from jaxvis.output.record import read_record, record, write_record
from jaxvis.types import Params
from jaxvis.weights import load as files
from jaxvis.weights.file import flat_shapes

FREE = ("out", "resume", "image")
"""Flags that may differ when a stack is resumed; of the image, its pixels may not."""


def stack(
    image: str,
    /,
    *,
    net: str = "vgg19",
    networks: int = 1,
    candidates: int = 5,
    seed: int = 0,
    scheme: str = "he",
    sigma: float = 0.015,
    steps: int = 100,
    starts: int = 1,
    stop: str | None = None,
    size: str = "224",
    pool: str | None = "avg",
    precision: str = "float32",
    out: Path | None = None,
    resume: bool = False,
) -> None:
    """Builds random networks layer by layer, of each layer the best of several.

    Args:
      image: the reference: a file, or astronaut, chelsea, coffee or rocket.
      net: the network's name.
      networks: how many are built, side by side, from different seeds.
      candidates: weights drawn for each layer, of which one is kept.
      seed: of all randomness.
      scheme: he, gaussian (with --sigma, as in the paper), or unit (mean activation 1
        on the image).
      sigma: standard deviation of gaussian.
      steps: evaluations of each candidate's reconstruction.
      starts: noise images that each candidate is tried from.
      stop: the last layer that is kept, such as relu7; the last before the fully
        connected ones if left out.
      size: the image is cropped to it, 224 or 224x320 (H x W); 256 for the paper's
        fully connected layers, which are made for it.
      pool: max or avg, for the VGG networks; avg as in the paper.
      precision: of the network's products: float32, tf32 or bfloat16.
      out: a new or empty folder; jaxvis-ranvgg-stack if left out.
      resume: go on in the folder --out, after the last layer that it holds.

    Raises:
      OSError: if image or folder cannot be opened.
      ValueError: for a flag that does not fit the network, or the folder's record.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    built = built_for(net, size, pool, precision)
    stop = stop or inverted_layers(built)[-1]
    photo = photograph(image, size=parse_size(size))
    facts = {
        "arguments": arguments,
        "net": net,
        "weights": f"random:{seed}",
        "image_sha256": hashlib.sha256(photo.tobytes()).hexdigest(),
    }
    if resume:
        start = _resumed(out, built, facts)
    else:
        out, start = new_folder(out, "ranvgg stack"), None
        write_record(out / "record.json", record("ranvgg stack", **facts, layers=[]))

    def keep(found: Stack) -> None:
        tap = list(found.chosen)[-1]
        _write_stack(out, built, found, tap, {**facts, "seconds": _since(begin)})
        print(f"{tap}: losses {_range(found.losses[tap])}", flush=True)

    found = stacked_of(
        built,
        photo,
        networks=networks,
        candidates=candidates,
        key=seed,
        scheme=scheme,
        sigma=sigma,
        stop=stop,
        steps=steps,
        starts=starts,
        start=start,
        on_layer=keep,
        progress=True,
    )
    _write_stack(out, built, found, stop, {**facts, "seconds": _since(begin)})
    print(f"{out}: {networks} networks up to {stop}, record")


def _since(begin: float) -> float:
    return time.perf_counter() - begin


def _range(losses: np.ndarray) -> str:
    return f"{np.min(losses):.3g} to {np.max(losses):.3g}"


def built_for(net: str, size: str, pool: str | None, precision: str) -> Network:
    """Returns the network that flags describe, without parameters.

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


def _write_stack(
    folder: Path, net: Network, found: Stack, stop: str, facts: Mapping[str, Any]
) -> None:
    """Writes the networks up to `stop`, then the record, which says what is there."""
    rows = {name.partition("/")[0] for name in flat_shapes(net, stop=stop)}
    about = {
        "stop": stop,
        "source": json.dumps(["jaxvis ranvgg stack"]),
        "sha256": "[]",
        "preprocess": "caffe_vgg",
        "labels": "[]",
    }
    for n in range(_count(found.params)):
        own = nth({row: found.params[row] for row in rows}, n)
        files.save(folder / f"network_{n}.safetensors", net, own, facts=about)
    layers = [
        {"tap": tap, "losses": found.losses[tap], "chosen": found.chosen[tap]}
        for tap in found.chosen
    ]
    write_record(folder / "record.json", record("ranvgg stack", layers=layers, **facts))


def _count(params: Params) -> int:
    return len(jax.tree.leaves(params)[0])


def _resumed(folder: Path | None, net: Network, facts: Mapping[str, Any]) -> Stack | None:
    """Returns what a folder holds of a stack; None if no layer is finished yet."""
    if folder is None:
        raise ValueError("--resume goes on in the folder that --out names: name it")
    before = read_record(folder / "record.json")
    if before["command"] != "ranvgg stack":
        raise ValueError(f"{folder} holds {before['command']}, not ranvgg stack")
    asked = json.loads(json.dumps(facts["arguments"], default=str))
    then = {name: before["arguments"].get(name) for name in asked if name not in FREE}
    wrong = changed(then, asked)
    if before["image_sha256"] != facts["image_sha256"]:
        wrong.append("another image")
    if wrong:
        raise ValueError(f"{folder} was begun with {', '.join(wrong)}: resume with it")
    if not before["layers"]:
        return None
    count = facts["arguments"]["networks"]
    params = stacked_in(folder, net, count, before["layers"][-1]["tap"])
    losses = {one["tap"]: _floats(one["losses"]) for one in before["layers"]}
    chosen = {one["tap"]: np.asarray(one["chosen"]) for one in before["layers"]}
    return Stack(params, losses, chosen)


def _floats(rows: list[list[Any]]) -> np.ndarray:
    # "nan" and "inf" are strings in a record.
    return np.asarray([[float(value) for value in row] for row in rows], np.float32)


def stacked_in(folder: Path, net: Network, count: int, stop: str) -> Params:
    """Returns a folder's first networks up to a tap, leaves `[count, ...]`.

    Args:
      folder: what `stack` wrote.
      net: the network.
      count: how many networks.
      stop: the last tap wanted.

    Raises:
      OSError: if a file cannot be read.
      ValueError: if there are fewer, or a file does not fit.
    """
    paths = [folder / f"network_{n}.safetensors" for n in range(count)]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise ValueError(
            f"{missing[0]} is not there: make {count} networks with jaxvis ranvgg "
            "stack --networks, or ask for fewer --seeds"
        )
    each = [files.read(path, net, stop=stop) for path in paths]
    return joined([jax.tree.map(np.asarray, own) for own in each])
