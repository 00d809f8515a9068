"""The conversion: check both sides, fold the preprocessing in, write whole or not at all."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxvis.escape import escape
from jaxvis.nets.network_file import preprocess_of
from jaxvis.nets.table.layers import shapes, sources
from jaxvis.network import Network
from jaxvis.weights.file import save
from jaxvis.weights.labels import read_label_file
from jaxvis.weights.tensor_file import hash_file
from weights_convert import preprocessing, quantised, vit_names
from weights_convert.checkpoint import Checkpoint
from weights_convert.matching import Match, Part, match
from weights_convert.names import tokens
from weights_convert.names.folding import make_folder
from weights_convert.readers import detect


def convert(
    inputs: Sequence[str | os.PathLike],
    *,
    net: str | Network,
    out: str | os.PathLike,
    preprocess: str | None = None,
    stop: str | None = None,
    part: str | None = None,
    input_size: tuple[int, int] | None = None,
    labels: str | os.PathLike | None = None,
    skip_first_label: bool = False,
    overwrite: bool = False,
) -> Path:
    """Writes a checkpoint as a file that `jaxvis.load` reads, whole or not at all.

    The weights are found wherever a training script put them, behind any prefix that
    all of them share, and a network that is named gets as many classes and channels as they
    have.

    Args:
      inputs: the checkpoint's file or files (.pth, .pt, .ckpt, .bin, .safetensors, .npz,
        .h5, .keras, .caffemodel, .mat), which together make one network; or a folder as
        Hugging Face's programs write it.
      net: the network's name in `jaxvis.nets.registry`, or a table network of your
        own whose rows are named as the checkpoint names its layers.
      out: the .safetensors file to write.
      preprocess: what the checkpoint expects of its input: a name in
        `weights_convert.preprocessing.PRESETS` or ORDER:MAXIMUM:MEAN:STD; None follows
        the file or its naming.
      stop: the last tap that is wanted; later layers are left out ("pool5" of a VGG
        saves nine tenths of the file).
      part: which of several sets of weights in the file is wanted, by a word of its
        prefix, such as "ema"; None takes the only one that fits.
      input_size: (H, W) in pixels that a named network is built for; None is the
        published size, and for a vision transformer that of the file.
      labels: a file with a label for each class, as `jaxvis.weights.labels` reads it. None
        takes the checkpoint's own, if it has any.
      skip_first_label: leave the first label of the file out, such as "background".
      overwrite: whether `out` may be replaced if it exists.

    Returns:
      Path: `out`. Its metadata say what was taken: "classes", "channels", "input_size",
      "part", and under "notes" (a JSON list) what was left out.

    Raises:
      FileNotFoundError: if an input does not exist.
      FileExistsError: if `out` exists and `overwrite` is off.
      ValueError: for damaged, refused or unknown files, for values that are not
        finite, for names that differ, for several sets of weights to choose from, and for
        labels that are not one for each class.
    """
    paths, out = [Path(path) for path in inputs], Path(out)
    if not paths:
        raise ValueError("name at least one checkpoint to convert")
    kept = [*paths, *([] if labels is None else [Path(labels)])]
    _check_out(out, kept, overwrite)
    _check_labels(labels, skip_first_label)
    if preprocess is None and isinstance(net, str):
        preprocess = preprocess_of(net)
    found = {path: detect.read(path) for path in paths}
    matched = match(net, found, stop=stop, part=part, input_size=input_size)
    names = _read_labels(labels, matched.net, skip_first_label)
    convention = _choose_convention(preprocess, matched, found.values())
    params = _read_params(matched, convention)
    facts = _list_facts(matched, found) | {
        "preprocess": str(convention),
        "stop": stop or "",
        "labels": json.dumps(names or _find_labels(matched.net, found.values())),
    }
    save(out, matched.net, params, facts=facts)
    return out


def _list_facts(matched: Match, found: Mapping[Path, Checkpoint]) -> dict[str, str]:
    """Returns what the converted file says of its source and of its network."""
    net = matched.net
    files = [file for path, each in found.items() for file in each.files or (path,)]
    return {
        "source": json.dumps([file.name for file in files]),
        "sha256": json.dumps([hash_file(file) for file in files]),
        "classes": str(_count_classes(net) or ""),
        "channels": str(net.channels),
        "input_size": json.dumps(net.input_size),
        "part": matched.prefix,
        "notes": json.dumps(matched.notes),
    }


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


def _read_params(
    matched: Match, convention: preprocessing.Preprocess
) -> dict[str, dict[str, np.ndarray]]:
    """Returns the parameters, the preprocessing folded in; refuses what is not finite.

    Departures: with "bgr" the input channels of the first kernel are reversed, once.
    """
    net = matched.net
    params: dict[str, dict[str, np.ndarray]] = {
        "input": convention.as_affine(channels=net.channels)
    }
    inputs_of, broken = sources(net.rows), []
    fold = make_folder(net, matched.names)
    for target, part in matched.parts.items():
        row, _, leaf = target.rpartition("/")
        array = _read_part(part, leaf)
        bad = array.size - int(np.count_nonzero(np.isfinite(array)))
        if bad:
            broken.append(f"{row} ({escape(part.name)}): {bad} of {array.size}")
        if inputs_of[row] == ("input",) and leaf == "kernel" and convention.order == "bgr":
            array = array[:, :, ::-1]
        params.setdefault(row, {})[leaf] = fold(target, array)
    if broken:
        files = ", ".join(sorted({escape(part.path.name) for part in matched.parts.values()}))
        raise ValueError(
            f"{files}: values that are not finite (NaN or infinite) in:\n  " + "\n  ".join(broken)
        )
    return params


def _read_part(part: Part, leaf: str) -> np.ndarray:
    """Returns a parameter, float32; refuses the codes of a quantised one."""
    array = part.arrange(part.tensor.read())
    if leaf == "kernel" and array.dtype in (np.int8, np.uint8):
        sign = quantised.explain(f"{part.name} of {array.dtype}")
        raise ValueError(f"{escape(part.path.name)} {sign}")
    with np.errstate(over="ignore"):  # a double that is too large becomes infinite
        return np.ascontiguousarray(array, dtype=np.float32)


def _choose_convention(
    text: str | None, matched: Match, found: Collection[Checkpoint]
) -> preprocessing.Preprocess:
    if text is not None:
        return preprocessing.parse(text)
    own = [each.preprocess for each in found if each.preprocess is not None]
    if own:
        return own[0]
    net, naming = matched.net, next(iter(found)).naming
    if naming == "torch" and tokens.is_transformer(net):
        return preprocessing.PRESETS[vit_names.choose_preset(matched.names, net.name)]
    return preprocessing.default_preprocess(naming, net.name)


def _check_labels(path: str | os.PathLike | None, skip_first_label: bool) -> None:
    """Raises an error, before any work, for a file of labels that cannot be read."""
    if path is not None:
        read_label_file(path, skip_first_label=skip_first_label)
    elif skip_first_label:
        raise ValueError("skip_first_label (--skip-first-label) belongs to labels (--labels FILE)")


def _read_labels(
    path: str | os.PathLike | None, net: Network, skip_first_label: bool
) -> tuple[str, ...]:
    if path is None:
        return ()
    return read_label_file(path, classes=_count_classes(net), skip_first_label=skip_first_label)


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
