"""What `python -m benchmarks tune` prints and writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.rows import Row
from benchmarks.harness.table import describe_machines, format_amount
from jaxvis.tuning import Tuning, write_tuning

HEADS = {
    "items": "Processor time of a picture's step, with so many pictures together on a core",
    "forms": "Processor time of a convolution and its gradient, by its form",
}


def format_lines(rows: Sequence[Row]) -> list[str]:
    """Formats what was measured: steps, convolutions, and the table of the numbers.

    Args:
      rows: of `benchmarks.speed.tune`.
    """
    lines = describe_machines(rows)
    others = [row["others"] for row in rows if row.get("others") is not None]
    if others:
        lines.append(f"Other processes took up to {100 * max(others):.0f} % of the cores.")
    for kind, head in HEADS.items():
        lines += ["", f"{head}:", *(_format_times(row) for row in rows if row["kind"] == kind)]
    cells = [("number", "default", "found", "kept", "evidence")]
    for row in rows:
        if row["kind"] == "number":
            kept = "kept" if row["kept"] else ""
            parts = (row["number"], row["default"], row["found"], kept, row["evidence"])
            cells.append(tuple(map(str, parts)))
    widths = [max(map(len, column)) for column in zip(*cells)]
    shown = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)
    return [*lines, "", *shown]


def _format_times(row: Row) -> str:
    least = min(row["times"].values())
    parts = (
        f"{name}: {format_amount(seconds, 's')}{' *' if seconds == least else ''}"
        for name, seconds in row["times"].items()
    )
    return f"  {row['case']}: {', '.join(parts)}"


def read_kept(rows: Sequence[Row]) -> Tuning:
    """Reads the numbers that were kept.

    Args:
      rows: of `benchmarks.speed.tune`.
    """
    return Tuning(
        **{row["number"]: row["found"] for row in rows if row["kind"] == "number" and row["kept"]}
    )


def write_file(path: Path, rows: Sequence[Row]) -> None:
    """Writes the numbers that were kept, and what was measured, for `JAXVIS_TUNING`.

    Args:
      path: the file.
      rows: of `benchmarks.speed.tune`.

    Raises:
      OSError: if it cannot be written.
    """
    facts = {
        "items": ("case", "times", "others"),
        "forms": ("case", "times", "others"),
        "number": ("number", "default", "found", "kept", "evidence"),
    }
    measured: Mapping[str, object] = {
        "versions": rows[0]["versions"],
        **{
            kind: [{name: row[name] for name in names} for row in rows if row["kind"] == kind]
            for kind, names in facts.items()
        },
    }
    write_tuning(path, read_kept(rows), measured)
