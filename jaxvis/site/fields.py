"""The fields of JSON objects of a sweep's folder, each read with a check."""

import json
import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from jaxvis.escape import escape, escape_path
from jaxvis.output.files import read_regular_file

SCHEMA = 1
"""The newest schema of the files that is known."""
ENDINGS = (".png", ".webp")
"""Endings of the files that may be shown as pictures."""


class Fields:
    """The fields of one JSON object.

    Args:
      value: the object.
      where: what messages call it, such as "records/a.json, row 3".

    Raises:
      ValueError: if it is no object.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {_name_type(value)} and no object")
        self.value: dict[str, Any] = value
        self.where = where

    def text(self, name: str) -> str:
        """Reads a text that must be there.

        Args:
          name: of the field.

        Raises:
          ValueError: for anything else.
        """
        found = self.optional_text(name)
        if found is None:
            raise ValueError(f"{self.where} has no {name}")
        return found

    def optional_text(self, name: str) -> str | None:
        """Reads a text, or None where it is null or missing.

        Args:
          name: of the field.

        Raises:
          ValueError: for anything else.
        """
        return self._take(name, str, "a text")

    def whole(self, name: str) -> int:
        """Reads a whole number from 0 up that must be there.

        Args:
          name: of the field.

        Raises:
          ValueError: for anything else.
        """
        found = self.optional_whole(name)
        if found is None:
            raise ValueError(f"{self.where} has no {name}")
        return found

    def optional_whole(self, name: str) -> int | None:
        """Reads a whole number from 0 up, or None where it is null or missing.

        Args:
          name: of the field.

        Raises:
          ValueError: for anything else.
        """
        found: int | None = self._take(name, int, "a whole number")
        if found is not None and not 0 <= found < 2**53:
            raise ValueError(f"{self.where}: {name} is {escape(found)}, and goes from 0 up")
        return found

    def sequence(self, name: str) -> list[Any]:
        """Reads a list; one that is null or missing is empty.

        Args:
          name: of the field.

        Raises:
          ValueError: for anything else.
        """
        return self._take(name, list, "a list") or []

    def inner(self, name: str) -> "Fields | None":
        """Reads an object, or None where it is null or missing.

        Args:
          name: of the field.

        Raises:
          ValueError: for anything else.
        """
        found = self.value.get(name)
        return None if found is None else Fields(found, f"{self.where}, {name}")

    def objects(self, name: str) -> "Iterator[Fields]":
        """Yields the objects of a list.

        Args:
          name: of the field.

        Raises:
          ValueError: for a list that holds anything else.
        """
        for number, one in enumerate(self.sequence(name)):
            yield Fields(one, f"{self.where}, {name}[{number}]")

    def number(self, name: str) -> float | None:
        """Reads a number, or None where there is none that is finite.

        Args:
          name: of the field.

        Raises:
          ValueError: for what is no number; "nan" and "inf" are numbers in records.
        """
        return _to_number(self.value.get(name), f"{self.where}: {name}")

    def numbers(self, name: str) -> tuple[float | None, ...]:
        """Reads a list of numbers, each None where it is not finite.

        Args:
          name: of the field.

        Raises:
          ValueError: for a list that holds anything else.
        """
        where = f"{self.where}: {name}"
        return tuple(_to_number(one, where) for one in self.sequence(name))

    def finite(self, name: str) -> tuple[float, ...]:
        """Reads a list of numbers that are all finite.

        Args:
          name: of the field.

        Raises:
          ValueError: for a list that holds anything else.
        """
        found = [one for one in self.numbers(name) if one is not None]
        if len(found) < len(self.sequence(name)):
            raise ValueError(f"{self.where}: {name} holds what is not finite")
        return tuple(found)

    def metrics(self, name: str) -> dict[str, float]:
        """Reads an object of numbers; what is not finite is left out.

        Args:
          name: of the field.

        Raises:
          ValueError: for an object that holds anything else.
        """
        inner = self.inner(name)
        if inner is None:
            return {}
        found = {one: inner.number(one) for one in inner.value}
        return {one: number for one, number in found.items() if number is not None}

    def picture(self, name: str) -> str | None:
        """Reads the path of a picture inside the folder, or None where it is null or missing.

        Args:
          name: of the field.

        Raises:
          ValueError: for a path that leads out of the folder, or is no picture.
        """
        path = self.optional_text(name)
        if path is None:
            return None
        parts = PurePosixPath(path).parts
        if "\\" in path or "\0" in path or path.startswith("/") or ".." in parts or not parts:
            raise ValueError(
                f"{self.where}: {name} is {escape(path)}, which leads out of the folder"
            )
        if not path.lower().endswith(ENDINGS):
            raise ValueError(
                f"{self.where}: {name} is {escape(path)}: pictures end in {' or '.join(ENDINGS)}"
            )
        return path

    def _take(self, name: str, kind: type, what: str) -> Any:
        found = self.value.get(name)
        if found is None or (isinstance(found, kind) and not isinstance(found, bool)):
            return found
        raise ValueError(f"{self.where}: {name} is {_name_type(found)} and not {what}")


def read_fields(path: Path, name: str) -> Fields:
    """Reads a JSON file that has a schema.

    Args:
      path: of the file.
      name: what messages call it.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is no JSON object, or was written by a later jaxvis.
    """
    name = escape_path(name)
    try:
        found = Fields(json.loads(read_regular_file(path)), name)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{name} is no JSON ({escape(str(error))})") from None
    schema = found.whole("schema")
    if schema > SCHEMA:
        raise ValueError(f"{name} has schema {schema}, this jaxvis reads up to {SCHEMA}: update it")
    return found


def _to_number(value: object, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{where} is {_name_type(value)} and no number")
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _name_type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")
