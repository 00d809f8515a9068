"""Whether the inputs and the weights of a record are still what they were."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxvis.cli.checksums import hash_inputs
from jaxvis.weights.source import hash_weights

OWN = ("cached", "embedded")
"""What records say of weights that were found without --weights."""


def list_changes_of_inputs(kept: Mapping[str, Any]) -> list[str]:
    """Lists inputs and weights that have changed since, as phrases.

    Args:
      kept: a record.
    """
    found: list[str] = []
    for name, then in kept.get("inputs", {}).items():
        found += _compare_input(name, then)
    return found + _compare_net_file(kept) + _compare_weights(kept.get("network", {}))


def _compare_input(name: str, then: Any) -> list[str]:
    """Compares a file, or a folder, with its sha256 of then."""
    try:
        now = hash_inputs(name)[name]
    except (OSError, ValueError):
        return [f"{name} cannot be read" if Path(name).exists() else f"{name} is not here"]
    if not isinstance(then, dict) or not isinstance(now, dict):
        return [] if now == then else [f"{name} has changed"]
    gone = [f"{name}/{one} is not here" for one in then if one not in now]
    new = [f"{name}/{one} is new" for one in now if one not in then]
    both = [one for one in now if one in then]
    return gone + new + [f"{name}/{one} has changed" for one in both if now[one] != then[one]]


def _compare_net_file(kept: Mapping[str, Any]) -> list[str]:
    """Compares the file that describes the network with its sha256 of then."""
    then = kept.get("net_file")
    if not isinstance(then, Mapping):
        return []
    return _compare_input(str(then.get("path")), then.get("sha256"))


def _compare_weights(network: Mapping[str, Any]) -> list[str]:
    """Compares a network's file of weights with its sha256 of then."""
    name, weights, then = (network.get(one) for one in ("name", "weights", "sha256"))
    if then is None:
        return []
    what = f"the weights of {name}" if weights in OWN else f"{weights}"
    try:
        now = hash_weights(str(name), None if weights in OWN else str(weights))
        return [] if now == then else [f"{what} have changed"]
    except (OSError, ValueError):
        return [f"{what} are not here"]
