"""Texts that a file contains, and names of files, made safe to print.

A name in a file, or of a file that came with others, may hold escape sequences or line
ends, which would otherwise reach the terminal.
"""

import os
import re

LONGEST = 80
"""Characters of a text that are shown."""
MOST_AXES = 8
"""Axes of a shape that is shown."""


def escape(text: object) -> str:
    """Returns a text of a file as one short line without control characters.

    Args:
      text: a name or another text; of anything else, only its type is shown.
    """
    if isinstance(text, int) and abs(text) < 2**64:
        return str(text)
    if not isinstance(text, str):
        # The text of a nested object can be exponentially long.
        return f"a {type(text).__name__}"
    shown = escape_characters(text[:LONGEST])
    return f"{shown}..." if len(text) > LONGEST else shown


def escape_path(path: str | os.PathLike) -> str:
    """Returns a path as one line without control characters, each of its names cut.

    Args:
      path: the path.
    """
    return "/".join(map(escape, os.fspath(path).split("/")))


def escape_characters(text: str) -> str:
    """Returns a text in which control characters and the like are written as letters.

    Args:
      text: of any length.
    """
    return text if text.isprintable() else "".join(map(_escape_character, text))


def _escape_character(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def describe_shape(shape: tuple[int, ...]) -> str:
    """Returns a shape as a short text: "(3, 3)", or "(1000 axes)" of an impossible one.

    Args:
      shape: as the file states it.
    """
    return str(tuple(shape)) if len(shape) <= MOST_AXES else f"({len(shape)} axes)"


def slug(text: str) -> str:
    """Makes a text part of a file name: "tench, Tinca tinca" -> "tench".

    Args:
      text: a label; what follows its first comma is left out.
    """
    words = re.findall(r"[^\W_]+", text.partition(",")[0].lower())
    return "_".join(words)[:40]
