"""Texts that a file contains, made safe to print."""

LONGEST = 80
"""Characters of a text that are shown."""
MOST_AXES = 8
"""Axes of a shape that is shown."""


def escape(text: object) -> str:
    """Returns a text of a file as one short line without control characters.

    A name in a file may hold escape sequences, which would otherwise reach the terminal.

    Args:
      text: a name or another text; of anything else, only its type is shown.
    """
    if isinstance(text, int) and abs(text) < 2**64:
        return str(text)
    if not isinstance(text, str):
        # The text of a nested object can be exponentially long.
        return f"a {type(text).__name__}"
    shown = "".join(map(_escape_character, text[:LONGEST]))
    return f"{shown}..." if len(text) > LONGEST else shown


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
