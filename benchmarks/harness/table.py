"""Rows as text: for the screen, and as the README's tables between their markers."""

import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.rows import Row

BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"


def amount(value: float | None, unit: str) -> str:
    """Returns a figure with its unit, three digits: "431 ms", "1.24 s", "312 MiB".

    Args:
      value: the figure, or None.
      unit: "s" is written as ms or us where it is small.
    """
    if value is None or not math.isfinite(value):
        return "-"
    if unit == "s" and 0 < value < 1:
        value, unit = (1e3 * value, "ms") if value >= 1e-3 else (1e6 * value, "us")
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{min(digits, 3)}f} {unit}"


def ratio(row: Row) -> str:
    """Returns a row's ratio and its quartiles: "1.31 (1.28-1.34)".

    Args:
      row: the row.
    """
    if row["ratio"] is None:
        return "-"
    low, high = (row.get("spread") or {}).get("ratio") or (row["ratio"],) * 2
    return f"{row['ratio']:.2f} ({low:.2f}-{high:.2f})"


def target(row: Row) -> str:
    """Returns a row's target and whether it is met: ">= 1.25, met".

    Args:
      row: the row.
    """
    wanted = row.get("target")
    if wanted is None:
        return ""
    if row["ratio"] is None:
        return f">= {wanted:.2f}"
    met = "met" if row["ratio"] >= wanted else "missed"
    return f">= {wanted:.2f}, {met}"


def _agreement(row: Row) -> str:
    if row["agree"] is None:
        return "not compared"
    found, allowed = row.get("difference", {}), row.get("tolerance", {})
    if row["agree"] is True:
        return "same"
    return "DIFFERENT: " + ", ".join(
        f"{name} {found[name]:.2g} > {allowed.get(name, math.nan):.2g}"
        for name in found
        if not found[name] <= allowed.get(name, math.nan)
    )


def _said(row: Row) -> str:
    return "; ".join(filter(None, (row["case"], row.get("note"))))


def lines(rows: Sequence[Row]) -> list[str]:
    """Returns the rows as a table for people, one line each, headed.

    Args:
      rows: rows of any benchmarks.
    """
    cells = [("", "", "jaxvis", "peer", "peer / jaxvis", "target", "outputs")]
    for row in rows:
        unit = row.get("unit", "s")
        peer = f"{amount(row['peer'], unit)} {row['peer_name']}"
        cells.append(
            (
                row["name"],
                row["case"],
                amount(row["ours"], unit),
                peer,
                ratio(row),
                target(row),
                _agreement(row),
            )
        )
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells
    ]


def markdown(rows: Sequence[Row]) -> str:
    """Returns the rows as the README shows them: what was measured on, one table.

    Args:
      rows: rows of any benchmarks; at least one.
    """
    out = [
        "| | case | jaxvis | peer | peer / jaxvis (quartiles) | target |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        unit = row.get("unit", "s")
        peer = f"{amount(row['peer'], unit)}, {row['peer_name']}"
        cells = (
            f"`{row['name']}`",
            _said(row),
            amount(row["ours"], unit),
            peer,
            ratio(row),
            target(row),
        )
        out.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join([*_machines(rows), "", *out])


def _machines(rows: Sequence[Row]) -> list[str]:
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        facts = {key: value or "none" for key, value in row["versions"].items()}
        text = (
            "{cpu}, {threads} threads, device {device}; jax {jax}, torch {torch}, Python {python}"
        ).format_map(facts)
        found.setdefault(text, dict.fromkeys([row["name"]]))[row["name"]] = None
    if len(found) == 1:
        return [f"Measured on: {text}." for text in found]
    return [f"{', '.join(names)}: {text}." for text, names in found.items()]


def write_readme(path: Path, rows: Sequence[Row]) -> None:
    """Rewrites a README's benchmark section, the text between its two markers.

    Args:
      path: the README.
      rows: rows of any benchmarks; at least one.

    Raises:
      ValueError: if there are no rows, or the markers are not there, once each, in
        order.
    """
    if not rows:
        raise ValueError("there are no rows to write into the README")
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN + "\n")
    _, end, after = rest.partition(END)
    if not (begin and end) or END in before or BEGIN in rest or END in after:
        raise ValueError(f"{path} must have the lines {BEGIN} and {END}, once each")
    path.write_text(f"{before}{BEGIN}\n{markdown(rows)}\n{END}{after}", "utf-8")
