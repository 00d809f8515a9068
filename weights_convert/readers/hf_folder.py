"""A folder as Hugging Face's programs and timm write it: what is in which file of it.

The weights are one file, or several that an index lists. `config.json` says what the classes
are called, `preprocessor_config.json` (in timm's folders also `config.json`) what the network
expects of its input.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from jaxvis.escape import escape
from weights_convert import quantised
from weights_convert.checkpoint import CheckpointError
from weights_convert.preprocessing import Preprocess

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
INDEX = ".index.json"
WHOLE = (
    "model.safetensors",
    "pytorch_model.bin",
    "*.safetensors",
    "*.bin",
    "*.weights.h5",
    "*.keras",
)
"""Names of a file that holds all weights, the best first."""
OTHERS = ("flax_model.msgpack", "tf_model.h5")
"""Files of weights that are not read, because nobody has only them."""
MAX_JSON, MAX_CLASSES = 1 << 24, 1_000_000
UNNAMED = re.compile(r"LABEL_\d+")
"""What a class is called in a config whose author did not name it."""
TENSORFLOWS = ("mobilenet_v1", "mobilenet_v2", "efficientnet")
"""Kinds of networks that Hugging Face took from TensorFlow, with its padding."""


class Folder(NamedTuple):
    """What a folder holds.

    Attributes:
      files: those with weights.
      labels: class labels by class index; () if they have no names.
      preprocess: what the network expects of its input; None if the folder does not say.
      architecture: what the folder calls its network; "" if it does not.
    """

    files: tuple[Path, ...]
    labels: tuple[str, ...]
    preprocess: Preprocess | None
    architecture: str


def read(path: Path) -> Folder:
    """Returns what a folder holds; its weights are not read.

    Args:
      path: the folder.

    Raises:
      CheckpointError: for half a folder, and for a network of another program's.
    """
    files = _find_files(path)
    config = path / CONFIG
    if not files and not config.exists():
        raise CheckpointError(f"is a folder without {CONFIG} and {WHOLE[0]}: name the checkpoint")
    if not files:
        there = [name for name in OTHERS if (path / name).exists()]
        only = f"only {there[0]}, which is not read" if there else "no weights"
        raise CheckpointError(f"has {only}: save them as {WHOLE[0]} (model.save_pretrained)")
    if not config.exists():
        first = escape(files[0].name)
        raise CheckpointError(f"has no {CONFIG} beside {first}: fetch it, or name {first} itself")
    facts = _read_json(config)
    _check_kind(facts)
    other = path / PREPROCESSOR
    preprocessor = _read_json(other) if other.exists() else {}
    return Folder(files, _find_labels(facts), _find_preprocess(facts, preprocessor), _name(facts))


def _find_files(path: Path) -> tuple[Path, ...]:
    indices = sorted(path.glob(f"*.safetensors{INDEX}")) or sorted(path.glob(f"*.bin{INDEX}"))
    if indices:
        return _read_index(indices[0])
    for pattern in WHOLE:
        found = sorted(file for file in path.glob(pattern) if _is_weights(file))
        if len(found) > 1:
            shown = ", ".join(escape(file.name) for file in found[:5])
            raise CheckpointError(f"has several files of weights ({shown}): name one of them")
        if found:
            return tuple(found)
    return ()


def _is_weights(file: Path) -> bool:
    """Says whether a file may be the weights: trainers leave others beside them."""
    return file.is_file() and re.match(r"training_args|optimizer|scheduler|rng", file.name) is None


def _read_index(index: Path) -> tuple[Path, ...]:
    shards = _read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise CheckpointError(f"has no weight_map in its {escape(index.name)}: fetch it again")
    names = sorted({str(name) for name in shards.values()})
    files = [index.parent / name for name in names]
    if any(Path(name).name != name for name in names):
        raise CheckpointError(f"names files outside of it in its {escape(index.name)}")
    missing = [name for name, file in zip(names, files) if not file.is_file()]
    if missing:
        raise CheckpointError(
            f"lacks {escape(missing[0])}, one of its {len(names)} files of weights: fetch it too"
        )
    return tuple(files)


def _read_json(path: Path) -> dict[str, Any]:
    text = path.read_bytes()[:MAX_JSON]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CheckpointError(f"has a {escape(path.name)} that is no JSON object: fetch it again")
    return found


def _name(config: dict[str, Any]) -> str:
    named = config.get("architecture") or config.get("model_type")
    return named if isinstance(named, str) else ""


def _check_kind(config: dict[str, Any]) -> None:
    """Raises an error for a network that is not the one whose name it has."""
    name = _name(config)
    if "quantization_config" in config:
        raise CheckpointError(quantised.explain("quantization_config"))
    if name in TENSORFLOWS or name.startswith("tf_"):
        raise CheckpointError(
            f"holds {escape(name)}, which pads as TensorFlow does: it is another network than "
            "torchvision's, which jaxvis has"
        )
    if config.get("downsample_in_bottleneck") is True:
        raise CheckpointError(
            "holds a ResNet whose blocks take their stride in the first convolution "
            "(downsample_in_bottleneck): it is another network than torchvision's"
        )


def _find_labels(config: dict[str, Any]) -> tuple[str, ...]:
    names = config.get("label_names")
    if isinstance(names, list):
        about = config.get("label_descriptions")
        about = about if isinstance(about, dict) else {}
        return tuple(str(about.get(name, name)) for name in names if isinstance(name, str))
    names = config.get("id2label")
    if not isinstance(names, dict) or len(names) > MAX_CLASSES:
        return ()
    found = (names.get(str(i)) for i in range(len(names)))
    labels = tuple(label for label in found if isinstance(label, str))
    unnamed = all(UNNAMED.fullmatch(label) for label in labels)
    return () if unnamed or len(labels) < len(names) else labels


def _find_preprocess(config: dict[str, Any], preprocessor: dict[str, Any]) -> Preprocess | None:
    """Returns what the input becomes: (factor * x - mean) / std, of x from 0 to 255."""
    timm = config.get("pretrained_cfg", config)
    mean, std, scale = timm.get("mean"), timm.get("std"), 1.0
    if preprocessor:
        normalise = preprocessor.get("do_normalize", True)
        mean = preprocessor.get("image_mean") if normalise else [0.0]
        std = preprocessor.get("image_std") if normalise else [1.0]
        factor = preprocessor.get("rescale_factor", 1 / 255)
        scale = 255 * factor if preprocessor.get("do_rescale", True) else 255.0
    if mean is None or std is None:
        return None
    try:
        return Preprocess("rgb", float(scale), _read_colour(mean), _read_colour(std))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"says of its input what cannot be: {escape(str(error))}") from None


def _read_colour(numbers: Any) -> tuple[float, ...]:
    return tuple(map(float, numbers)) if isinstance(numbers, list) else (float(numbers),)
