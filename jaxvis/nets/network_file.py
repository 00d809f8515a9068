"""A network that a file describes: a table in TOML, or a Python file of the user's own.

A TOML file has `name`, `input_size`, `channels`, `scores`, `classes` and `preprocess`, and a
`[[layers]]` for each row of `jaxvis.from_layers`. A Python file has `NET`, a network or a list
of rows, or a function `make_net()` that returns one of these; beside a list, `INPUT_SIZE` and
the other names in capitals say what the TOML file's keys say. It is executed.
"""

import hashlib
import importlib.util
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jaxvis.escape import escape_path
from jaxvis.nets.layer_list import from_layers
from jaxvis.nets.table.forward import Table, build_network
from jaxvis.network import Network

ENDINGS = (".toml", ".py")
"""How names of networks end that are files."""
OPTIONS = ("name", "input_size", "channels", "scores", "classes")
"""Keys that are options of `from_layers`."""
KEYS = (*OPTIONS, "preprocess", "layers")
MOST_BYTES = 1 << 24


class DescribedNetwork(NamedTuple):
    """What a file says of a network.

    Attributes:
      net: the network.
      preprocess: what checkpoints of it expect of their input, as `jaxvis convert
        --preprocess` takes it; None where the file does not say it.
    """

    net: Network
    preprocess: str | None


def is_network_file(name: str) -> bool:
    """Says whether the name of a network is that of a file which describes it.

    Args:
      name: what was given as the network: "vgg19", "my_net.toml".
    """
    return Path(name).suffix.lower() in ENDINGS


def hash_network_file(name: str) -> str:
    """Returns the sha256 of a file that describes a network, in hexadecimal.

    Args:
      name: its path.

    Raises:
      OSError: if it cannot be read.
    """
    return hashlib.sha256(_read(name)).hexdigest()


def read_network_file(name: str, *, input_size: tuple[int, int] | None = None) -> DescribedNetwork:
    """Reads a network from a file, and executes the file if it is Python.

    Args:
      name: its path, which ends in .toml or .py.
      input_size: (H, W) in pixels of the native image; None is what the file says.

    Raises:
      FileNotFoundError: if there is no such file.
      OSError: if it cannot be read.
      ValueError: for a file that describes no network; names the file, the row and the cure.
    """
    content, shown = _read(name), escape_path(name)
    facts = _run_python(name, content) if Path(name).suffix.lower() == ".py" else _parse(name)
    try:
        net = _make_network(facts, Path(name).stem)
        if input_size is not None:
            net = _with_size(net, input_size)
        return DescribedNetwork(net, _read_preprocess(facts))
    except ValueError as error:
        raise ValueError(f"{shown}: {error}") from None


def preprocess_of(name: str) -> str | None:
    """Returns what a file that describes a network says of the input; None for other names.

    Args:
      name: what was given as the network.

    Raises:
      OSError, ValueError: as `read_network_file`.
    """
    return read_network_file(name).preprocess if is_network_file(name) else None


def _read(name: str) -> bytes:
    path = Path(name)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {escape_path(path)} that describes a network")
    if not path.is_file():
        raise ValueError(f"{escape_path(path)} is no regular file: name one in TOML or Python")
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{escape_path(path)} is too long to describe a network")
    return content


def _parse(name: str) -> dict[str, Any]:
    """Reads the keys of a TOML file."""
    shown = escape_path(name)
    try:
        facts = tomllib.loads(_read(name).decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{shown} is not text in UTF-8: write a TOML file") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{shown} is not TOML: {error}") from None
    for key in facts:
        if key not in KEYS:
            close = get_close_matches(key, KEYS, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ValueError(
                f"{shown} has an unknown key {key!r}{hint}; keys are {', '.join(KEYS)}"
            )
    return facts


@lru_cache(maxsize=8)
def _run_python(name: str, content: bytes) -> dict[str, Any]:
    """Executes a Python file, once for its content; gives what it says, by our keys."""
    shown, module_name = escape_path(name), f"jaxvis_net_{hashlib.sha256(content).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(module_name, name)
    if spec is None or spec.loader is None:
        raise ValueError(f"{shown} cannot be executed: it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look for the module that defines them
    try:
        spec.loader.exec_module(module)
        found = module.NET if hasattr(module, "NET") else getattr(module, "make_net", None)
        found = found() if callable(found) and not isinstance(found, Network) else found
    except Exception as error:  # whatever a user's own code raises
        said = " ".join(str(error).split())[:300]
        raise ValueError(f"{shown} failed: {type(error).__name__}: {said}") from error
    if found is None:
        raise ValueError(f"{shown} has neither NET nor make_net(): define one of them")
    facts = {key: getattr(module, key.upper(), None) for key in KEYS}
    return {"layers": found, **{key: one for key, one in facts.items() if one is not None}}


def _make_network(facts: Mapping[str, Any], stem: str) -> Network:
    layers = facts.get("layers")
    if isinstance(layers, Network):
        return layers
    if layers is None:
        raise ValueError("it has no layers: write a [[layers]] for each row")
    options = {"name": stem, **{key: facts[key] for key in OPTIONS if key in facts}}
    if "input_size" not in options:
        raise ValueError("it has no input_size: write input_size = [H, W], in pixels")
    for key in ("name", "scores", "classes"):
        if key in options and not isinstance(options[key], str):
            raise ValueError(f"{key} is {options[key]!r}: write text")
    size = options.pop("input_size")
    return from_layers(layers, input_size=(size, size) if type(size) is int else size, **options)


def _with_size(net: Network, size: tuple[int, int]) -> Network:
    if size == net.input_size:
        return net
    if not isinstance(net.forward, Table):
        raise ValueError(
            f"{net.name} is not built from a table, so its input_size is its own: leave "
            "input_size out"
        )
    other = build_network(
        net.name,
        net.rows[1:],
        input_size=size,
        scores=net.scores,
        classes=net.classes,
        channels=net.channels,
    )
    return replace(other, forward=replace(net.forward, size=size))


def _read_preprocess(facts: Mapping[str, Any]) -> str | None:
    text = facts.get("preprocess")
    if text is not None and not isinstance(text, str):
        raise ValueError(f"preprocess is {text!r}: write text, such as 'imagenet'")
    return text
