"""The conversion: check both sides, fold the preprocessing in, write whole or not."""

import hashlib
import json
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxvis.nets import registry
from jaxvis.nets.table.layers import shapes, sources
from jaxvis.network import Network
from jaxvis.weights import file as weights_file
from weights_convert import names
from weights_convert import preprocessing as conventions
from weights_convert.checkpoint import Checkpoint, Stored
from weights_convert.layout import Arrange, arrangement, native
from weights_convert.readers import detect as readers


@dataclass(frozen=True)
class Part:
    """Returns one parameter to convert: where it is and how it is arranged.

    Args:
      name: its name in the file.
      path: the file.
      tensor: the tensor.
      arrange: brings the file's arrangement into ours.
    """

    name: str
    path: Path
    tensor: Stored
    arrange: Arrange


def convert(
    inputs: Sequence[str | os.PathLike],
    *,
    net: str | Network,
    out: str | os.PathLike,
    preprocess: str | None = None,
    stop: str | None = None,
    labels: str | os.PathLike | None = None,
) -> Path:
    """Writes a checkpoint as a file that `jaxvis.load` reads, whole or not at all.

    Args:
      inputs: the checkpoint's file or files (.pth, .safetensors, .npz, .h5,
        .caffemodel, .mat); together they make one network.
      net: the network's name in `jaxvis.nets.registry`, or a table network of your
        own whose rows are named as the checkpoint names its layers.
      out: the .safetensors file to write.
      preprocess: what the checkpoint wants of its input: a name in
        `weights_convert.preprocessing.PRESETS` or ORDER:MAXIMUM:MEAN:STD; None follows
        the file or its naming.
      stop: the last tap that is wanted; later layers are left out ("pool5" of a VGG
        saves nine tenths of the file).
      labels: a text file with one class label a line, by class index; WordNet ids in
        front of them are dropped. None takes the checkpoint's own, if it has any.

    Returns:
      Path: `out`.

    Raises:
      FileNotFoundError: if an input does not exist.
      ValueError: for damaged, refused or unknown files, for values that are not
        finite, and for names that differ: every one is listed.
    """
    network = registry.build(net) if isinstance(net, str) else net
    found = {Path(path): readers.read(Path(path)) for path in inputs}
    parts = _parts(network, found, stop)
    convention = _convention(preprocess, network, found.values())
    params = _params(network, parts, convention)
    facts = {
        "source": json.dumps([path.name for path in found]),
        "sha256": json.dumps([sha256(path) for path in found]),
        "preprocess": str(convention),
        "stop": stop or "",
        "labels": json.dumps(_labels(labels, found.values())),
    }
    weights_file.save(out, network, params, facts=facts)
    return Path(out)


def sha256(path: Path) -> str:
    """Returns a file's sha256, 64 hexadecimal digits.

    Args:
      path: the file.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parts(net: Network, found: dict[Path, Checkpoint], stop: str | None) -> dict[str, Part]:
    """Returns `row/leaf` -> the tensor it comes from; every problem in one error."""
    wanted = weights_file.flat_shapes(net, stop=stop)
    known = weights_file.flat_shapes(net)
    at, reads = shapes(net.rows, net.input_size), sources(net.rows)
    parts: dict[str, Part] = {}
    problems = []
    for path, checkpoint in found.items():
        rename = names.mapping(checkpoint.naming, net)
        for name, bare in names.unprefixed(checkpoint.tensors).items():
            tensor, target = checkpoint.tensors[name], rename(bare)
            if target not in known:
                if not names.HARMLESS.search(bare):
                    problems.append(f"extra {name} {tensor.shape} in {path.name}")
                continue
            if target not in wanted:
                continue
            if target in parts:
                problems.append(f"twice {target}: {parts[target].name} and {name}")
            row = target.rpartition("/")[0]
            naming, shape = checkpoint.naming, wanted[target]
            arrange = arrangement(tensor.shape, shape, naming, at[reads[row][0]])
            if arrange is None:
                problems.append(
                    f"misshaped {name}: {tensor.shape} in the file, {target} needs "
                    f"{native(shape, naming)}"
                )
            parts[target] = Part(name, path, tensor, arrange or np.asarray)
    problems += [
        f"missing {target} {wanted[target]}"
        for target in wanted
        if target not in parts and not target.startswith("input/")
    ]
    if problems:
        files = ", ".join(path.name for path in found)
        raise ValueError(
            f"{files} is not {net.name}: {len(problems)} names differ; nothing was "
            "written:\n  " + "\n  ".join(problems)
        )
    return parts


def _params(
    net: Network, parts: dict[str, Part], convention: conventions.Preprocess
) -> dict[str, dict[str, np.ndarray]]:
    """Returns the parameters, the preprocessing folded in; refuses what is not finite.

    Departures: with "bgr" the first kernel's input channels are reversed, once.
    """
    params: dict[str, dict[str, np.ndarray]] = {"input": convention.affine()}
    reads, broken = sources(net.rows), []
    for target, part in parts.items():
        row, _, leaf = target.rpartition("/")
        array = part.arrange(part.tensor.read())
        with np.errstate(over="ignore"):  # a double too large is told as infinite
            array = np.ascontiguousarray(array, dtype=np.float32)
        bad = array.size - int(np.count_nonzero(np.isfinite(array)))
        if bad:
            broken.append(f"{row} ({part.name}): {bad} of {array.size}")
        if reads[row] == ("input",) and leaf == "kernel" and convention.order == "bgr":
            array = array[:, :, ::-1]
        params.setdefault(row, {})[leaf] = array
    if broken:
        raise ValueError(
            f"{', '.join(sorted({p.path.name for p in parts.values()}))}: values that "
            "are not finite (NaN or infinite) in:\n  " + "\n  ".join(broken)
        )
    return params


def _convention(
    text: str | None, net: Network, found: Collection[Checkpoint]
) -> conventions.Preprocess:
    if text is not None:
        return conventions.parse(text)
    own = [c.preprocess for c in found if c.preprocess is not None]
    if own:
        return own[0]
    return conventions.default(next(iter(found)).naming, net.name)


def _labels(path: str | os.PathLike | None, found: Collection[Checkpoint]) -> list[str]:
    if path is not None:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        return [re.sub(r"^n\d{8}\s+", "", line) for line in lines]
    return next((list(c.labels) for c in found if c.labels), [])
