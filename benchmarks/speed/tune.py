"""The numbers of `jaxvis.tuning`, measured on this machine: `python -m benchmarks tune`.

Three things are measured, all of them with every core a device of its own, as a sweep runs,
and in processor time:

- whole steps of networks, with 1, 2, 4 and 8 pictures together on a core;
- the forms of single convolutions, with the sides and channels that the zoo has;
- whole steps with each number that was found, beside the same steps without it, in two
  processes that take turns. A number is kept only where the step is faster by more than the
  runs vary, no other step that is tried is slower by as much, and other processes leave the
  cores alone. No step that is measured depends on the limits of 4x4 and of learned kernels:
  what is found of them is shown, and not kept.

`--out FILE.json` writes the numbers that were kept, for the environment variable JAXVIS_TUNING.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.harness import rows, subjects
from benchmarks.harness.rows import Row
from benchmarks.harness.timing import interleave
from benchmarks.speed.tune_check import Finding, Plan, check_numbers
from benchmarks.speed.tune_choice import Case, ItemTimes, LayerTimes, choose_items, choose_limits
from benchmarks.speed.tune_forms import WORDS, choose_grid, measure_layer
from benchmarks.speed.tune_report import format_lines, write_file
from jaxvis.devices import copy_to_all, count_devices, make_mesh, split_items
from jaxvis.tuning import VARIABLE, Tuning

__all__ = ["format_lines", "measure", "measure_smoke", "write_file"]

NAME = "tune"
NETS, SIDES = ("squeezenet1_1", "mobilenet_v2", "googlenet"), (64, 96, 128, 224)
COUNTS = (1, 2, 4, 8)


class Setting(NamedTuple):
    """The size of a measurement.

    Attributes:
      cases: the networks whose steps are measured.
      layers: the networks whose convolutions are.
      counts: pictures together on a core.
      pixels: of all pictures that are together on a core, at most.
      grid: convolutions of every kind that are measured.
      pairs: interleaved runs.
      most: networks that one number is checked with.
    """

    cases: tuple[Case, ...]
    layers: tuple[Case, ...]
    counts: tuple[int, ...]
    pixels: int
    grid: int
    pairs: int
    most: int


FULL = Setting(
    tuple((net, side) for net in NETS for side in SIDES),
    tuple((net, side) for net in ("vgg19", "squeezenet1_1", "googlenet") for side in SIDES),
    COUNTS,
    8 * 224**2,
    24,
    5,
    2,
)
QUICK = Setting(
    (("squeezenet1_1", 64), ("squeezenet1_1", 128)),
    (("squeezenet1_1", 128), ("vgg16", 64)),
    COUNTS,
    8 * 128**2,
    4,
    3,
    1,
)
SMOKE = Setting((("demo", 32),), (("demo", 32),), (1, 2), 2 * 32**2, 1, 1, 1)


def measure_steps(case: Case, setting: Setting) -> tuple[dict[int, float], float | None]:
    """Measures the steps of a network, with several pictures together on a core.

    Args:
      case: the network, and the pixels of a side.
      setting: the size of the measurement.

    Returns:
      Pictures on a core -> seconds of processor time of one of them; and the share of the
      cores that other processes took.
    """
    name, side = case
    net, params = subjects.make_network(name, side)
    mesh = make_mesh(jax.local_devices())
    devices = count_devices(mesh)
    ready = copy_to_all(subjects.prepare_params(net, params, side), mesh)
    gradient = subjects.make_gradient(net, net.classes or net.taps[-1], mesh=mesh)
    counts = [n for n in setting.counts if n == 1 or n * side**2 <= setting.pixels]

    def make_way(count: int) -> Callable[[], Any]:
        images = subjects.draw_images(count * devices, side)
        given = jax.device_put(split_items((images, subjects.number_classes(len(images))), mesh))
        return lambda: jax.block_until_ready(gradient(ready, *given))

    found = interleave({str(n): make_way(n) for n in counts}, setting.pairs, again=False)
    return {n: found.processor[str(n)] / (n * devices) for n in counts}, found.others


def measure_all(setting: Setting) -> list[Row]:
    """Measures steps and convolutions, chooses the numbers, and checks them in whole steps.

    Args:
      setting: the size of the measurement.

    Raises:
      ValueError: if numbers of a file are in use.
    """
    if os.environ.get(VARIABLE):
        raise ValueError(f"what is found is compared with the default numbers: unset {VARIABLE}")
    made, items, layers = [], {}, {}
    for case in setting.cases:
        items[case], others = measure_steps(case, setting)
        made.append(_make_row("items", f"{case[0]}, {case[1]} px", items[case], others))
        jax.clear_caches()
    for layer in choose_grid(setting.layers, setting.grid):
        layers[layer], others = measure_layer(layer, pairs=setting.pairs)
        times = {WORDS[form]: seconds for form, seconds in layers[layer].items()}
        made.append(_make_row("forms", layer.describe(), times, others))
        jax.clear_caches()
    return [*made, *_check(setting, items, layers)]


def _check(setting: Setting, items: ItemTimes, layers: LayerTimes) -> Iterator[Row]:
    """Chooses the numbers, checks them, and gives a row for each."""
    found = choose_limits(layers, start=choose_items(items, start=Tuning()))
    cases = tuple(dict.fromkeys([*setting.cases, *setting.layers]))
    plan = Plan(cases, (items, layers), max(setting.counts), setting.pairs, setting.most)
    with tempfile.TemporaryDirectory() as folder:
        for finding in check_numbers(found, plan, Path(folder)):
            yield _make_number(finding)


def _make_row(kind: str, words: str, times: Mapping[Any, float], others: float | None) -> Row:
    """Makes the row of a measurement: `times` are those of its ways."""
    case = rows.Case(NAME, words, {})
    least = np.array([min(times.values())])
    return rows.make_row(
        case, ours=least, peer_name="none", kind=kind, times=dict(times), others=others
    )


def _make_number(finding: Finding) -> Row:
    """Makes the row of a number, with the worst agreement of the steps it was checked with."""
    case = rows.Case(NAME, f"{finding.number}: {finding.default}, found {finding.found}", {})
    row = rows.make_row(case, ours=np.array([np.nan]), peer_name="none", kind="number")
    facts = finding._asdict()
    checks = facts.pop("checks")
    agree = all(check.verdict.agree for check in checks) if checks else None
    others = max((check.others or 0.0 for check in checks), default=None)
    return {**row, **facts, "agree": agree, "others": others}


def measure(quick: bool) -> list[Row]:
    """Measures three networks from 64 to 224 pixels, and 24 convolutions of every kind.

    Args:
      quick: one network, and four convolutions of every kind.
    """
    return measure_all(QUICK if quick else FULL)


def measure_smoke() -> list[Row]:
    """Measures the demo network at 32 pixels, and one convolution of every kind."""
    return measure_all(SMOKE)
