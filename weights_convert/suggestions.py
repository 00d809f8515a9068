"""What a checkpoint that does not fit may be, and what to do with it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from jaxvis.escape import escape
from jaxvis.nets import registry
from jaxvis.nets.table.layers import shapes, sources
from jaxvis.network import Network
from weights_convert import quantised
from weights_convert.checkpoint import Checkpoint
from weights_convert.fitting import MAX_SEARCHED, Entry, WeightSet, find_sets
from weights_convert.layout import find_arrangement
from weights_convert.names import keras
from weights_convert.names.parameters import list_shapes
from weights_convert.names.table import list_names
from weights_convert.sizing import resize

MOST = 3
"""Networks that are suggested."""
ENOUGH = 0.8
"""Part of a network's parameters that must be in a file for the network to be suggested."""


def describe_files(found: Iterable[Path]) -> str:
    """Returns the names of files, safe to print.

    Args:
      found: the paths.
    """
    return ", ".join(escape(path.name) for path in found)


def describe_sets(sets: Sequence[WeightSet]) -> str:
    """Returns the prefixes of sets of weights as a list.

    Args:
      sets: the sets.
    """
    return ", ".join(escape(each.prefix) or "'' (no prefix)" for each in sets[:8])


def refuse_choice(net: Network, found: Iterable[Path], sets: Sequence[WeightSet]) -> ValueError:
    """Returns the error for a file with several sets of weights.

    Args:
      net: the network.
      found: the files.
      sets: the sets, all of which fit.
    """
    first = escape(sets[-1].prefix)
    return ValueError(
        f"{describe_files(found)} holds {len(sets)} sets of weights of {net.name}, behind "
        f"{describe_sets(sets)}: choose one, such as part={first!r} (--part {first})"
    )


def refuse_part(
    net: Network, found: Iterable[Path], sets: Sequence[WeightSet], part: str
) -> ValueError:
    """Returns the error for a part of a file that is not there.

    Args:
      net: the network.
      found: the files.
      sets: the sets that are there.
      part: what was asked for.
    """
    return ValueError(
        f"{describe_files(found)} has no part {escape(part)!r} with weights of {net.name}; there "
        f"are: {describe_sets(sets) or 'none'}"
    )


def explain_mismatch(
    net: Network,
    found: Mapping[Path, Checkpoint],
    entries: Sequence[Entry],
    missing: Collection[str],
    own: tuple[float, int],
) -> str:
    """Returns sentences on why a file does not fit, and what to do; "" if nothing is known.

    Args:
      net: the network.
      found: path -> the checkpoint there.
      entries: the tensors of all files.
      missing: the parameters that are not there, `row/leaf`.
      own: which part of the network's parameters do fit, and how many.
    """
    foreign = {name: maker for each in found.values() for name, maker in each.foreign.items()}
    sign = quantised.find_sign([entry.name for entry in entries], foreign)
    if sign:
        return f"it {quantised.explain(sign)}"
    makers = [maker for name, maker in foreign.items() if name.endswith((".weight", ".bias"))]
    if makers and missing:
        return f"some weights are made by {makers[0]}, which was not run: save model.state_dict()"
    said = next((each.architecture for each in found.values() if each.architecture), "")
    reasons = [f"it says that it is {escape(said)}" if said else "", _suggest_stop(net, missing)]
    if "keras" in {entry.naming for entry in entries}:
        reasons.append(keras.explain_difference(net))
    others = [each for each in suggest(entries) if (each[1] / each[2], each[1]) > own]
    if others:
        fits = ", ".join(f"{name} ({hits} of {count})" for name, hits, count in others)
        reasons.append(f"the names and shapes fit {fits}")
    return "; ".join(filter(None, reasons))


def suggest(entries: Sequence[Entry]) -> list[tuple[str, int, int]]:
    """Returns (network, parameters in the file, all its parameters) of the nearest networks.

    Args:
      entries: the tensors of all files.
    """
    if len(entries) > MAX_SEARCHED:
        return []
    namings = {entry.naming for entry in entries}
    scores = []
    for name in registry.NETS:
        tables = {naming: _list_known_names(naming, name) for naming in namings}
        wanted = list_shapes(_build(name))
        sets = find_sets(entries, tables, wanted.keys(), search=False)
        if sets and sets[0].count(wanted) >= ENOUGH * len(wanted):
            hits = _count_fitting(name, sets[0])
            scores.append((name, hits, len(wanted)))
    scores.sort(key=lambda each: (each[1] / each[2], each[1]), reverse=True)
    return [each for each in scores if each[1] >= ENOUGH * each[2]][:MOST]


@lru_cache(maxsize=256)
def _build(name: str) -> Network:
    return registry.build(name)


@lru_cache(maxsize=256)
def _list_known_names(naming: str, name: str) -> Mapping[str, str]:
    try:
        return list_names(naming, _build(name))
    except ValueError:  # files of this naming hold another network of the same name
        return {}


def _count_fitting(name: str, chosen: WeightSet) -> int:
    """Returns how many parameters have the network's shapes, whatever its classes are."""
    net = resize(name, _build(name), chosen, {})
    wanted = list_shapes(net)
    at, reads = shapes(net.rows, net.input_size), sources(net.rows)
    return sum(
        target in wanted
        and find_arrangement(
            entry.tensor.shape,
            wanted[target],
            entry.naming,
            at[reads[target.rpartition("/")[0]][0]],
        )
        is not None
        for target, entry in chosen.found.items()
    )


def _suggest_stop(net: Network, missing: Collection[str]) -> str:
    """Returns the advice to leave out the last layers, if only they are missing."""
    rows = [row.name for row in net.rows]
    without = {target.rpartition("/")[0] for target in missing}
    first = min((rows.index(row) for row in without), default=0)
    taps = [row for row in rows[:first] if row in net.taps and row != "input"]
    if not taps or len(without) > 4 or taps[-1] == rows[0]:
        return ""
    kept = list_shapes(net, stop=taps[-1])
    if kept.keys() & set(missing) or 2 * len(kept) < len(list_shapes(net)):
        return ""
    return (
        f"its last layers are missing: convert the others with stop={taps[-1]!r} "
        f"(--stop {taps[-1]})"
    )
