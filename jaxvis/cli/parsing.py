"""Words of the command line: lists of numbers and names, sizes, positions."""

import collections
import math
import re
from collections.abc import Sequence

from jaxvis.weights.class_names import find_label, simplify

MAX_RANGE = 10**6
"""Numbers in a range whose end nothing else limits."""
LEAST, MOST = 4, 16384
"""Pixels of a side: what is smaller shows nothing, what is larger fits no memory."""


def parse_indices(
    text: str, *, count: int | None = None, what: str = "index", labels: Sequence[str] = ()
) -> tuple[int, ...]:
    """Reads the numbers that a list such as "1,5,9:12" or "goldfish,130" names, in order.

    Args:
      text: numbers, names and ranges START:STOP or START:STOP:STEP, STOP left out as in
        Python, separated by commas; a label with commas may be written whole. With
        `count`, START and STOP may be omitted (":" is all of them).
      count: how many there are; numbers must lie below.
      what: what the messages call one of them, such as "class".
      labels: their names by index, as "tench, Tinca tinca"; any of the names does.

    Returns:
      tuple: at least one number, none twice.

    Raises:
      ValueError: quotes the part that cannot be read, is empty, too large or double.
    """
    numbers: list[int] = []
    for part in split_list(text, labels=labels):
        if labels and re.search(r"[^\W\d]", part):
            numbers.append(find_label(part, labels, what=what))
        else:
            numbers += _parse_range(part, text, count, what)
    if count is not None and max(numbers) >= count:
        raise _beyond(max(numbers), count, what)
    twice = [n for n, times in collections.Counter(numbers).items() if times > 1]
    if twice:
        raise ValueError(f"{text!r} names {what} {twice[0]} twice")
    return tuple(numbers)


def split_list(text: str, *, labels: Sequence[str] = ()) -> list[str]:
    """Splits a list at its commas, but not at those of a label that is written whole.

    Args:
      text: such as "1,5" or "tabby, tabby cat,goldfish".
      labels: names by index, several of one class separated by commas.
    """
    whole = {tuple(map(simplify, label.split(","))) for label in labels if "," in label}
    longest = max(map(len, whole), default=1)
    left = [part.strip() for part in text.split(",")]
    found: list[str] = []
    while left:
        lengths = range(min(longest, len(left)), 1, -1)
        fits = (n for n in lengths if tuple(map(simplify, left[:n])) in whole)
        length = next(fits, 1)
        found.append(", ".join(left[:length]))
        del left[:length]
    return found


def parse_size(text: str) -> tuple[int, int]:
    """Reads (H, W) in pixels from "224" (a square) or "224x320" (H x W).

    Args:
      text: one or two numbers.

    Raises:
      ValueError: for anything else, for sides below 4 or above 16384, and for more pixels
        than an image may have.
    """
    from jaxvis.images import MAX_PIXELS  # brings JAX, which help has no need of

    match = re.fullmatch(r"(\d+)(?:[xX](\d+))?", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size: write 224, or HxW such as 224x320")
    size = int(match[1]), int(match[2] or match[1])
    if not LEAST <= min(size) <= max(size) <= MOST:
        raise ValueError(f"{text!r} is no size: sides go from {LEAST} to {MOST} pixels")
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"{text!r} is no size: an image has at most {MAX_PIXELS} pixels")
    return size


def parse_words(text: str | None) -> tuple[str, ...] | None:
    """Reads words separated by commas; None stays None.

    Args:
      text: such as "relu1_1,relu2_1".
    """
    return None if text is None else split_words(text)


def split_words(text: str) -> tuple[str, ...]:
    """Splits a text at its commas into words; empty ones are left out.

    Args:
      text: such as "relu1_1,relu2_1".
    """
    return tuple(word.strip() for word in text.split(",") if word.strip())


def parse_numbers(text: str | None, what: str) -> list[float] | None:
    """Reads finite numbers separated by commas; None stays None.

    Args:
      text: such as "1,0.5".
      what: what the message calls them.

    Raises:
      ValueError: for anything else.
    """
    if text is None:
        return None
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{text!r} is no list of {what}: write numbers such as 1,0.5")
    return numbers


def parse_fractions(text: str | None, what: str) -> list[float] | None:
    """Reads numbers that may be written as fractions, such as 2/255,0.5; None stays None.

    Args:
      text: the flag's value.
      what: what messages call it, such as "--epsilon".

    Raises:
      ValueError: for anything else.
    """
    if text is None:
        return None
    found = []
    for word in split_words(text):
        top, _, bottom = word.partition("/")
        try:
            found.append(float(top) / float(bottom) if "/" in word else float(top))
        except (ValueError, ZeroDivisionError):
            raise ValueError(
                f"{what} takes numbers or fractions, such as 2/255,0.5, not {text!r}"
            ) from None
    return found


def parse_position(text: str | None) -> None | str | tuple[int, int]:
    """Reads where a neuron sits: "centre", "ROW,COLUMN", or None for nowhere special.

    Args:
      text: the flag.

    Raises:
      ValueError: for anything else.
    """
    if text in (None, "centre"):
        return text
    words = text.split(",")
    if len(words) != 2 or not all(word.strip().isdigit() for word in words):
        raise ValueError(f"{text!r} is no position: write centre or ROW,COLUMN")
    return int(words[0]), int(words[1])


def parse_units(text: str) -> list[tuple[str, int, float]]:
    """Reads channels of layers with their weights: (tap, index, weight) each.

    Args:
      text: TAP:INDEX or TAP:INDEX:WEIGHT, separated by commas; a weight left out is 1.

    Raises:
      ValueError: quotes the part that cannot be read.
    """
    units = []
    for part in split_words(text):
        found = re.fullmatch(r"(.+?):(\d+)(?::([-+.\deE]+))?", part)
        try:
            weight = float(found[3] or 1) if found else math.nan
        except ValueError:
            weight = math.nan
        if found is None or not math.isfinite(weight):
            raise ValueError(
                f"{part!r} in {text!r} is no channel: write TAP:INDEX or TAP:INDEX:WEIGHT, such "
                "as conv4_1:12:0.5"
            )
        units.append((found[1], int(found[2]), weight))
    if not units:
        raise ValueError(f"{text!r} names no channel: write TAP:INDEX or TAP:INDEX:WEIGHT")
    return units


def _beyond(number: int, count: int, what: str) -> ValueError:
    return ValueError(f"there is no {what} {number}: they go from 0 to {count - 1}")


def _parse_range(part: str, text: str, count: int | None, what: str) -> list[int]:
    match = re.fullmatch(r"(\d+)|(\d*):(\d*)(?::(\d+))?", part)
    if match is not None and match[1]:
        return [int(match[1])]
    stop = int(match[3]) if match is not None and match[3] else count
    if match is None or stop is None:
        raise ValueError(
            f"{part!r} in {text!r} is no {what}: write numbers and ranges such as "
            "0:1000 or 1,5,9:12"
            + "; names are those of classes, where they are known (--labels FILE)"
            * bool(re.search(r"[^\W\d]", part))
        )
    start, step = int(match[2] or 0), int(match[4] or 1)
    if step == 0 or start >= stop:
        raise ValueError(f"the range {part!r} in {text!r} is empty")
    # Before it is listed: 0:1000000000000 must not fill the memory.
    if count is None and (stop - start) // step > MAX_RANGE:
        raise ValueError(f"the range {part!r} has more than {MAX_RANGE} numbers")
    if count is not None and stop > count:
        raise _beyond(stop - 1, count, what)
    return list(range(start, stop, step))
