"""How cost grows: with pictures, pixels, networks, cores and devices.

A row is one curve of one network: processor and wall time at every point, medians of
interleaved runs, and the power law through them. What is timed is a whole call, its
checks and its copies to the host included, after one call that compiles. The figure of
the row is the time at the last point; beside it stands what the first point foretells
(as many times its time as there is more to do), so the ratio says what doing things
together saves; over cores and devices it is the plain time of one. Outputs of the first
and of the last point are compared. Speed does not depend on the weights, and SqueezeNet's
are random.

Devices are simulated: they share the cores that there are, so that their curve shows what
dividing the work costs, and no gain can be seen.
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.power_law import fit_power
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.timing import Measured, interleave
from benchmarks.harness.verdicts import Verdict, judge, relative_difference
from benchmarks.speed.curves_child import Worker, start_workers
from benchmarks.speed.curves_subjects import Subject, make_network_painter, make_painter

LOSS = 1e-3
"""Tolerance, relative, of the losses of all steps: other chunks round otherwise."""
UNITS = {"sides": "px", **{kind: kind for kind in ("items", "networks", "cores", "devices")}}
"""Kind of curve -> what its points count."""
SUBJECTS = (Subject("demo", 64, 8), Subject("squeezenet1_1", 64, 4))


class Setting(NamedTuple):
    """The size of a measurement.

    Attributes:
      subjects: networks, pixels and steps.
      items, sides, networks, devices: the points of the curves.
      shared: pictures that cores and devices divide among them.
      pairs: interleaved runs.
    """

    subjects: tuple[Subject, ...]
    items: tuple[int, ...]
    sides: tuple[int, ...]
    networks: tuple[int, ...]
    devices: tuple[int, ...]
    shared: int
    pairs: int


FULL = Setting(
    SUBJECTS,
    (1, 2, 4, 8, 16, 32, 64),
    (64, 96, 128, 192, 256, 384, 512),
    (1, 2, 4, 8, 16),
    (1, 2, 4, 8),
    32,
    7,
)
QUICK = Setting(SUBJECTS, (1, 16, 64), (64, 192, 512), (1, 4, 16), (1, 2, 8), 16, 3)
SMOKE = Setting((Subject("demo", 16, 2, "relu1_1"),), (1, 2), (16, 24), (1, 2), (1, 2), 2, 1)


class Curve(NamedTuple):
    """A curve that was measured.

    Attributes:
      kind: "items", "sides", "networks", "cores" or "devices".
      subject: the network.
      points: its x.
      times: of all points, by `str(x)`.
      foretold: how many times the first point's time the last one's should be.
      verdict: on outputs.
    """

    kind: str
    subject: Subject
    points: Sequence[int]
    times: Measured
    foretold: float
    verdict: Verdict


def measure_items(subject: Subject, setting: Setting) -> Row:
    """Measures the curve over pictures of one network."""
    paint, points = make_painter(subject), setting.items
    ways = {str(count): partial(paint, count) for count in points}
    verdict = _compare(paint(points[-1])[: points[0]], paint(points[0]))
    times = interleave(ways, setting.pairs, again=False)
    return _make_row(Curve("items", subject, points, times, points[-1] / points[0], verdict))


def measure_sides(subject: Subject, setting: Setting) -> Row:
    """Measures the curve over the pixels of a side, of one picture."""
    paint, points = make_painter(subject), setting.sides
    ways = {str(side): partial(paint, 1, side) for side in points}
    # Different sides are different pictures: each is compared with itself, made again.
    verdict = _compare(paint(1, points[0]), paint(1, points[0]))
    times = interleave(ways, setting.pairs, again=False)
    foretold = (points[-1] / points[0]) ** 2
    return _make_row(Curve("sides", subject, points, times, foretold, verdict))


def measure_networks(subject: Subject, setting: Setting) -> Row:
    """Measures the curve over networks of different weights, a picture each."""
    points = setting.networks
    paint = make_network_painter(subject, points[-1])
    ways = {str(count): partial(paint, count) for count in points}
    verdict = _compare(paint(points[-1])[-1:], paint(1, points[-1] - 1))
    times = interleave(ways, setting.pairs, again=False)
    return _make_row(Curve("networks", subject, points, times, points[-1] / points[0], verdict))


def measure_workers(kind: str, setting: Setting, folder: Path) -> list[Row]:
    """Measures the curves over cores or devices, of all networks.

    Args:
      kind: "cores" or "devices".
      setting: the size of the measurement.
      folder: where files of the processes go.
    """
    # Doubled up to all cores that this process may use.
    cores = len(os.sched_getaffinity(0))
    counts = sorted({*(2**k for k in range(cores.bit_length())), cores})
    points = setting.devices if kind == "devices" else [one for one in counts if one <= cores]
    if len(points) < 2:  # a single core is no curve
        return []
    with start_workers(kind, points, setting.subjects, folder) as workers:
        places = range(len(setting.subjects))
        return [_measure_workers(kind, place, setting, workers) for place in places]


def _measure_workers(kind: str, place: int, setting: Setting, workers: Mapping[int, Worker]) -> Row:
    """Measures one network's curve; `place` is its number among the subjects."""
    points, subject = list(workers), setting.subjects[place]
    ways: dict[str, Callable[[], Any]] = {
        str(count): partial(worker.paint, place, setting.shared)
        for count, worker in workers.items()
    }
    verdict = _compare(ways[str(points[-1])](), ways[str(points[0])]())

    def clock() -> float:
        return sum(worker.processor for worker in workers.values())

    times = interleave(ways, setting.pairs, again=False, clock=clock)
    return _make_row(Curve(kind, subject, points, times, 1.0, verdict), setting.shared)


def _compare(found: np.ndarray, wanted: np.ndarray) -> Verdict:
    """Gives the verdict on the losses of the same pictures, made in two ways."""
    return judge(losses=(relative_difference(found, wanted), LOSS))


def _make_row(curve: Curve, items: int = 1) -> Row:
    """Makes the row of a curve; `items` are the pictures of every point, where all have as many."""
    kind, subject, points, times, foretold, verdict = curve
    first, last = str(points[0]), str(points[-1])
    wall = [float(np.median(times[str(x)])) for x in points]
    spent = [times.processor[str(x)] for x in points]
    laws = {"wall": fit_power(points, wall), "processor": fit_power(points, spent)}
    parts = [subject.net, f"{subject.steps} steps"]
    parts += [f"{subject.pixels} px"] if kind != "sides" else []
    parts += [f"{items} items"] if items > 1 else []
    words = f"{', '.join(parts)}: {points[-1]} {UNITS[kind]}"
    return make_row(
        Case("curves", words, {**subject._asdict(), "items": items}),
        ours=times[last],
        peer=foretold * times[first],
        peer_name=f"{foretold:g} x the time of {first}",
        verdict=verdict,
        note=f"time grows as {laws['wall'].describe(UNITS[kind])}",
        curve=kind,
        points=list(points),
        wall=[round(value, 6) for value in wall],
        quartiles=[
            [round(float(value), 6) for value in np.quantile(times[str(x)], (0.25, 0.75))]
            for x in points
        ],
        processor_times=[round(value, 6) for value in spent],
        exponents={name: law._asdict() for name, law in laws.items()},
        processor={"ours": round(spent[-1], 6), "peer": round(foretold * spent[0], 6)},
        others=times.others,
    )


def measure_curves(setting: Setting) -> list[Row]:
    """Measures all curves.

    Args:
      setting: the size of the measurement.
    """
    rows = []
    for measure_one in (measure_items, measure_sides, measure_networks):
        rows += [measure_one(subject, setting) for subject in setting.subjects]
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("cores", "devices"):
            rows += measure_workers(kind, setting, Path(folder))
    return rows


def measure(quick: bool) -> list[Row]:
    """Measures the demo network and SqueezeNet, up to 64 items, 512 pixels and 16 networks.

    Args:
      quick: fewer points and runs.
    """
    return measure_curves(QUICK if quick else FULL)


def measure_smoke() -> list[Row]:
    """Measures two points of each curve, of the demo network at 32 pixels."""
    return measure_curves(SMOKE)
