"""Rows as text: for the screen, and as tables of pages between their markers."""

import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.rows import Row

MARK, NARROW = "benchmarks", "benchmarks avx2"
"""What the comments around a table say: around that of the README and the page's first, and
around the page's second one, of a processor whose widest vector unit is AVX2."""
PAGE = "benchmarks.md"
"""The page of docs/ that shows every row."""
CHOSEN = (
    ("step", "squeezenet1_1, 224 px, batch 1"),
    ("step", "googlenet, 224 px, batch 1"),
    ("step", "vgg19, 224 px, batch 4"),
    ("step", "resnet50, 224 px, batch 8"),
    ("step", "mobilenet_v2, 224 px, batch 1"),
    ("step", "convnext_tiny, 224 px, batch 1"),
    ("sweep", "squeezenet1_1, 128 px, a picture and step"),
    ("lbfgs", "8 inversions of vgg19 relu2_1, 32 px"),
    ("texture", "brick, 128 px, 100 evaluations: time"),
    ("style", "vgg19, 512 px, adam, 3 steps"),
    ("stylize", "transform_reflect, 512 px"),
    ("dream", "googlenet inception_4c/output, 256 px, 3 octaves of 5 steps"),
    ("start", "squeezenet1_1, first picture of 32 steps, warm"),
    ("memory", "googlenet, batch 1, 224 px, peak of a process"),
)
"""The name and the case of the rows that the README shows: one of each kind of work, those
in which the peer is ahead as well."""
OTHER_WAYS = ("jaxvis,", "optax.lbfgs", "torch.optim.LBFGS")
"""How peers of these cases begin that the README leaves out: other ways to do the same."""


def format_amount(value: float | None, unit: str) -> str:
    """Formats a figure with its unit, three digits: "431 ms", "1.24 s", "312 MiB".

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


def format_ratio(row: Row) -> str:
    """Formats a row's ratio and its quartiles: "1.31 (1.28-1.34)".

    Args:
      row: the row.
    """
    if row["ratio"] is None:
        return "-"
    low, high = (row.get("spread") or {}).get("ratio") or (row["ratio"],) * 2
    return f"{row['ratio']:.2f} ({low:.2f}-{high:.2f})"


def format_target(row: Row) -> str:
    """Formats a row's target and whether it is met: ">= 1.25, met".

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


def _describe_verdict(row: Row) -> str:
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


def _format_figures(row: Row) -> tuple[str, str, str, str]:
    """Formats what both tables show of a row: ours, the peer, the ratio, the target."""
    unit = row.get("unit", "s")
    peer = f"{format_amount(row['peer'], unit)}, {row['peer_name']}"
    return format_amount(row["ours"], unit), peer, format_ratio(row), format_target(row)


def _format_processor(row: Row) -> str:
    """Formats the processor time of our run and of the peer's: "10.9 ms, 12.4 ms"."""
    return ", ".join(format_amount(value, "s") for value in row.get("processor", {}).values())


def _format_others(row: Row) -> str:
    """Formats the share of the cores that other processes took: "3 %"."""
    share = row.get("others")
    return "" if share is None else f"{100 * share:.0f} %"


def format_lines(rows: Sequence[Row]) -> list[str]:
    """Formats the rows as a table for the screen, one line each under a head.

    Args:
      rows: rows of any benchmarks.
    """
    head = ("", "", "jaxvis", "peer", "peer / jaxvis", "target", "processor", "others", "outputs")
    cells = [head]
    for row in rows:
        seen = (_format_processor(row), _format_others(row), _describe_verdict(row))
        cells.append((row["name"], row["case"], *_format_figures(row), *seen))
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells
    ]


def choose_rows(rows: Sequence[Row]) -> list[Row]:
    """Chooses the rows that the README shows, in their order in `CHOSEN`.

    Args:
      rows: rows of any benchmarks.
    """
    return [
        row
        for wanted in CHOSEN
        for row in rows
        if (row["name"], row["case"]) == wanted and not row["peer_name"].startswith(OTHER_WAYS)
    ]


def format_short(rows: Sequence[Row]) -> str:
    """Formats the rows that the README shows: one table, without notes and targets.

    Args:
      rows: rows of any benchmarks.
    """
    out = ["| | case | jaxvis | peer | peer / jaxvis (quartiles) |", "|---|---|---|---|---|"]
    for row in choose_rows(rows):
        cells = (f"`{row['name']}`", row["case"], *_format_figures(row)[:3])
        out.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(out)


def format_markdown(rows: Sequence[Row]) -> str:
    """Formats the rows as the page on benchmarks shows them: the machines, then one table.

    Args:
      rows: rows of any benchmarks; at least one.
    """
    out = [
        "| | case | jaxvis | peer | peer / jaxvis (quartiles) | target |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        case = "; ".join(filter(None, (row["case"], row.get("note"))))
        cells = (f"`{row['name']}`", case, *_format_figures(row))
        out.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join([*describe_machines(rows), "", *out])


def describe_machines(rows: Sequence[Row]) -> list[str]:
    """Describes the machines that rows were measured on, a line each.

    Args:
      rows: rows of any benchmarks; at least one.
    """
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        facts = {key: value or "none" for key, value in row["versions"].items()}
        facts["times"] = f", {facts['devices']} of them" if "devices" in facts else ""
        text = (
            "{cpu}, {threads} threads, device {device}{times}; jax {jax}, torch {torch}, "
            "Python {python}"
        ).format_map(facts)
        found.setdefault(text, dict.fromkeys([row["name"]]))[row["name"]] = None
    if len(found) == 1:
        return [f"Measured on: {text}." for text in found]
    return [f"{', '.join(names)}: {text}." for text, names in found.items()]


def write_tables(readme: Path, page: Path, rows: Sequence[Row]) -> None:
    """Rewrites the short table of a README and the whole one of the page on benchmarks.

    Rows that were all measured with AVX2 alone are the page's second table; the README
    stays as it is then.

    Args:
      readme: the README.
      page: the page; tables stand between two comments each, and are replaced.
      rows: rows of any benchmarks; at least one.

    Raises:
      ValueError: if there are no rows, or in one of the files the comments are not there,
        once each, in order; then neither is written.
    """
    if not rows:
        raise ValueError("there are no rows to write into the README and the page")
    if all("avx2" in row["versions"]["cpu"].lower() for row in rows):
        texts = {page: _replace_section(page, NARROW, format_markdown(rows))}
    else:
        tables = {page: format_markdown(rows), readme: format_short(rows)}
        texts = {path: _replace_section(path, MARK, table) for path, table in tables.items()}
    for path, text in texts.items():
        path.write_text(text, "utf-8")


def _replace_section(path: Path, mark: str, table: str) -> str:
    """Gives a file's text with another table between its comments."""
    opening, closing = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, begin, rest = path.read_text(encoding="utf-8").partition(opening + "\n")
    _, end, after = rest.partition(closing)
    if not (begin and end) or closing in before or opening in rest or closing in after:
        raise ValueError(f"{path} must have the lines {opening} and {closing}, once each")
    return f"{before}{opening}\n{table}\n{closing}{after}"
