"""What people have as weights -> a converted file, which is all that `load` reads.

They may have a converted file; a checkpoint of another program, or a folder as Hugging
Face's programs write it; a repository of the Hugging Face hub; or a tag of published
weights. What is not converted is converted once, and kept in the cache under the sha256 of
its content.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from jaxvis.escape import escape_path
from jaxvis.nets.network_file import hash_network_file, is_network_file
from jaxvis.weights.cache import EMBEDDED, cache_path, home
from jaxvis.weights.file import read_metadata
from jaxvis.weights.tensor_file import check_regular, hash_file, open_tensors

HUB, TAGS = "hf:", ("torchvision:", "keras:")
"""How weights begin that are no path: hf:timm/resnet50.a1_in1k, torchvision:DEFAULT."""
EDITION = 1
"""Grows when the same file is converted to something else: it is converted again then."""
OTHERS = re.compile(r"\.|(optimizer|scheduler|rng_state|training_args|trainer_state)\b")
"""How names of files in a folder begin that are no part of a network."""
MOST_FILES = 1000
"""Files of the largest folder that is one network."""


class FoundWeights(NamedTuple):
    """A converted file, and where it came from.

    Attributes:
      path: the file.
      weights: where the parameters came from: what was given, "cached" or "embedded".
      sha256: of what was given, in hexadecimal; None if that is the file itself.
      notes: sentences on what was done to get it; () if it was there.
      imagenet: whether its source says that it was trained on ImageNet.
    """

    path: Path
    weights: str
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    imagenet: bool = False


@contextlib.contextmanager
def find_weights(
    name: str,
    weights: str | os.PathLike | None,
    *,
    input_size: tuple[int, int] | None = None,
    stop: str | None = None,
) -> Iterator[FoundWeights]:
    """Yields the converted file of what was given, downloaded and converted if need be.

    Args:
      name: the network.
      weights: a file or folder, "hf:OWNER/NAME", "torchvision:TAG", "keras:TAG", or None for the
        embedded or the cached file.
      input_size: (H, W) in pixels that fully connected layers are made for; None is the
        published size.
      stop: the last tap that is wanted, where a checkpoint has no later ones.

    Raises:
      FileNotFoundError: if there is none; says which command gets it.
      OSError: if it cannot be read, written or downloaded.
      ValueError: for a file that cannot be converted, or an unknown tag.
    """
    if weights is None:
        with _find_own(name) as found:
            yield found
        return
    text = os.fspath(weights)
    if text.startswith(TAGS):
        yield _find_published(name, text)
        return
    path = _find_given(text)
    if path.is_file() and _is_converted(path):
        yield FoundWeights(path, text, imagenet=_is_of_imagenet(path))
        return
    with _convert(name, text, path, input_size, stop) as found:
        yield found


def hash_weights(name: str, weights: str | os.PathLike | None) -> str:
    """Returns the sha256 that a record keeps of what was given as weights.

    Args:
      name: the network.
      weights: as for `find_weights`.

    Raises:
      OSError: if there is no such file.
      ValueError: for a text that names nothing.
    """
    if weights is not None and not os.fspath(weights).startswith(TAGS):
        return _hash(_find_given(os.fspath(weights)))
    with find_weights(name, weights) as found:
        return found.sha256 or hash_file(found.path)


@contextlib.contextmanager
def _find_own(name: str) -> Iterator[FoundWeights]:
    """Yields the file that goes with a network when no weights are named."""
    if name in EMBEDDED:
        file = resources.files("jaxvis.nets.demo") / EMBEDDED[name]
        with resources.as_file(file) as path:
            yield FoundWeights(path, "embedded")
        return
    if is_network_file(name):
        raise FileNotFoundError(
            f"{name} describes a network, and no weights: pass them, weights=FILE "
            "(on the command line: --weights FILE), or random:0"
        )
    path = cache_path(name)
    if not path.exists():
        raise FileNotFoundError(
            f"the weights of {name} are not here ({path}); get them with: "
            f"jaxvis weights get {name}, or pass a file: weights=FILE "
            "(on the command line: --weights FILE)"
        )
    yield FoundWeights(path, "cached", imagenet=_is_of_imagenet(path))


def _find_published(name: str, text: str) -> FoundWeights:
    """Returns the cached file of published weights; gets it if it is not there."""
    from weights_convert.published import get_published
    from weights_convert.torchvision_files import find_tag

    key = find_tag(name, text)
    path, notes = cache_path(key), tuple[str, ...]()
    if not path.exists():
        get_published(key, path, downloads=home() / "downloads")
        notes = (f"{text} was downloaded and converted; kept as {path}",)
    (sha256,) = json.loads(read_metadata(path)["sha256"])
    return FoundWeights(path, text, sha256, notes, imagenet=True)


def _find_given(text: str) -> Path:
    """Returns the path of what was given: itself, or that of a repository's folder."""
    if text.startswith(HUB):
        from weights_convert.hub import fetch_repository

        return fetch_repository(text)
    path = Path(text)
    if not path.exists():
        hint = ""
        if re.fullmatch(r"[\w.-]+/[\w.-]+", text):
            hint = f"; a repository of the Hugging Face hub is written {HUB}{text}"
        raise FileNotFoundError(f"there is no file {escape_path(path)}{hint}")
    return path


def _is_converted(path: Path) -> bool:
    """Says whether a file is what `jaxvis.weights.file.save` writes."""
    check_regular(path)
    with path.open("rb") as file:
        if file.read(9)[8:] != b"{":
            return False
    with open_tensors(path) as tensors:
        return "net" in tensors.metadata


def _is_of_imagenet(path: Path) -> bool:
    """Says whether the checkpoint of a converted file is known to be of ImageNet."""
    from weights_convert.published import is_of_imagenet

    metadata = read_metadata(path)
    files, sums = (_read_list(metadata, key) for key in ("source", "sha256"))
    return is_of_imagenet(files, sums)


def _read_list(metadata: Mapping[str, str], key: str) -> list[str]:
    try:
        found = json.loads(metadata.get(key) or "[]")
    except (ValueError, RecursionError):
        found = []
    return [str(one) for one in found] if isinstance(found, list) else []


@contextlib.contextmanager
def _convert(
    name: str,
    text: str,
    path: Path,
    input_size: tuple[int, int] | None,
    stop: str | None,
) -> Iterator[FoundWeights]:
    """Yields the converted file of a checkpoint, from the cache or made now."""
    from weights_convert.published import is_config_of_imagenet

    sha256, kept = _hash(path), home() / "converted"
    known = path.is_file() and not is_network_file(name)
    options = _choose_options(name, path, sha256) if known else {}
    if input_size is not None:
        options["input_size"] = input_size
    named = path.is_dir() and is_config_of_imagenet(path)
    # A checkpoint without the last layers is converted as far as the caller wants it.
    ways = [options] if stop is None else [options, {**options, "stop": stop}]
    names = {_name_file(sha256, name, each): each for each in ways}
    for each in names:
        if (kept / each).exists():
            imagenet = named or _is_of_imagenet(kept / each)
            yield FoundWeights(kept / each, text, sha256, imagenet=imagenet)
            return
    with _choose_folder(kept) as folder:
        out = _write(name, path, {folder / each: names[each] for each in names})
        end = f"kept as {out}" if folder == kept else f"not kept: {kept} cannot be written"
        notes = (f"{text} was converted to {name}; {end}", *_read_list(read_metadata(out), "notes"))
        yield FoundWeights(out, text, sha256, notes, named or _is_of_imagenet(out))


def _choose_options(name: str, path: Path, sha256: str) -> dict[str, Any]:
    """Returns how a file must be converted that is known by its content."""
    from weights_convert.torchvision_files import recognise_file

    source = recognise_file(sha256)
    if source is None:
        return {}
    if source.net != name:
        raise ValueError(
            f"{escape_path(path)} is torchvision's {source.net}, not {name}: write {source.net}"
        )
    return {"preprocess": source.preprocess, "stop": source.stop}


def _name_file(sha256: str, name: str, options: Mapping[str, Any]) -> str:
    """Names a converted file after all that decides what is in it."""
    given = {key: value for key, value in options.items() if value is not None}
    what = hash_network_file(name) if is_network_file(name) else name
    text = json.dumps([EDITION, sha256, what, given], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest() + ".safetensors"


def _write(name: str, path: Path, choices: Mapping[Path, Mapping[str, Any]]) -> Path:
    """Converts a checkpoint in the first of some ways that it allows."""
    from weights_convert import convert

    *others, last = choices
    for out in others:
        with contextlib.suppress(ValueError):
            return convert([path], net=name, out=out, overwrite=True, **choices[out])
    return convert([path], net=name, out=last, overwrite=True, **choices[last])


@contextlib.contextmanager
def _choose_folder(folder: Path) -> Iterator[Path]:
    """Yields the folder, made if need be; a temporary one where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        writable = False
    else:
        writable = True
    if writable:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="jaxvis-") as temporary:
        yield Path(temporary)


def _hash(path: Path) -> str:
    """Returns the sha256 of a file, or that of the names and contents in a folder."""
    if not path.is_dir():
        check_regular(path)
        return hash_file(path)
    files = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and not any(map(OTHERS.match, file.relative_to(path).parts))
    )
    if len(files) > MOST_FILES:
        raise ValueError(
            f"{escape_path(path)} has {len(files)} files: name the file or folder of one network"
        )
    lines = (f"{hash_file(file)}  {file.relative_to(path).as_posix()}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
