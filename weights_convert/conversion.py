"""The conversion: check both sides, fold the preprocessing in, write whole or not at all."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxvis.escape import describe_shape, escape
from jaxvis.nets import registry
from jaxvis.nets.table.layers import shapes, sources
from jaxvis.network import Network
from jaxvis.weights.file import save, tensor_shapes
from jaxvis.weights.labels import read_label_file
from jaxvis.weights.tensor_file import hash_file
from weights_convert import names, preprocessing
from weights_convert.checkpoint import Checkpoint, StoredTensor
from weights_convert.layout import Arrange, file_shape, find_arrangement
from weights_convert.readers import detect


@dataclass(frozen=True)
class Part:
    """One parameter to convert: where it is and how it is arranged.

    Args:
      name: its name in the file.
      path: the file.
      tensor: the tensor.
      arrange: brings the file's arrangement into ours.
    """

    name: str
    path: Path
    tensor: StoredTensor
    arrange: Arrange


def convert(
    inputs: Sequence[str | os.PathLike],
    *,
    net: str | Network,
    out: str | os.PathLike,
    preprocess: str | None = None,
    stop: str | None = None,
    labels: str | os.PathLike | None = None,
    skip_first_label: bool = False,
    overwrite: bool = False,
) -> Path:
    """Writes a checkpoint as a file that `jaxvis.load` reads, whole or not at all.

    Args:
      inputs: the checkpoint's file or files (.pth, .safetensors, .npz, .h5,
        .caffemodel, .mat); together they make one network.
      net: the network's name in `jaxvis.nets.registry`, or a table network of your
        own whose rows are named as the checkpoint names its layers.
      out: the .safetensors file to write.
      preprocess: what the checkpoint expects of its input: a name in
        `weights_convert.preprocessing.PRESETS` or ORDER:MAXIMUM:MEAN:STD; None follows
        the file or its naming.
      stop: the last tap that is wanted; later layers are left out ("pool5" of a VGG
        saves nine tenths of the file).
      labels: a file with a label for each class, as `jaxvis.weights.labels` reads it. None
        takes the checkpoint's own, if it has any.
      skip_first_label: leave the first label of the file out, such as "background".
      overwrite: whether `out` may be replaced if it exists.

    Returns:
      Path: `out`.

    Raises:
      FileNotFoundError: if an input does not exist.
      FileExistsError: if `out` exists and `overwrite` is off.
      ValueError: for damaged, refused or unknown files, for values that are not
        finite, for names that differ (every one is listed), and for labels that are
        not one for each class.
    """
    paths, out = [Path(path) for path in inputs], Path(out)
    if not paths:
        raise ValueError("name at least one checkpoint to convert")
    kept = [*paths, *([] if labels is None else [Path(labels)])]
    _check_out(out, kept, overwrite)
    network = registry.build(net) if isinstance(net, str) else net
    names_of_classes = _read_labels(labels, network, skip_first_label)
    found = {path: detect.read(path) for path in paths}
    parts = _match_tensors(network, found, stop)
    convention = _choose_convention(preprocess, network, found.values())
    params = _read_params(network, parts, convention)
    facts = {
        "source": json.dumps([path.name for path in found]),
        "sha256": json.dumps([hash_file(path) for path in found]),
        "preprocess": str(convention),
        "stop": stop or "",
        "labels": json.dumps(names_of_classes or _find_labels(network, found.values())),
    }
    save(out, network, params, facts=facts)
    return out


def _check_out(out: Path, inputs: Sequence[Path], overwrite: bool) -> None:
    """Raises an error, before any work, if `out` must not be written."""
    if not out.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {out.parent} to write {out.name} to: make it")
    if not out.exists():
        return
    if not out.is_file():
        raise ValueError(f"{out} is no file that could be replaced: name another with --out")
    # `samefile` sees through links of both kinds and other spellings of a path.
    if any(path.exists() and path.samefile(out) for path in inputs):
        raise ValueError(
            f"{out} is the checkpoint itself, or its labels: name another file with --out"
        )
    if not overwrite:
        raise FileExistsError(
            f"{out} exists already: name another file with --out, or replace it with "
            "--overwrite (in Python: overwrite=True)"
        )


def _match_tensors(
    net: Network, found: Mapping[Path, Checkpoint], stop: str | None
) -> dict[str, Part]:
    """Returns `row/leaf` -> the tensor it comes from; every problem is in one error."""
    wanted, known = tensor_shapes(net, stop=stop), tensor_shapes(net)
    read_by, inputs_of = shapes(net.rows, net.input_size), sources(net.rows)
    parts: dict[str, Part] = {}
    problems = []
    for path, checkpoint in found.items():
        naming = checkpoint.naming
        rename = names.make_renamer(naming, net)
        for name, bare in names.strip_prefix(checkpoint.tensors).items():
            tensor, target = checkpoint.tensors[name], rename(bare)
            shape, shown = describe_shape(tensor.shape), escape(name)
            if target not in known and not names.HARMLESS.search(bare):
                problems.append(f"extra {shown} {shape} in {escape(path.name)}")
            if target not in wanted:
                continue
            if target in parts:
                problems.append(f"twice {target}: {escape(parts[target].name)} and {shown}")
            incoming = read_by[inputs_of[target.rpartition("/")[0]][0]]
            arrange = find_arrangement(tensor.shape, wanted[target], naming, incoming)
            if arrange is None:
                needed = file_shape(wanted[target], naming)
                problems.append(f"misshaped {shown}: {shape} in the file, {target} needs {needed}")
            parts[target] = Part(name, path, tensor, arrange or np.asarray)
    problems += [
        f"missing {target} {wanted[target]}"
        for target in wanted
        if target not in parts and not target.startswith("input/")
    ]
    if problems:
        files = ", ".join(escape(path.name) for path in found)
        raise ValueError(
            f"{files} is not {net.name}: {len(problems)} names differ; nothing was "
            "written:\n  " + "\n  ".join(problems)
        )
    return parts


def _read_params(
    net: Network, parts: Mapping[str, Part], convention: preprocessing.Preprocess
) -> dict[str, dict[str, np.ndarray]]:
    """Returns the parameters, the preprocessing folded in; refuses what is not finite.

    Departures: with "bgr" the input channels of the first kernel are reversed, once.
    """
    params: dict[str, dict[str, np.ndarray]] = {"input": convention.as_affine()}
    inputs_of, broken = sources(net.rows), []
    for target, part in parts.items():
        row, _, leaf = target.rpartition("/")
        array = part.arrange(part.tensor.read())
        with np.errstate(over="ignore"):  # a double that is too large becomes infinite
            array = np.ascontiguousarray(array, dtype=np.float32)
        bad = array.size - int(np.count_nonzero(np.isfinite(array)))
        if bad:
            broken.append(f"{row} ({escape(part.name)}): {bad} of {array.size}")
        if inputs_of[row] == ("input",) and leaf == "kernel" and convention.order == "bgr":
            array = array[:, :, ::-1]
        params.setdefault(row, {})[leaf] = array
    if broken:
        files = ", ".join(sorted({escape(part.path.name) for part in parts.values()}))
        raise ValueError(
            f"{files}: values that are not finite (NaN or infinite) in:\n  " + "\n  ".join(broken)
        )
    return params


def _choose_convention(
    text: str | None, net: Network, found: Collection[Checkpoint]
) -> preprocessing.Preprocess:
    if text is not None:
        return preprocessing.parse(text)
    own = [each.preprocess for each in found if each.preprocess is not None]
    if own:
        return own[0]
    return preprocessing.default_preprocess(next(iter(found)).naming, net.name)


def _read_labels(
    path: str | os.PathLike | None, net: Network, skip_first_label: bool
) -> tuple[str, ...]:
    if path is not None:
        return read_label_file(path, classes=_count_classes(net), skip_first_label=skip_first_label)
    if skip_first_label:
        raise ValueError("skip_first_label (--skip-first-label) belongs to labels (--labels FILE)")
    return ()


def _find_labels(net: Network, found: Collection[Checkpoint]) -> tuple[str, ...]:
    """Returns the labels that a checkpoint itself has, () where none has any."""
    labels = next((tuple(each.labels) for each in found if each.labels), ())
    count = _count_classes(net)
    if labels and count not in (None, len(labels)):
        raise ValueError(
            f"the checkpoint has {len(labels)} class labels and {net.name} has {count} classes: "
            "give the labels in a file, labels= (--labels FILE)"
        )
    return labels


def _count_classes(net: Network) -> int | None:
    return shapes(net.rows, net.input_size)[net.scores][-1] if net.scores else None
