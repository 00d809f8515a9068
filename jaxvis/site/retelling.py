"""The command line that makes a picture again."""

import shlex
from collections.abc import Mapping
from typing import Any

from jaxvis.site.facts import PlanFacts
from jaxvis.site.rows import Row

FLAGS: Mapping[str, Mapping[str, str]] = {
    "maximize": {
        "recipe": "recipe",
        "steps": "steps",
        "position": "position",
        "leak": "leak",
        "redirect": "redirect",
    },
    "invert": {"recipe": "preset", "steps": "steps", "fidelity": "fidelity"},
    "caricature": {"steps": "steps", "fidelity": "fidelity"},
    "explain": {"heat": "method"},
    "attack": {"attack": "attack", "norm": "norm", "epsilon": "epsilon", "steps": "steps"},
    "generate": {"steps": "steps"},
}
"""Method -> setting -> flag of the command that has the method's name."""
WITH_PHOTOGRAPH = ("invert", "caricature", "explain", "attack")
"""Commands that are given a photograph."""
SEEDLESS = ("explain",)
"""Commands that draw nothing at random."""


def write_command(
    row: Row, network: str, plan: PlanFacts | None, *, classes: str | None = None
) -> str | None:
    """Writes the command that makes a picture again; None where there is no such command.

    Args:
      row: of the picture.
      network: its name.
      plan: of the sweep, or None where it is not known.
      classes: the layer of class scores, which commands take where no layer is named.

    >>> from jaxvis.site.fields import Fields
    >>> from jaxvis.site.rows import read_row
    >>> row = {"name": "a", "method": "maximize", "settings": {"steps": 64}, "tap": "conv3_1",
    ...        "index": 12, "status": "done"}
    >>> write_command(read_row(Fields(row, "row")), "demo", None)
    'jaxvis maximize demo --tap conv3_1 --index 12 --steps 64'
    """
    flags = FLAGS.get(row.method)
    if flags is None or (row.method in WITH_PHOTOGRAPH and row.source is None):
        return None
    words = ["jaxvis", row.method, network]
    if row.method in WITH_PHOTOGRAPH:
        words.append(str(row.source))
    if plan is not None and plan.weights is not None:
        words += ["--weights", plan.weights]
    if row.tap is not None and row.tap != classes:
        words += ["--tap", row.tap]
    if row.index is not None:
        words += ["--index", str(row.index)]
    for name, flag in flags.items():
        words += _write_flag(flag, row.settings.get(name))
    if row.size is not None and "size" not in row.settings and row.method != "generate":
        words += ["--size", f"{row.size[0]}x{row.size[1]}"]
    if row.method not in SEEDLESS and row.method != "attack" and row.seed:
        words += ["--seeds", str(row.seed + 1)]
    if row.method not in SEEDLESS and plan is not None and plan.seed:
        words += ["--seed", str(plan.seed)]
    return shlex.join(words)


def _write_flag(flag: str, value: Any) -> list[str]:
    """Writes a flag with its value; nothing for what was left out."""
    if value is None or value is False:
        return []
    if value is True:
        return [f"--{flag}"]
    if isinstance(value, list):
        return [f"--{flag}", ",".join(map(str, value))]
    if not isinstance(value, str | int | float):
        return []
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return [f"--{flag}", text.replace("_", "-") if flag in ("method", "attack") else text]
