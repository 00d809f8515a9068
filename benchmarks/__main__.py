"""The command `python -m benchmarks`: measures, prints, keeps and shows rows."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.paths import DOCS, README

ABOUT = """Measures jaxvis against torch doing the same work on the same weights.

Every pair of runs is interleaved, and outputs are compared: the exit code is 1 where
they differ, 2 for a mistake in the command line, 0 otherwise, however slow it was."""


def make_parser(names: Sequence[str]) -> argparse.ArgumentParser:
    """Makes the parser of the command line.

    Args:
      names: the benchmarks that there are.
    """
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add, switch = parser.add_argument, {"action": "store_true"}
    file = {"type": Path, "metavar": "FILE.json"}
    every = f"{', '.join(names)}; all if left out, except those that take hours"
    add("names", nargs="*", metavar="NAME", help=every)
    size = parser.add_mutually_exclusive_group().add_argument
    size(
        "--quick", **switch, help="at most two minutes for each name on two cores, three for curves"
    )
    size("--smoke", **switch, help="smallest sizes, one thread of torch: only outputs matter")
    add("--gpu", **switch, help="the case that is meant for a GPU (ranvgg_claims)")
    budget = "seconds after which the benchmark gpu begins no case; 540 if left out"
    add("--budget", type=float, metavar="SECONDS", help=budget)
    rows = "write the rows; other names' rows that the file has stay (tune: write the numbers)"
    shown = "rewrite the README's table and docs/benchmarks.md from the rows, or all of --out"
    add("--out", **file, help=rows)
    add("--rows", **file, help="measure nothing, take the rows of this file")
    add("--readme", **switch, help=shown)
    add("--cost", **switch, help="rewrite docs/cost.md and its figures from the rows of curves")
    return parser


def main(argv: Sequence[str] | None = None, *, readme: Path = README, docs: Path = DOCS) -> int:
    """Runs one command line.

    Args:
      argv: the words after `python -m benchmarks`; None takes the process's own.
      readme: the README that --readme rewrites.
      docs: the folder of the pages that --readme and --cost rewrite.

    Returns:
      int: the exit code: 0; 1 where outputs differ; 2 for a mistake in the command
      line or in the files it names, told in one line on stderr.
    """
    # Before JAX starts: on a GPU it would leave torch a quarter of the memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.6")
    import jaxvis
    from benchmarks.harness import registry

    args = make_parser(list(registry.NAMES)).parse_args(argv)
    if args.smoke:
        # Nothing is timed: on a busy machine threads of torch wait for each other.
        os.environ["OMP_NUM_THREADS"] = "1"
    # Every core a device, as for jaxvis's own commands.
    jaxvis.use_cores()
    try:
        return _run(args, readme, docs)
    except (ValueError, OSError) as error:
        print(f"benchmarks: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace, readme: Path, docs: Path) -> int:
    from benchmarks.harness import cost_page, registry, table
    from benchmarks.harness.rows import find_wrong

    names, missing = registry.choose(args.names, size=_find_size(args)), []
    report = registry.find_report(args.names)
    if report is not None:
        return _report(args, names, report)
    if args.rows is not None:
        wanted = args.names or registry.NAMES
        rows = [row for row in read_rows(args.rows) if row["name"] in wanted]
    else:
        # What would stop the writing is found before the measuring.
        kept = read_rows(args.out) if args.out is not None and args.out.exists() else []
        rows, missing = _measure(args, names, kept)
    print("\n".join(table.format_lines(rows)))
    if args.readme:
        table.write_tables(readme, docs / table.PAGE, rows)
    if args.cost:
        cost_page.write_page(docs, rows)
    if find_wrong(rows):
        return 1
    return 2 if missing and args.names else 0  # what was asked for by name


def _report(args: argparse.Namespace, names: list[str], report: Any) -> int:
    """Runs a benchmark that prints and writes in its own way; `report` is its module."""
    from benchmarks.harness.rows import find_wrong

    if args.rows is not None or args.readme or args.cost:
        raise ValueError(f"{names[0]} makes no rows: leave out --rows, --readme and --cost")
    if args.out is not None and not args.out.parent.is_dir():  # found before the measuring
        raise FileNotFoundError(f"there is no folder {args.out.parent}")
    rows, _ = _measure(argparse.Namespace(**{**vars(args), "out": None}), names, [])
    print("\n".join(report.format_lines(rows)))
    if find_wrong(rows):
        return 1
    if args.out is not None:
        report.write_file(args.out, rows)
    return 0


def _find_size(args: argparse.Namespace) -> str:
    return "smoke" if args.smoke else "quick" if args.quick else "full"


def _measure(args: argparse.Namespace, names: list[str], kept: list) -> tuple[list, list[str]]:
    """Returns the new rows of `names` with those kept, and the names without weights."""
    import jax

    from benchmarks.harness import registry

    size = _find_size(args)
    rows, missing = [row for row in kept if row["name"] not in names], []
    for name in names:
        print(f"{name}...", file=sys.stderr, flush=True)
        try:
            for row in registry.stream(name, size=size, gpu=args.gpu, budget=args.budget):
                rows.append(row)
                _write_rows(args.out, rows)
        except FileNotFoundError as error:  # weights that are not here
            if len(names) == 1:
                raise
            print(f"{name}: left out: {error}", file=sys.stderr, flush=True)
            missing.append(name)
            continue
        jax.clear_caches()
    return rows, missing


def _write_rows(out: Path | None, rows: list) -> None:
    """Sorts the rows by their names, and writes them: the next one may take an hour."""
    from benchmarks.harness import registry

    order = list(registry.NAMES)
    rows.sort(key=lambda row: order.index(row["name"]))
    if out is not None:
        out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def read_rows(path: Path) -> list:
    """Reads the rows of a file.

    Args:
      path: a file that `--out` wrote.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it does not hold a list of rows.
    """
    from benchmarks.harness import registry
    from benchmarks.harness.rows import check_rows

    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON file of rows: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path} does not hold a list of rows")
    check_rows(rows)
    registry.choose([row["name"] for row in rows])
    return rows


if __name__ == "__main__":
    sys.exit(main())
