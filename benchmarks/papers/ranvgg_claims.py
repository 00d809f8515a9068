"""Is an untrained VGG-19 inverted better than a trained one? The claims in numbers.

He, Wang & Hopcroft (2016) make three claims about ranVGG, a VGG with random weights that
were stacked layer by layer: its inversions converge faster and end nearer than those of
the trained network, they end nearer than those of purely random weights, and they vary
less. A row is one claim at one layer: "ours" is the network that the claim favours, the
peer is the other one, and a pair is one photograph and seed. The claim holds where the
ratio is above 1. Nothing is timed, and different networks compute different images:
"same" says that no run failed.

Codes of different networks have different scales, so distances are relative. The image
error is comparable as it is, and has rows of its own.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

import jaxvis
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.verdicts import Verdict, judge
from jaxvis.methods.ranvgg.candidates import draw_networks
from jaxvis.methods.ranvgg.reconstruct import reconstruct
from jaxvis.methods.ranvgg.stack import StackRecipe, stack
from jaxvis.nets import registry
from jaxvis.network import Network
from jaxvis.output.io import read_sample_photo
from jaxvis.types import Params, Run, Status

NEAR = 0.1
"""The relative distance at which a run counts as converged."""
REFERENCE = "chelsea"
"""The photograph that the stacked networks are built on. It is inverted too, as in the
paper."""


class Setting(NamedTuple):
    """The size of a measurement.

    Attributes:
      pixels: of a side.
      networks: random ones, stacked ones, and starts of the trained one.
      candidates, stacking: for each layer, and the evaluations of each.
      steps: evaluations of the reconstructions that are compared.
      taps: the layers, in forward order.
      photographs: their names.
    """

    pixels: int
    networks: int
    candidates: int
    stacking: int
    steps: int
    taps: tuple[str, ...]
    photographs: tuple[str, ...]


PAPER = Setting(
    pixels=256,
    networks=8,
    candidates=5,
    stacking=100,
    steps=300,
    taps=("pool3", "relu5_1", "pool5"),
    photographs=("astronaut", "chelsea", "coffee"),
)
FULL = PAPER._replace(pixels=64, candidates=3, stacking=30, steps=120, taps=("pool3", "pool5"))
QUICK = Setting(48, 3, 2, 20, 40, ("pool2",), ("astronaut", "chelsea"))
SMOKE = Setting(32, 2, 2, 3, 4, ("pool1",), ("chelsea",))

CLAIMS = (
    ("stacked", "trained", "evaluations to 10 %"),
    ("stacked", "trained", "distance"),
    ("stacked", "trained", "image error"),
    ("random", "trained", "distance"),
    ("random", "trained", "image error"),
    ("stacked", "random", "distance"),
    ("stacked", "random", "image error"),
    ("stacked", "random", "spread of distance"),
    ("stacked", "random", "spread of image error"),
)
"""Kind that the claim favours, the other kind, and the measure that is smaller."""

Found = dict[str, np.ndarray]
"""Measure -> `[photographs, networks]`, smaller is better."""


def make_networks(setting: Setting) -> tuple[Network, dict[str, tuple[Params, int | None]]]:
    """Makes the network, and kind -> parameters and their axis.

    Args:
      setting: the size; without weights of VGG-19 in the cache "trained" is missing.
    """
    side, stop = (setting.pixels, setting.pixels), setting.taps[-1]
    net = registry.build("vgg19", pool="avg", input_size=side)
    reference = read_sample_photo(REFERENCE, size=side)
    chance = draw_networks(net, reference, networks=setting.networks, stop=stop)
    built = stack(
        net,
        reference,
        networks=setting.networks,
        stop=stop,
        recipe=StackRecipe(setting.candidates, steps=setting.stacking),
        progress=True,
    )
    kinds: dict[str, tuple[Params, int | None]] = {
        "stacked": (built.params, 0),
        "random": (chance, 0),
    }
    try:
        trained = jaxvis.load("vgg19", pool="avg", input_size=side, stop=stop)[1]
    except FileNotFoundError:
        return net, kinds
    return net, {**kinds, "trained": (trained, None)}


def take_measures(runs: list[Run]) -> Found:
    """Takes what is compared from the runs of each photograph.

    Args:
      runs: one a photograph, each of as many networks.
    """
    losses = np.stack([run.trace["loss"] for run in runs])
    near = losses <= NEAR**2
    never = losses.shape[-1] + 1
    return {
        "evaluations to 10 %": np.where(near.any(-1), near.argmax(-1) + 1, never),
        "distance": np.stack([run.facts["distance"] for run in runs]),
        "image error": np.stack([run.facts["image_error"] for run in runs]),
    }


def measure_claims(setting: Setting) -> list[Row]:
    """Measures every claim at every layer.

    Args:
      setting: the size of the measurement.
    """
    net, kinds = make_networks(setting)
    side, out = (setting.pixels, setting.pixels), []
    for tap in setting.taps:
        runs = {
            kind: [
                reconstruct(
                    net,
                    params,
                    read_sample_photo(name, size=side),
                    tap=tap,
                    params_axis=axis,
                    seeds=1 if axis == 0 else setting.networks,
                    steps=setting.steps,
                    progress=True,
                )
                for name in setting.photographs
            ]
            for kind, (params, axis) in kinds.items()
        }
        out += make_rows(tap, runs, setting)
    return out


def make_rows(tap: str, runs: Mapping[str, list[Run]], setting: Setting) -> list[Row]:
    """Makes the rows of one layer.

    Args:
      tap: the layer.
      runs: kind -> one run a photograph.
      setting: the size of the measurement.
    """
    found = {kind: take_measures(each) for kind, each in runs.items()}
    failed = {kind: sum(_count_failed(run) for run in each) for kind, each in runs.items()}
    out = []
    for ours, peer, measure in CLAIMS:
        both = [_read_measure(found[kind], measure) for kind in (ours, peer) if kind in found]
        verdict = judge(failed_runs=(failed[ours] + failed.get(peer, 0), 0))
        words = f"{tap}: {measure}, {ours} against {peer}"
        out.append(_make_row(words, peer, both, verdict, setting))
    return out


def _count_failed(run: Run) -> int:
    bad = np.isin(run.status, (Status.FAILED, Status.DEAD, Status.UNFINISHED))
    return int(np.sum(bad | ~np.isfinite(run.facts["distance"])))


def _read_measure(found: Found, measure: str) -> np.ndarray:
    """Reads a measure `[photographs, networks]`, of a spread `[photographs, 1]`."""
    if measure.startswith("spread of "):
        return np.std(found[measure.removeprefix("spread of ")], axis=1, keepdims=True)
    return found[measure]


def _make_row(words: str, peer: str, both: list, verdict: Verdict, setting: Setting) -> Row:
    """Makes one row; without trained weights it has no peer."""
    unit = "evaluations" if "evaluations" in words else "(relative)"
    unit = "(of 1)" if "image error" in words else unit
    sizes = {**setting._asdict(), "net": "vgg19", "reference": REFERENCE}
    case = Case("ranvgg_claims", words, sizes, unit=unit, target=1.0)
    if len(both) == 1:
        missing = "no weights here: jaxvis weights get vgg19"
        return make_row(case, ours=both[0].ravel(), peer_name=missing)
    ours, theirs = both
    holds = dict(zip(setting.photographs, (ours < theirs).sum(1).tolist()))
    return make_row(
        case,
        ours=ours.ravel(),
        peer=theirs.ravel(),
        peer_name=f"{peer} vgg19",
        verdict=verdict,
        holds=holds,
        note=f"lower in {sum(holds.values())} of {ours.size}",
    )


def measure(quick: bool) -> list[Row]:
    """Measures eight networks of each kind, three photographs, two layers.

    Photographs have 64 pixels a side, about an hour on two CPU cores.

    Args:
      quick: three networks up to pool2, two photographs of 48 pixels.
    """
    return measure_claims(QUICK if quick else FULL)


def measure_gpu(quick: bool) -> list[Row]:
    """Measures the same at the paper's 256 pixels.

    Args:
      quick: as in `measure`.
    """
    return measure_claims(QUICK if quick else PAPER)


def measure_smoke() -> list[Row]:
    """Measures the smallest sizes: two networks up to pool1, 32 pixels."""
    return measure_claims(SMOKE)
