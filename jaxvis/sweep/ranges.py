"""Lists of numbers as short texts: "0:64,70,72:80"."""

from collections.abc import Sequence


def write_ranges(numbers: Sequence[int]) -> str:
    """Writes numbers as ranges START:STOP and single ones, in their order.

    Args:
      numbers: from 0 up.

    Returns:
      str: "" for none.

    >>> from jaxvis.sweep.ranges import write_ranges
    >>> write_ranges([0, 1, 2, 7])
    '0:3,7'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1]:
            parts[-1][1] += 1
        else:
            parts.append([number, number + 1])
    words = (str(first) if stop == first + 1 else f"{first}:{stop}" for first, stop in parts)
    return ",".join(words)


def read_ranges(text: str) -> tuple[int, ...]:
    """Reads what `write_ranges` wrote.

    Args:
      text: such as "0:3,7".

    Raises:
      ValueError: for anything else.
    """
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, colon, stop = part.partition(":")
        numbers += range(int(first), int(stop)) if colon else [int(first)]
    return tuple(numbers)
