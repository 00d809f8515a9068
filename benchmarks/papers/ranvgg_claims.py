"""Is an untrained VGG-19 inverted better than a trained one? The claims in numbers.

He, Wang & Hopcroft (2016) claim that ranVGG (random weights, stacked layer by layer)
converges faster and ends nearer than the trained network, that stacking brings it
nearer than pure chance, and that it varies less. A row is one claim at one layer: ours
is whom the claim favours, the peer whom it does not, a pair is one photograph and seed;
above 1 the claim holds. Nothing is timed, and different networks compute different
images: "same" says that no run failed.

Codes of different networks have different scales, so distances are relative; the image
error, which is comparable as it is, has rows of its own.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

import jaxvis
from benchmarks.harness.rows import Row, row, verdict
from jaxvis.methods.ranvgg.candidates import random_networks
from jaxvis.methods.ranvgg.stack import reconstruct, stack
from jaxvis.nets import registry
from jaxvis.network import Network
from jaxvis.output.io import sample_photo
from jaxvis.types import Params, Run, Status

NEAR = 0.1
"""The relative distance at which a run counts as converged."""
REFERENCE = "chelsea"
"""What the stacked networks are built on; it is inverted, too, as in the paper."""


class Setting(NamedTuple):
    """How much is computed.

    Attributes:
      pixels: of a side.
      networks: random and stacked ones; of the trained one, as many starts.
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
    256,
    8,
    5,
    100,
    300,
    ("pool3", "relu5_1", "pool5"),
    ("astronaut", "chelsea", "coffee"),
)
FULL = PAPER._replace(pixels=64, candidates=3, stacking=30, steps=120, taps=("pool3", "pool5"))
QUICK = Setting(48, 3, 2, 20, 40, ("pool2",), ("astronaut", "chelsea"))
SMOKE = Setting(32, 2, 2, 3, 4, ("pool1",), ("chelsea",))

Found = dict[str, np.ndarray]
"""Measure -> `[photographs, networks]`, smaller is better."""


def networks(setting: Setting) -> tuple[Network, dict[str, tuple[Params, int | None]]]:
    """Returns the network, and kind -> parameters and their axis.

    Args:
      setting: how much; without weights of VGG-19 in the cache "trained" is missing.
    """
    side, stop = (setting.pixels, setting.pixels), setting.taps[-1]
    net = registry.build("vgg19", pool="avg", input_size=side)
    reference = sample_photo(REFERENCE, size=side)
    chance = random_networks(net, reference, networks=setting.networks, stop=stop)
    built = stack(
        net,
        reference,
        networks=setting.networks,
        candidates=setting.candidates,
        steps=setting.stacking,
        stop=stop,
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


def measures(runs: list[Run]) -> Found:
    """Returns what is compared of the runs of each photograph.

    Args:
      runs: one a photograph, each of as many networks.
    """
    losses = np.stack([run.trace["loss"] for run in runs])
    near = losses <= NEAR**2
    never = losses.shape[-1] + 1
    return {
        "evaluations to 10 %": np.where(near.any(-1), near.argmax(-1) + 1, never),
        "distance": np.stack([run.trace["distance"] for run in runs]),
        "image error": np.stack([run.trace["image_error"] for run in runs]),
    }


def measured(setting: Setting) -> list[Row]:
    """Returns the rows of every claim at every layer.

    Args:
      setting: how much.
    """
    net, kinds = networks(setting)
    side, out = (setting.pixels, setting.pixels), []
    for tap in setting.taps:
        runs = {
            kind: [
                reconstruct(
                    net,
                    params,
                    sample_photo(name, size=side),
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
        out += claims(tap, runs, setting)
    return out


def claims(tap: str, runs: Mapping[str, list[Run]], setting: Setting) -> list[Row]:
    """Returns the rows of one layer.

    Args:
      tap: the layer.
      runs: kind -> one run a photograph.
      setting: how much was computed.
    """
    found = {kind: measures(each) for kind, each in runs.items()}
    failed = {kind: sum(_failed(run) for run in each) for kind, each in runs.items()}
    out = []
    for ours, peer, measure in (
        ("stacked", "trained", "evaluations to 10 %"),
        ("stacked", "trained", "distance"),
        ("stacked", "trained", "image error"),
        ("random", "trained", "distance"),
        ("random", "trained", "image error"),
        ("stacked", "random", "distance"),
        ("stacked", "random", "image error"),
        ("stacked", "random", "spread of distance"),
        ("stacked", "random", "spread of image error"),
    ):
        both = [_values(found[kind], measure) for kind in (ours, peer) if kind in found]
        check = verdict(failed_runs=(failed[ours] + failed.get(peer, 0), 0))
        out.append(_claim(f"{tap}: {measure}, {ours}", peer, both, check, setting))
    return out


def _failed(run: Run) -> int:
    bad = np.isin(run.trace["status"], (Status.FAILED, Status.UNFINISHED))
    return int(np.sum(bad | ~np.isfinite(run.trace["distance"])))


def _values(found: Found, measure: str) -> np.ndarray:
    """Returns `[photographs, networks]`, of a spread `[photographs, 1]`."""
    if measure.startswith("spread of "):
        return np.std(found[measure.removeprefix("spread of ")], axis=1, keepdims=True)
    return found[measure]


def _claim(case: str, peer: str, both: list, check, setting: Setting) -> Row:
    """Returns one row; without trained weights it has no peer."""
    unit = "evaluations" if "evaluations" in case else "(relative)"
    unit = "(of 1)" if "image error" in case else unit
    sizes = {**setting._asdict(), "net": "vgg19", "reference": REFERENCE}
    if len(both) == 1:
        return row(
            "ranvgg_claims",
            f"{case} against {peer}",
            ours=both[0].ravel(),
            peer=None,
            peer_name="no weights here: jaxvis weights get vgg19",
            verdict=None,
            sizes=sizes,
            unit=unit,
            target=1.0,
        )
    ours, theirs = both
    holds = dict(zip(setting.photographs, (ours < theirs).sum(1).tolist()))
    return row(
        "ranvgg_claims",
        f"{case} against {peer}",
        ours=ours.ravel(),
        peer=theirs.ravel(),
        peer_name=f"{peer} vgg19",
        verdict=check,
        sizes=sizes,
        unit=unit,
        target=1.0,
        holds=holds,
        note=f"lower in {sum(holds.values())} of {ours.size}",
    )


def rows(quick: bool) -> list[Row]:
    """Returns the rows: eight networks of each kind, three photographs, two layers.

    Photographs have 64 pixels a side, about an hour on two CPU cores.

    Args:
      quick: three networks up to pool2, two photographs of 48 pixels.
    """
    return measured(QUICK if quick else FULL)


def gpu(quick: bool) -> list[Row]:
    """Returns the rows at the paper's 256 pixels.

    Args:
      quick: as in `rows`.
    """
    return measured(QUICK if quick else PAPER)


def smoke() -> list[Row]:
    """Returns the rows at the smallest sizes: two networks up to pool1, 32 pixels."""
    return measured(SMOKE)
