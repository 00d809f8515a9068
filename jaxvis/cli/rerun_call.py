"""A command's call, rebuilt from the arguments that its record keeps."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

from jaxvis.cli import COMMANDS
from jaxvis.cli.calling import import_command
from jaxvis.cli.limits import check_numbers

NO_RECORD = (
    *("layers", "check", "export", "weights get", "weights list", "convert", "rerun"),
    *("sweep run", "sweep resume", "sweep status", "sweep verify", "sweep export", "sweep merge"),
    *("sweep manifest", "sweep measure", "site", "serve", "microscope", "gallery"),
)
"""Commands that write no record, or whose records are those of a sweep's shards."""


def find_command(name: str) -> Callable[..., Any]:
    """Finds the function of a command that writes records.

    Args:
      name: such as "train style".

    Raises:
      ValueError: if there is none of this name.
    """
    if name not in COMMANDS or name in NO_RECORD:
        raise ValueError(f"this jaxvis has no command {name!r} that writes records")
    return import_command(COMMANDS[name])


def list_flags(command: Callable[..., Any]) -> dict[str, Any]:
    """Lists what a command can be given, by the names of `jaxvis.cli.flags.flatten_flags`.

    Args:
      command: its function.

    Returns:
      dict: name -> type hint.
    """
    found: dict[str, Any] = {}
    for name, hint in _hints_of(command).items():
        found |= _hints_of(hint) if is_dataclass(hint) else {name: hint}
    return found


def call_command(command: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Calls a command with arguments as its record keeps them.

    Args:
      command: its function.
      arguments: JSON values by name; what is left out has the command's default.

    Raises:
      ValueError: for an argument that the command does not have, that is missing, or
        whose value is of another kind or out of range; and what the command raises.
    """
    hints, known = _hints_of(command), list_flags(command)
    unknown = [name for name in arguments if name not in known]
    if unknown:
        raise ValueError(f"this jaxvis has no {', '.join(map(_flag, unknown))} of that command")
    given = {name: convert(value, known[name], name) for name, value in arguments.items()}
    check_numbers(given)
    by_position: list[Any] = []
    by_keyword: dict[str, Any] = {}
    for parameter in inspect.signature(command).parameters.values():
        hint, value = hints[parameter.name], parameter.default
        if is_dataclass(hint):
            own = [field.name for field in fields(hint)]
            value = replace(value, **{name: given[name] for name in own if name in given})
        else:
            value = given.get(parameter.name, value)
        if value is parameter.empty:
            raise ValueError(f"the record lacks {parameter.name}, which the command needs")
        if parameter.kind is parameter.KEYWORD_ONLY:
            by_keyword[parameter.name] = value
        else:
            by_position.append(value)
    return command(*by_position, **by_keyword)


def convert(value: Any, hint: Any, name: str) -> Any:
    """Converts a JSON value to what a type hint says.

    Args:
      value: of the record.
      hint: None, bool, int, float, str, Path, a Literal, a tuple or a union of such.
      name: of the argument, for the message.

    Raises:
      ValueError: if the value is of another kind.
    """
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return _convert_to_one(value, inner, hint, name)
    if kind is Literal and value in inner:
        return value
    if kind is tuple and isinstance(value, list):
        hints = inner[:1] * len(value) if inner[1:] == (...,) else inner
        if len(hints) == len(value):
            return tuple(convert(one, each, name) for one, each in zip(value, hints))
    if hint is float and (type(value) in (int, float) or value in ("nan", "inf", "-inf")):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint in (bool, int, str) and type(value) is hint:
        return value
    if hint is type(None) and value is None:
        return None
    wanted = getattr(hint, "__name__", str(hint)) if kind is None else str(hint)
    raise ValueError(f"the record's {_flag(name)} is {value!r}, which is no {wanted}")


def _convert_to_one(value: Any, hints: tuple[Any, ...], whole: Any, name: str) -> Any:
    """Converts a value to the first of several hints that it fits."""
    for hint in hints:
        try:
            return convert(value, hint, name)
        except ValueError:
            continue
    raise ValueError(f"the record's {_flag(name)} is {value!r}, which is no {whole}")


def _hints_of(thing: Any) -> dict[str, Any]:
    """Gives the type hints of a function's parameters, or of a dataclass' fields."""
    return {name: hint for name, hint in typing.get_type_hints(thing).items() if name != "return"}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
