"""Every benchmark by name, imported when it is run.

A benchmark is a module with `measure(quick) -> list of rows` (see
`benchmarks.harness.rows`). It may also have `measure_smoke()`, the same rows at the
smallest sizes that still compare outputs (`measure(True)` is used where it is missing),
`measure_gpu(quick)`, what is measured on a GPU alone, and `stream_rows(size, budget)`, which
gives each row when it is there and begins nothing after `budget` seconds. One whose result is
no row of a table (see `OWN_FILES`) has `format_lines(rows)` and `write_file(path, rows)`.
"""

import importlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchmarks.harness.rows import Row, check_rows

NAMES = {
    "step": "benchmarks.speed.step",
    "layers": "benchmarks.speed.layers",
    "solve_overhead": "benchmarks.speed.solve_overhead",
    "sweep": "benchmarks.speed.sweep",
    "random_nets": "benchmarks.speed.random_nets",
    "lbfgs": "benchmarks.speed.lbfgs",
    "start": "benchmarks.speed.start",
    "memory": "benchmarks.speed.memory",
    "preimages": "benchmarks.speed.preimages",
    "natural_preimages_table4": "benchmarks.papers.natural_preimages_table4",
    "natural_preimages_table5": "benchmarks.papers.natural_preimages_table5",
    "natural_preimages_figures": "benchmarks.papers.natural_preimages_figures",
    "stylize": "benchmarks.speed.stylize",
    "generators": "benchmarks.speed.generators",
    "texture": "benchmarks.speed.texture",
    "style": "benchmarks.speed.style",
    "dream": "benchmarks.speed.dream",
    "patches": "benchmarks.speed.patches",
    "efros_leung": "benchmarks.speed.efros_leung",
    "heatmaps": "benchmarks.speed.heatmaps",
    "attacks": "benchmarks.speed.attacks",
    "curves": "benchmarks.speed.curves",
    "ranvgg_claims": "benchmarks.papers.ranvgg_claims",
    "digits": "benchmarks.quality.digits",
    "robust": "benchmarks.quality.robust",
    "gpu": "benchmarks.speed.gpu",
    "tune": "benchmarks.speed.tune",
}
"""Name -> module."""

HOURS = (
    "natural_preimages_table4",
    "natural_preimages_table5",
    "natural_preimages_figures",
    "ranvgg_claims",
)
"""These reproduce papers and take hours on a CPU: they run in full only when named."""

NAMED = ("gpu", "curves", "tune")
"""These run only when named: the first needs an accelerator, the last makes a file for this
machine alone, and the slow tests run the smallest sizes of all."""

OWN_FILES = ("tune",)
"""These print a table of their own and write a file that is no list of rows: they run alone."""

SIZES = ("full", "quick", "smoke")
"""How much is measured: `quick` ends within two minutes for each name on two cores, three for
curves."""


def choose(names: Sequence[str], *, size: str = "full") -> list[str]:
    """Chooses the benchmarks to run: those named, or all that end soon.

    Args:
      names: what the command line says.
      size: one of `SIZES`; the benchmarks in `HOURS` are left out of "full", those in
        `NAMED` of every size.

    Raises:
      ValueError: names the unknown ones and lists the known.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ValueError(
            f"no benchmark is called {', '.join(map(repr, unknown))}; there are {', '.join(NAMES)}"
        )
    later = (*NAMED, *(HOURS if size == "full" else ()))
    soon = [name for name in NAMES if name not in later]
    return list(dict.fromkeys(names)) or soon


def find_report(names: Sequence[str]) -> Any:
    """Finds the module that prints and writes the rows in its own way; None for most.

    Args:
      names: what the command line says.

    Raises:
      ValueError: if such a benchmark is named beside others.
    """
    own = [name for name in names if name in OWN_FILES]
    if own and len(set(names)) > 1:
        raise ValueError(f"{own[0]} writes a file of its own: name it alone")
    return importlib.import_module(NAMES[own[0]]) if own else None


def measure(name: str, *, size: str = "full", gpu: bool = False) -> list[Row]:
    """Measures the rows of one benchmark.

    Args:
      name: one of `NAMES`.
      size: one of `SIZES`.
      gpu: whether to measure the benchmark's GPU case instead of its common ones.

    Raises:
      ValueError: if it has no GPU case, or makes a row that lacks something.
    """
    module = importlib.import_module(NAMES[name])
    if gpu:
        if not hasattr(module, "measure_gpu"):
            raise ValueError(f"{name} has no case of its own for a GPU: leave out --gpu")
        return check_rows(module.measure_gpu(size != "full"))
    if size == "smoke":
        rows = check_rows(getattr(module, "measure_smoke", partial(module.measure, True))())
        # What importing, compiling and calling take is most of it at such sizes.
        return [{**row, "target": None} for row in rows]
    return check_rows(module.measure(size == "quick"))


def stream(
    name: str, *, size: str = "full", gpu: bool = False, budget: float | None = None
) -> Iterator[Row]:
    """Gives the rows of one benchmark, each as soon as it is there where it can.

    Args:
      name, size, gpu: as for `measure`.
      budget: seconds after which it begins no case; None takes its own.

    Raises:
      ValueError: as `measure`, and where a budget is given to a benchmark that has none.
    """
    module = importlib.import_module(NAMES[name])
    if not hasattr(module, "stream_rows"):
        if budget is not None:
            raise ValueError(f"{name} takes the time that it takes: leave out --budget")
        yield from measure(name, size=size, gpu=gpu)
        return
    for row in module.stream_rows(size, *([] if budget is None else [budget])):
        yield from check_rows([row])
