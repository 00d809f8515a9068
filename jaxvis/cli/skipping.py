"""What was skipped in a folder, in the one line that a command prints of it."""

from collections.abc import Collection

from jaxvis.escape import escape

SHOWN = 6
"""Names that the line lists; it counts the others, and the record lists them all."""


def describe_images(count: int, skipped: Collection[str]) -> str:
    """Describes what was found in a folder: "12 images, 1 file skipped (notes.txt)".

    Args:
      count: of the images that are used.
      skipped: names of the files that are not.
    """
    return f"{count} image{'s' * (count != 1)}{describe_skipped(skipped)}"


def describe_skipped(skipped: Collection[str]) -> str:
    """Describes what was skipped, to stand behind other words: ", 1 file skipped (notes.txt)".

    Args:
      skipped: names of files; nothing is said where there is none.
    """
    if not skipped:
        return ""
    names = [escape(name) for name in list(skipped)[:SHOWN]]
    more = f" and {len(skipped) - SHOWN} more" if len(skipped) > SHOWN else ""
    return f", {len(skipped)} file{'s' * (len(skipped) != 1)} skipped ({', '.join(names)}{more})"
