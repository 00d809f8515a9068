"""Classes by name: the number of a class that is called "goldfish"."""

import difflib
import re
from collections.abc import Sequence

SHOWN = 5
"""Classes of one name that a message lists."""


def find_label(name: str, labels: Sequence[str], *, what: str = "class") -> int:
    """Finds the number of a class by one of its names.

    Args:
      name: such as "goldfish", or a whole label; capitals, spaces, dashes and underscores
        do not matter.
      labels: names by index, several of one class separated by commas.
      what: what the messages call it.

    Raises:
      ValueError: if no class has the name, or several have; names the nearest ones.
    """
    names: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        for one in (*label.split(","), label):
            numbers = names.setdefault(simplify(one), [])
            if number not in numbers:
                numbers.append(number)
    found = names.get(simplify(name), [])
    if len(found) == 1:
        return found[0]
    if found:
        listed = " and ".join(f"{number} ({labels[number]})" for number in found[:SHOWN])
        listed += f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise ValueError(f"{name!r} is the name of {listed}: write the number")
    near = difflib.get_close_matches(simplify(name), names, n=3)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise ValueError(f"there is no {what} named {name!r}{hint}")


def simplify(name: str) -> str:
    """Gives a name in small letters, its words separated by single spaces.

    Args:
      name: such as "Tabby_cat".
    """
    return " ".join(re.findall(r"[^\W_]+", name.lower()))
