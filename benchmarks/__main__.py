"""The command `python -m benchmarks`: measures, prints, keeps and shows rows."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"

ABOUT = """Measures jaxvis against torch doing the same work on the same weights.

Every pair of runs is interleaved, and outputs are compared: the exit code is 1 where
they differ, 2 for a mistake in the command line, 0 otherwise, however slow it was."""


def parser(names: Sequence[str]) -> argparse.ArgumentParser:
    """Returns the parser of the command's words.

    Args:
      names: the benchmarks that there are.
    """
    said = argparse.ArgumentParser(
        "python -m benchmarks",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    said.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join(names)}; all if left out, but for what takes hours",
    )
    size = said.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_true", help="at most two minutes a name on two cores"
    )
    size.add_argument(
        "--smoke",
        action="store_true",
        help="smallest sizes, one thread of torch: are the outputs the same?",
    )
    said.add_argument("--gpu", action="store_true", help="the case that is meant for a GPU (sweep)")
    said.add_argument(
        "--out",
        type=Path,
        metavar="FILE.json",
        help="write the rows; rows of other names that the file has already stay",
    )
    said.add_argument(
        "--rows",
        type=Path,
        metavar="FILE.json",
        help="measure nothing, take the rows of this file",
    )
    said.add_argument(
        "--readme",
        action="store_true",
        help="rewrite the README's table from the rows (all that --out now holds)",
    )
    return said


def main(argv: Sequence[str] | None = None, *, readme: Path = README) -> int:
    """Runs one command line.

    Args:
      argv: the words after `python -m benchmarks`; None takes the process's own.
      readme: the README that --readme rewrites.

    Returns:
      int: the exit code: 0; 1 where outputs differ; 2 for a mistake in the command
      line or in the files it names, told in one line on stderr.
    """
    # Before JAX starts: on a GPU it would leave torch a quarter of the memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.6")
    from benchmarks.harness import registry

    said = parser(list(registry.NAMES)).parse_args(argv)
    if said.smoke:
        # Nothing is timed: on a busy machine threads of torch wait for each other.
        os.environ["OMP_NUM_THREADS"] = "1"
    try:
        return _run(said, readme)
    except (ValueError, OSError) as error:
        print(f"benchmarks: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _run(said: argparse.Namespace, readme: Path) -> int:
    from benchmarks.harness import registry, table
    from benchmarks.harness.rows import wrong

    names, missing = registry.chosen(said.names, size=_size(said)), []
    if said.rows is not None:
        wanted = said.names or registry.NAMES
        rows = [row for row in read(said.rows) if row["name"] in wanted]
    else:
        # What would stop the writing is found before the measuring.
        kept = read(said.out) if said.out is not None and said.out.exists() else []
        rows, missing = _measured(said, names, kept)
    print("\n".join(table.lines(rows)))
    if said.readme:
        table.write_readme(readme, rows)
    if wrong(rows):
        return 1
    return 2 if missing and said.names else 0  # what was asked for by name


def _size(said: argparse.Namespace) -> str:
    return "smoke" if said.smoke else "quick" if said.quick else "full"


def _measured(said: argparse.Namespace, names: list[str], kept: list) -> tuple[list, list[str]]:
    """Returns the rows of `names` and those kept; and the names without weights."""
    import jax

    from benchmarks.harness import registry

    size = _size(said)
    rows, missing = [row for row in kept if row["name"] not in names], []
    order = list(registry.NAMES)
    for name in names:
        print(f"{name}...", file=sys.stderr, flush=True)
        try:
            rows += registry.measure(name, size=size, gpu=said.gpu)
        except FileNotFoundError as error:  # weights that are not here
            if len(names) == 1:
                raise
            print(f"{name}: left out: {error}", file=sys.stderr, flush=True)
            missing.append(name)
            continue
        rows.sort(key=lambda row: order.index(row["name"]))
        jax.clear_caches()
        if said.out is not None:  # each as it is done: the next may take an hour
            said.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows, missing


def read(path: Path) -> list:
    """Returns the rows of a file.

    Args:
      path: a file that `--out` wrote.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it does not hold a list of rows.
    """
    from benchmarks.harness import registry
    from benchmarks.harness.rows import check

    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON file of rows: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path} does not hold a list of rows")
    check(rows)
    registry.chosen([row["name"] for row in rows])
    return rows


if __name__ == "__main__":
    sys.exit(main())
