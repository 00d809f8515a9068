"""A network from a list of its layers, which is data: Python dicts, or the rows of a file."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxvis.nets.layer_checks import check_rows, read_row
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer, shapes
from jaxvis.network import Network


def from_layers(
    layers: Sequence[Layer | Mapping[str, Any]],
    *,
    input_size: tuple[int, int],
    scores: str | None = None,
    classes: str | None = None,
    channels: int = 3,
    name: str = "network",
) -> Network:
    """Returns the network of a list of layers, checked; its parameters come from elsewhere.

    A row reads the row above it, unless `inputs` names others: so the list is a chain, or a
    graph. Every row is a tap. Parameters are what `jaxvis.nets.random_params` draws, or what
    `weights_convert` reads from a checkpoint whose layers are called as the rows are.

    Args:
      layers: rows, each a dict such as {"name": "conv1", "op": "conv", "width": 32, "size":
        3, "pad": 1}, or a `jaxvis.nets.table.layers.Layer`, whose fields they have.
      input_size: (H, W) in pixels of the native image; fully connected rows are made for
        it.
      scores: the row of the class scores before softmax, `[classes]`; None takes the last
        row that is no softmax, if it is a vector.
      classes: the row to maximise for a class; None takes `scores`.
      channels: of the image: 3 for colours, 1 for grey.
      name: what files call the network.

    Raises:
      ValueError: for an unknown op or field, a name that two rows have, an input that does
        not exist or comes later, or a shape that does not fit; names the row and the cure.

    >>> import jaxvis
    >>> rows = [
    ...     {"name": "conv", "op": "conv", "width": 8, "size": 3, "pad": 1},
    ...     {"name": "relu", "op": "relu"},
    ...     {"name": "gap", "op": "gap"},
    ...     {"name": "fc", "op": "fc", "width": 10},
    ... ]
    >>> jaxvis.from_layers(rows, input_size=(32, 32), name="small")
    Network('small', 32x32, 5 taps from input to fc)
    """
    size = _check_size(input_size)
    if type(channels) is not int or channels < 1:
        raise ValueError(f"channels is a whole number, at least 1, not {channels!r}")
    if isinstance(layers, Mapping | str) or not isinstance(layers, Sequence):
        raise ValueError(f"layers is a list of rows, not a {type(layers).__name__}")
    rows = tuple(read_row(number, row) for number, row in enumerate(layers, 1))
    check_rows(rows, size, channels)
    at = shapes((Layer("input", "input", channels), *rows), size)
    _check_choices(at, {"scores": scores, "classes": classes})
    if scores is None:
        scores = _find_scores(rows, at)
    return build_network(
        name, rows, input_size=size, scores=scores, classes=classes, channels=channels
    )


def _check_size(size: Any) -> tuple[int, int]:
    whole = isinstance(size, tuple | list) and [type(side) for side in size] == [int, int]
    if not whole or min(size) < 1:
        raise ValueError(f"input_size is (H, W) in pixels, such as (224, 224), not {size!r}")
    return (size[0], size[1])


def _check_choices(at: Mapping[str, tuple[int, ...]], choices: Mapping[str, str | None]) -> None:
    for option, row in choices.items():
        if row is not None and row not in at:
            raise ValueError(f"{option} is {row!r}, which is no row; rows are {', '.join(at)}")
    scores = choices["scores"]
    if scores is not None and len(at[scores]) != 1:
        raise ValueError(
            f"scores is {scores!r}, whose shape is {at[scores]}: name a row with one number for "
            "each class, such as one of op fc or gap"
        )


def _find_scores(rows: tuple[Layer, ...], at: Mapping[str, tuple[int, ...]]) -> str | None:
    last = next((row for row in reversed(rows) if row.op != "softmax"), None)
    return last.name if last is not None and len(at[last.name]) == 1 else None
