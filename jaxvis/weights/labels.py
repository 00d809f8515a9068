"""Class labels: ImageNet's, and files with a line for each class, or JSON, by class index."""

import functools
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jaxvis.escape import escape
from jaxvis.weights.tensor_file import check_regular

MAX_BYTES = 1 << 24
"""Bytes of the largest file of labels."""
LISTED = 5
"""Faulty lines that a message lists."""
IMAGENET = "imagenet"
"""What is written for the labels of ImageNet's 1000 classes, in place of a file."""
CURE = "skip_first_label=True, on the command line --skip-first-label"


def read_label_file(
    path: str | os.PathLike, *, classes: int | None = None, skip_first_label: bool = False
) -> tuple[str, ...]:
    """Reads class labels from a file, by class index.

    The file has one label a line, in UTF-8, with or without a byte order mark and with any
    line ends; WordNet ids in front of the labels are dropped, and one empty line at the
    end does not count. Or it is JSON: a list of labels, {"0": "tench"}, {"tench": 0}, or
    {"0": ["n01440764", "tench"]}, as Keras has it.

    Args:
      path: the file.
      classes: how many classes the network has; None leaves the number unchecked.
      skip_first_label: leave the first label out, which is "background" in files that
        count it as class 0.

    Returns:
      tuple: a label for each class.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: names the file, and says what is wrong: no text, an empty line, unprintable
        characters, or another number of labels than the network has classes.
    """
    if check_regular(path) > MAX_BYTES:
        raise ValueError(f"{path} is no list of class labels: it is too large")
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error}): save it as that") from None
    labels = _read_json(path, text) if text.lstrip()[:1] in ("[", "{") else _read_lines(path, text)
    if skip_first_label:
        labels = labels[1:]
    if not labels:
        raise ValueError(f"{path} holds no class labels")
    if classes is not None:
        check_count(path, labels, classes)
    return tuple(labels)


@functools.cache
def read_imagenet_labels() -> tuple[str, ...]:
    """Reads the labels of ImageNet's 1000 classes, in the order of their WordNet ids.

    Source: the categories of torchvision's weights; no two are equal.
    """
    text = (resources.files("jaxvis.weights") / "imagenet.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def choose_labels(net: str, classes: int, labels: Sequence[str] | None) -> Sequence[str]:
    """Chooses the names of a network's classes.

    Args:
      net: what the message calls the network.
      classes: how many it has.
      labels: those that a user gave, one each; None takes ImageNet's for 1000 classes.

    Raises:
      ValueError: where they are not known, or not one a class.
    """
    if labels is None and classes == 1000:
        return read_imagenet_labels()
    if labels is None or len(labels) != classes:
        raise ValueError(
            f"{net} has {classes} classes whose names are not known: pass labels=, a name "
            "for each, or write their numbers"
        )
    return labels


def find_duplicates(labels: Sequence[str]) -> dict[str, list[int]]:
    """Finds the labels that several classes have: "crane" is two classes of ImageNet.

    Args:
      labels: by class index.

    Returns:
      dict: label -> the classes, two or more.
    """
    found: dict[str, list[int]] = defaultdict(list)
    for number, label in enumerate(labels):
        found[label].append(number)
    return {label: numbers for label, numbers in found.items() if len(numbers) > 1}


def check_count(path: str | os.PathLike, labels: Sequence[str], classes: int) -> None:
    """Checks that there is a label for each class.

    Args:
      path: of the file, or what the message calls the labels.
      labels: by class index.
      classes: how many classes the network has.

    Raises:
      ValueError: says how many there are, and what to do.
    """
    if len(labels) == classes:
        return
    text = f"{path} has {len(labels)} labels and the network has {classes} classes"
    if len(labels) == classes + 1:
        raise ValueError(
            f"{text}: if its first label, {escape(labels[0])!r}, is that of the background, "
            f"leave it out ({CURE})"
        )
    raise ValueError(f"{text}: name the labels of this network, one for each class")


def _read_lines(path: Any, text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    # The end of the last line, then at most one empty line.
    for _ in range(2):
        if lines and not lines[-1].strip():
            lines.pop()
    return _clean(path, lines, "line", first=1)


def _read_json(path: Any, text: str) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} begins as JSON and cannot be read as that ({escape(str(error))}): write a "
            "list of labels, or one label a line"
        ) from None
    entries = _order_entries(path, found) if isinstance(found, Mapping) else found
    labels = [entry[-1] if isinstance(entry, list) and entry else entry for entry in entries]
    for number, label in enumerate(labels):
        if not isinstance(label, str):
            raise ValueError(f"{path} has {escape(label)} as the label of class {number}: no text")
    return _clean(path, labels, "class", first=0)


def _order_entries(path: Any, found: Mapping[str, Any]) -> list[Any]:
    """Returns the entries of {"0": entry} or {label: 0} by class index."""
    if found and all(type(value) is int for value in found.values()):
        pairs = [(value, label) for label, value in found.items()]
    else:
        pairs = [(int(key), value) for key, value in found.items() if re.fullmatch(r"\d{1,9}", key)]
    if sorted(number for number, _ in pairs) != list(range(len(found))):
        raise ValueError(
            f"{path} does not number its {len(found)} labels from 0 to {len(found) - 1}: write "
            '{"0": label, "1": label...}, or a list'
        )
    return [entry for _, entry in sorted(pairs, key=lambda pair: pair[0])]


def _clean(path: Any, labels: Iterable[str], what: str, *, first: int) -> list[str]:
    """Returns labels without WordNet ids and double spaces; refuses what is no label."""
    cleaned = [" ".join(re.sub(r"^n\d{8}(?=\s)", "", label.strip()).split()) for label in labels]
    faults = {
        "empty": [i for i, label in enumerate(cleaned, first) if not label],
        "not printable": [i for i, label in enumerate(cleaned, first) if not label.isprintable()],
    }
    for fault, places in faults.items():
        if places:
            listed = ", ".join(map(str, places[:LISTED])) + ", ..." * (len(places) > LISTED)
            raise ValueError(
                f"{path} has labels that are {fault} ({what} {listed}): every class needs a name, "
                "or the names after it are off by one"
            )
    return cleaned
