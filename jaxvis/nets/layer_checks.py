"""What must hold of the rows of a table that a user writes, said where it does not."""

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from jaxvis.nets.table.layers import Layer, shapes, sources
from jaxvis.nets.table.ops import MODULES, OPS

KINDS: dict[str, Any] = {field.name: field.type for field in fields(Layer)}
"""Field of a row -> its type."""
KNOWN_OPS = tuple(op for op in {**MODULES, **OPS} if op not in ("input", "window_max"))
WIDE = ("conv", "fc", "dense", "up")
"""Ops that need a width."""
ON_MAPS = frozenset("conv max avg gap lrn inorm up repeat same reflect crop tokens".split())
"""Ops that take a map `[h, w, c]` and no vector."""
JOINING = ("concat", "add", "mul")
"""Ops that read several rows."""
OTHER_WORDS = {
    "linear": "write fc",
    "dense layer": "write fc",
    "conv2d": "write conv",
    "convolution": "write conv",
    "maxpool": "write max",
    "maxpool2d": "write max",
    "avgpool": "write avg",
    "batchnorm": "write bn",
    "batchnorm2d": "write bn",
    "layernorm": "write ln",
    "adaptiveavgpool2d": "write gap",
    "swish": "write silu",
    "leakyrelu": "write leaky, with alpha as its slope",
    "dropout": "leave the row out: a trained network drops nothing",
    "flatten": "leave the row out: fc reads a map as it is",
    "identity": "leave the row out",
    "input": "leave the row out: input_size and channels describe the image",
}
"""Op of other programs, in small letters -> what to do."""


def read_row(number: int, row: Layer | Mapping[str, Any]) -> Layer:
    """Makes one row of a table from what a user wrote, its fields checked.

    Args:
      number: which row it is, from 1, for messages.
      row: a `Layer`, or its fields by name.

    Raises:
      ValueError: for an unknown or missing field, or one of the wrong kind.
    """
    where = name_row(number, row)
    if isinstance(row, Layer):
        row = {field: getattr(row, field) for field in KINDS}
    if not isinstance(row, Mapping):
        raise ValueError(f"{where} is of type {type(row).__name__}: write a dict of its fields")
    for field in row:
        if field not in KINDS:
            hint = _suggest(str(field), tuple(KINDS))
            raise ValueError(f"{where} has an unknown field {field!r}{hint}; fields are {_list()}")
    for field in ("name", "op"):
        if not row.get(field):
            raise ValueError(f"{where} has no {field}: give it one, {field} = ...")
    layer = Layer(**{field: _convert(where, field, row[field]) for field in row})
    _check_op(where, layer)
    _check_numbers(where, layer)
    return layer


def name_row(number: int, row: Layer | Mapping[str, Any]) -> str:
    """Names a row in a message: "row 3 ('conv2')".

    Args:
      number: which row it is, from 1.
      row: the row.
    """
    name = row.get("name") if isinstance(row, Mapping) else getattr(row, "name", None)
    return f"row {number} ({name!r})" if name else f"row {number}"


def check_rows(rows: tuple[Layer, ...], size: tuple[int, int], channels: int) -> None:
    """Checks that rows have names of their own, and read what is there and fits.

    Args:
      rows: without the input row.
      size: (H, W) of the image in pixels.
      channels: of the image.

    Raises:
      ValueError: names the row, and the cure.
    """
    if not rows:
        raise ValueError("the list of layers is empty: give it at least one row")
    whole = (Layer("input", "input", channels), *rows)
    _check_names(rows)
    reads, seen = sources(whole), ["input"]
    at = shapes(whole[:1], size)
    for number, row in enumerate(rows, 1):
        where = name_row(number, row)
        _check_inputs(where, row, tuple(seen), {one.name for one in rows})
        _check_shapes(where, row, [at[name] for name in reads[row.name]])
        try:
            at = shapes(whole[: number + 1], size)
        except ValueError as error:
            raise ValueError(
                f"{where}: {error}, from an image of {size[0]}x{size[1]}; take a larger "
                "input_size, or a smaller size or stride here or above"
            ) from None
        seen.append(row.name)


def _check_names(rows: tuple[Layer, ...]) -> None:
    seen = {"input": 0}
    for number, row in enumerate(rows, 1):
        if row.name in seen:
            other = f"row {seen[row.name]}" if seen[row.name] else "the image"
            where = name_row(number, row)
            raise ValueError(f"{where} has the name of {other}: call one of them otherwise")
        seen[row.name] = number


def _check_op(where: str, row: Layer) -> None:
    if row.op in KNOWN_OPS:
        return
    cure = OTHER_WORDS.get(row.op.lower().replace("_", ""))
    close = "" if cure else _suggest(row.op, KNOWN_OPS)
    cure = cure or f"ops are {', '.join(KNOWN_OPS)}"
    raise ValueError(f"{where} has an unknown op {row.op!r}{close}: {cure}")


def _check_numbers(where: str, row: Layer) -> None:
    if row.op in WIDE and row.width < 1:
        raise ValueError(f"{where} has no width: {row.op} needs one, its output channels")
    if row.op not in WIDE and row.width:
        raise ValueError(f"{where} has a width, which {row.op} does not set: leave it out")
    if min(row.window) < 1 or row.stride < 1 or row.groups < 1 or min(row.pads) < 0:
        raise ValueError(f"{where}: size, stride and groups are at least 1, and pad is 0 or more")
    if row.op in ("max", "avg") and any(2 * p > side for p, side in zip(row.pads, row.window)):
        raise ValueError(f"{where} is padded by more than half of its window: take a smaller pad")


def _check_inputs(where: str, row: Layer, above: tuple[str, ...], known: set[str]) -> None:
    for name in row.inputs:
        if name in above:
            continue
        if name in known:
            raise ValueError(
                f"{where} reads {name!r}, which comes later or is itself: move it above this row"
            )
        raise ValueError(
            f"{where} reads {name!r}, which is no row{_suggest(name, above)}; above it are "
            f"{', '.join(above)}"
        )
    count = len(row.inputs)
    if row.op in JOINING and count < 2:
        raise ValueError(f"{where}: {row.op} joins several rows: name them, inputs = [..., ...]")
    if row.op not in (*JOINING, "patches") and count > 1:
        raise ValueError(
            f"{where}: {row.op} reads one row, and inputs names {count}: join them before it with "
            "a row of op concat or add"
        )


def _check_shapes(where: str, row: Layer, given: list[tuple[int, ...]]) -> None:
    """Raises an error where a row cannot take what it reads."""
    first = given[0]
    if row.op in ON_MAPS and len(first) != 3:
        raise ValueError(
            f"{where}: {row.op} takes a map [h, w, c], and it reads one of shape {first}: put it "
            "before the row that made a vector of the map"
        )
    if row.op == "conv":
        for what, count in (("width", row.width), ("channels it reads", first[-1])):
            if count % row.groups:
                raise ValueError(
                    f"{where}: {row.groups} groups do not divide the {what}, {count}: take "
                    "groups that divide both"
                )
    if row.op == "add" and len(set(given)) > 1:
        raise ValueError(f"{where} adds maps of different shapes, {_join(given)}: make them equal")
    if row.op == "concat" and len({shape[:-1] for shape in given}) > 1:
        raise ValueError(
            f"{where} joins maps of different sides, {_join(given)}: only channels may differ"
        )
    if row.op == "mul" and any(shape not in (first, first[-1:]) for shape in given):
        raise ValueError(
            f"{where} multiplies {_join(given)}: others have the shape of the first, or are a "
            "vector with a number for each of its channels"
        )


def _convert(where: str, field: str, value: Any) -> Any:
    """Returns a field's value with lists as tuples; raises an error for another kind."""
    kind = KINDS[field]
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return value
    if isinstance(value, bool):
        pass
    elif kind is float and isinstance(value, int | float):
        return float(value)
    elif kind is int and isinstance(value, int):
        return value
    elif kind == tuple[str, ...]:
        names = (value,) if isinstance(value, str) else value
        if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
            return tuple(names)
    elif kind == int | tuple[int, int]:
        if isinstance(value, int):
            return value
        if isinstance(value, list | tuple) and [type(one) for one in value] == [int, int]:
            return value[0] if value[0] == value[1] else tuple(value)
    words = {bool: "true or false", str: "text", float: "a number", int: "a whole number"}
    wanted = words.get(kind, "a whole number or a pair" if field != "inputs" else "a list of names")
    raise ValueError(f"{where}: {field} is {value!r}; write {wanted}")


def _suggest(word: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(word, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _list() -> str:
    return ", ".join(KINDS)


def _join(given: list[tuple[int, ...]]) -> str:
    return " and ".join(map(str, given))
