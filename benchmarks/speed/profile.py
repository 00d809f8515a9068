"""Where does a step's time go? The operations of a sweep's steps, by kind.

    python -m benchmarks.speed.profile googlenet --side 128

`jaxvis.maximize` draws classes on one core with random weights, on which speed does not
depend, and JAX's profiler says how long each operation of its steps took. Figures are
milliseconds of that core for an item and step: operations run one after another, as they do
where every core has items of its own. Linux alone can keep a program on one core.
"""

import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import tyro

import jaxvis
from benchmarks.harness import subjects

KINDS = {
    "convolutions by XLA": r"conv",
    "convolutions by Winograd's algorithm, shifted products": r"jit_(exact|_?convolve|_spread)",
    "matrix products (convolutions of 1x1 among them)": r"dot|ynn",
    "Fourier transforms": r"fft",
    "pooling": r"(wrapped_)?reduce-window|select-and-scatter",
    "draws": r".*hash_unrolled",
}
"""Kind -> how the names of its operations begin; every other operation is element by
element, a sum, or a copy."""
REST = "element by element, sums, copies"


@dataclass(frozen=True)
class Options:
    """Prints how long each kind of operation takes in a step of a sweep over classes."""

    net: tyro.conf.Positional[str]
    """The network."""
    side: int = 224
    """Pixels of a side of the picture."""
    items: int = 4
    """Pictures that are drawn together."""
    steps: int = 8
    """Steps that are measured, after two that are not."""
    longest: int = 0
    """How many single operations are listed too, the longest first."""


def record_operations(function: Callable[[], object]) -> Counter[str]:
    """Records how long the operations of XLA's programs take, in ms: name -> sum.

    Args:
      function: what is measured; whatever it compiles should be compiled already.
    """
    quiet = jax.profiler.ProfileOptions()
    quiet.python_tracer_level = 0
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=quiet):
            function()
        (file,) = Path(folder).rglob("*.xplane.pb")
        profile = jax.profiler.ProfileData.from_file(str(file))
    found: Counter[str] = Counter()
    for plane in profile.planes:
        for line in plane.lines:
            for event in line.events:
                if any(name == "hlo_op" for name, _ in event.stats):
                    found[event.name] += event.duration_ns / 1e6
    return found


def sort_by_kind(operations: Counter[str]) -> Counter[str]:
    """Sorts the milliseconds of operations into those of `KINDS` and `REST`.

    Args:
      operations: name -> milliseconds.
    """
    found: Counter[str] = Counter()
    for name, spent in operations.items():
        kind = next((kind for kind, begin in KINDS.items() if re.match(begin, name)), REST)
        found[kind] += spent
    return found


def format_table(spent: Counter[str], scale: float, *, most: int | None = None) -> list[str]:
    """Formats milliseconds as lines: an item's and step's, the share, and what it is.

    Args:
      spent: what -> milliseconds of the whole run.
      scale: items times steps.
      most: how many lines at most.
    """
    total = sum(spent.values())
    return [
        f"{value / scale:8.3f} ms {100 * value / total:5.1f} %  {name}"
        for name, value in spent.most_common(most)
    ]


def main(options: Options) -> int:
    """Measures one network, and prints the table.

    Args:
      options: of the command line.
    """
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    jaxvis.use_cores()
    size = (options.side, options.side)
    net, params = subjects.make_network(options.net, options.side)

    def draw(steps: int) -> None:
        index = range(options.items)
        jaxvis.maximize(net, params, index=index, steps=steps, size=size, chunk=options.items)

    draw(2)
    spent = record_operations(lambda: draw(options.steps))
    scale = options.items * options.steps
    print(f"{sum(spent.values()) / scale:8.3f} ms an item and step, {options.net}, {size[0]} px")
    print("\n".join(format_table(sort_by_kind(spent), scale)))
    if options.longest:
        print("\n".join(["", *format_table(spent, scale, most=options.longest)]))
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
