"""All that is known of the units of a network beside pictures, written into a sweep's folder."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from jaxvis.analysis.codes import open_images
from jaxvis.analysis.patches import BEST, Histogram, LayerPatches, patches
from jaxvis.network import Network
from jaxvis.output.threads import map_ahead
from jaxvis.site.measures.curves import KINDS, Tuning, measure_tuning
from jaxvis.site.measures.facts import SCHEMA, choose_taps, describe_layers, hash_network
from jaxvis.site.measures.likeness import find_near_by_activation, find_near_by_weight
from jaxvis.site.measures.links import Links
from jaxvis.site.measures.numbers import keep_finite, round_number, round_numbers
from jaxvis.site.measures.responses import Responses, collect_responses
from jaxvis.site.measures.stimuli import ANGLES, HUES
from jaxvis.site.measures.store import (
    FOLDER,
    NETWORK,
    check_folder,
    hash_images,
    is_there,
    name_files,
    read_object,
    remove_strips,
    write_object,
)
from jaxvis.site.measures.strips import SIDE, Strips
from jaxvis.train.images import Images
from jaxvis.types import Params

TOP = 9
"""Patches of each unit where nothing else is asked for."""
AHEAD = 16
"""Units whose strips are drawn ahead."""


class Measured(NamedTuple):
    """What was measured.

    Attributes:
      made: the layers that were measured now.
      there: those that had been, with the same weights and images.
      units: of the layers measured now.
      images: that were shown, with those that were skipped; None where there are none.
    """

    made: tuple[str, ...]
    there: tuple[str, ...]
    units: int
    images: Images | None


@dataclass(frozen=True, eq=False)
class _Seen:
    """What images show of a layer."""

    images: Images
    patches: LayerPatches
    responses: Responses


def write_network(
    folder: str | os.PathLike,
    net: Network,
    params: Params,
    *,
    weights: str,
    labels: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Writes what a network is made of into a sweep's folder, as network.json.

    Args:
      folder: of the sweep; it is made where there is none.
      net, params: the network.
      weights: where the parameters are from, such as "embedded".
      labels: of the classes, by index.
      overwrite: whether the facts of another network are replaced.

    Raises:
      OSError: if the folder cannot be written.
      ValueError: if it is of something else, or has the facts of another network.
    """
    root = Path(folder)
    check_folder(root)
    facts = describe_layers(net, params, weights=weights, labels=labels)
    old = read_object(root / NETWORK)
    if old and not overwrite and old.get("sha256") not in (None, facts["sha256"]):
        raise ValueError(
            f"{root / NETWORK} is of other weights or of another network: name another folder, "
            "or pass --overwrite (overwrite=True) to replace it"
        )
    root.mkdir(parents=True, exist_ok=True)
    write_object(root / NETWORK, facts)


def measure_units(
    folder: str | os.PathLike,
    net: Network,
    params: Params,
    *,
    taps: Sequence[str] | None = None,
    photos: str | os.PathLike | Images | None = None,
    top: int = TOP,
    overwrite: bool = False,
    progress: bool = False,
) -> Measured:
    """Measures all units of layers, and writes what is known of each layer into measures/.

    A layer's file is written last of all that belongs to it, so that after an interruption
    what is there is whole, and is left as it is by the next call with the same weights and
    images. The units of a map are its channels.

    Args:
      folder: of the sweep; it is made where there is none.
      net, params: the network.
      taps: the layers; None takes those that kernels make, and the classes.
      photos: a folder of images, or an opened one. Without them there are no patches, no
        histograms, no likeness by activation and no metrics.
      top: patches of each unit.
      overwrite: whether layers are measured again, whatever is there.
      progress: whether to show bars.

    Raises:
      OSError: if a folder cannot be read or written.
      ValueError: for an unknown tap, a count below 1, a folder of something else, or layers
        that were measured with other weights, images or options.

    >>> import tempfile
    >>> import jaxvis
    >>> from jaxvis.site.measures.measure import measure_units
    >>> net, params = jaxvis.load("demo")
    >>> folder = tempfile.mkdtemp()
    >>> measure_units(folder, net, params, taps=["conv1_1"]).units
    16
    """
    root = Path(folder)
    check_folder(root)
    if top < 1:
        raise ValueError(f"top must be at least 1, got {top}")
    chosen = choose_taps(net, params) if taps is None else net.check_taps(tuple(taps))
    chosen = tuple(dict.fromkeys(chosen))
    if not chosen or "input" in chosen:
        raise ValueError("the image itself has no units: name layers behind it, taps=")
    images = None if photos is None else open_images(net, photos, progress=progress)
    made_of = _describe_sources(net, params, chosen, images, top)
    names = name_files(net.taps)
    there = [tap for tap in chosen if not overwrite and is_there(root, names[tap], made_of)]
    wanted = tuple(tap for tap in chosen if tap not in there)
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    seen = _look(net, params, images, wanted, top, progress) if images and wanted else {}
    counts = {tap: net.shape(params, tap)[-1] for tap in wanted}
    links = Links(net, params, chosen)
    with tqdm(total=sum(counts.values()), disable=not progress, unit="unit", delay=1) as bar:
        for tap in wanted:
            facts = {"schema": SCHEMA, "tap": tap, "channels": counts[tap], "made_of": made_of}
            facts["images"] = images and {"count": len(images), "skipped": [*images.skipped]}
            unseen = _describe_units(net, params, tap, links)
            units = _add_seen(root, names[tap], unseen, seen.get(tap), bar)
            write_object(root / FOLDER / f"{names[tap]}.json", {**facts, "units": units})
            remove_strips(root, names[tap], units)
    return Measured(wanted, tuple(there), sum(counts.values()), images)


def _describe_sources(
    net: Network, params: Params, taps: tuple[str, ...], images: Images | None, top: int
) -> dict[str, Any]:
    """Describes what a layer's file is made of, so that it can be told whether it is new."""
    ops = {row.name: row.op for row in net.rows}
    return {
        "weights": hash_network(net, params),
        "photographs": hash_images(images) if images else None,
        "options": {"top": top, "side": SIDE},
        # Rows of kernels are linked in any case.
        "links": [tap for tap in taps if ops.get(tap) not in ("conv", "fc")],
    }


def _look(
    net: Network,
    params: Params,
    images: Images,
    taps: tuple[str, ...],
    top: int,
    progress: bool,
) -> Mapping[str, _Seen]:
    """Shows the images to the network: twice, since relevance takes a gradient."""
    relevance = BEST if net.scores is not None else None
    found = patches(net, params, images, taps, top=top, relevance=relevance, progress=progress)
    responses = collect_responses(net, params, images, taps, progress=progress)
    return {tap: _Seen(images, found[tap], responses[tap]) for tap in taps}


def _describe_units(net: Network, params: Params, tap: str, links: Links) -> list[dict[str, Any]]:
    """Describes what is known of the units of a layer without photographs."""
    tuning = measure_tuning(net, params, tap)
    near = find_near_by_weight(net, params, tap)
    fed_by, feeds = links.find_feeding(tap), links.find_fed(tap)

    def describe(index: int) -> dict[str, Any]:
        return {
            "index": index,
            "tuning": _describe_tuning(tuning, index),
            "near_by_weight": [[other, round_number(value)] for other, value in near[index]],
            "fed_by": [[*unit, round_number(value)] for *unit, value in fed_by[index]],
            "feeds": [[*unit, round_number(value)] for *unit, value in feeds[index]],
        }

    return [describe(index) for index in range(len(near))]


def _describe_tuning(tuning: Tuning, index: int) -> dict[str, Any]:
    angle = {"x": ANGLES.tolist(), "y": round_numbers(tuning.angle[index])}
    curves: dict[str, Any] = {"angle": {**angle, "period": round_number(tuning.period[index])}}
    if tuning.hue is not None and tuning.kind is not None:
        hue = {"x": HUES.tolist(), "y": round_numbers(tuning.hue[index])}
        curves["hue"] = {**hue, "kind": KINDS[tuning.kind[index]]}
    return curves


def _add_seen(
    root: Path, name: str, units: list[dict[str, Any]], seen: _Seen | None, bar: tqdm
) -> list[dict[str, Any]]:
    """Adds what images show of each unit of a layer, and writes its strips."""
    nothing = dict.fromkeys(("top", "relevant", "quantiles", "histogram", "near_by_activation"))
    if seen is None:
        bar.update(len(units))
        return [{**nothing, **unit, "metrics": {}} for unit in units]
    place = root / FOLDER / name
    place.mkdir(exist_ok=True)
    strips = Strips(seen.images, seen.patches, place, f"{FOLDER}/{name}")
    near = find_near_by_activation(seen.responses.sample)
    found = []
    for unit, drawn in zip(units, map_ahead(strips.write, range(len(units)), ahead=AHEAD)):
        index = unit["index"]
        more = {"histogram": _trim(seen.patches.histogram, index), **drawn}
        more["near_by_activation"] = [[n, round_number(value)] for n, value in near[index]]
        found.append({**nothing, **unit, **more, "metrics": _list_metrics(seen, index)})
        bar.update()
    return found


def _trim(histogram: Histogram, index: int) -> dict[str, Any] | None:
    """Gives the bins of a unit from the first to the last that holds something."""
    counts = histogram.counts[index]
    full = np.flatnonzero(counts)
    if not len(full):
        return None
    # The outermost bins are open; they end where the next doubling would.
    edges = np.clip(histogram.edges, *(2 * histogram.edges[[1, -2]]))
    shown = slice(full[0], full[-1] + 1)
    ends = round_numbers(edges[full[0] : full[-1] + 2])
    return {"edges": ends, "counts": counts[shown].tolist()}


def _list_metrics(seen: _Seen, index: int) -> dict[str, float]:
    responses = seen.responses
    return keep_finite(
        {
            "mean": responses.mean[index],
            "largest": seen.patches.top.values[index, 0],
            "share_active": responses.active[index],
        }
    )
