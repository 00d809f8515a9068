"""Measures: what was measured of the units of a layer, read from a sweep's folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxvis.site.fields import Fields, read_fields


@dataclass(frozen=True)
class Patch:
    """A part of a photograph.

    Attributes:
      image: the name of the photograph.
      value: what the unit answers to it.
      share: of all photographs that answer less, from 0 to 1; None where not asked for.
    """

    image: str
    value: float | None
    share: float | None


@dataclass(frozen=True)
class Strip:
    """Patches that lie side by side in one file.

    Attributes:
      file: its path inside the folder.
      side: pixels of a patch.
      patches: from left to right.
    """

    file: str
    side: int
    patches: tuple[Patch, ...]


@dataclass(frozen=True)
class Histogram:
    """How many photographs a unit answers how strongly.

    Attributes:
      edges: of the bins, one more than there are bins.
      counts: of photographs in each bin.
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]


@dataclass(frozen=True)
class UnitMeasures:
    """What was measured of one unit; None, or nothing, where it was not.

    Attributes:
      index: its number in the layer.
      top, relevant, quantiles: patches that excite it most, that matter most, and that lie
        at quantiles of the histogram.
      histogram: of its answers to photographs.
      tuning: what was turned, such as "angle" -> (degrees, answers).
      near_by_weight, near_by_activation: (index, likeness) of units of the same layer.
      fed_by, feeds: (tap, index, weight) of units of other layers.
      metrics: numbers of it.
    """

    index: int
    top: Strip | None
    relevant: Strip | None
    quantiles: Strip | None
    histogram: Histogram | None
    tuning: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]
    near_by_weight: tuple[tuple[int, float], ...] | None
    near_by_activation: tuple[tuple[int, float], ...] | None
    fed_by: tuple[tuple[str, int, float], ...]
    feeds: tuple[tuple[str, int, float], ...]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Measures:
    """What was measured of a layer.

    Attributes:
      tap: its name.
      channels: how many units it has.
      photographs: how many photographs were shown to it; None for none.
      units: index -> what was measured.
    """

    tap: str
    channels: int
    photographs: int | None
    units: Mapping[int, UnitMeasures]


def read_measures(folder: Path) -> dict[str, Measures]:
    """Reads all measures of a folder, by their layers; {} where there are none.

    Args:
      folder: of the sweep.

    Raises:
      OSError: if a file cannot be opened.
      ValueError: if one holds no measures.
    """
    found = {}
    for path in sorted((folder / "measures").glob("*.json")):
        if path.name.startswith("."):
            continue
        fields = read_fields(path, f"{folder}/measures/{path.name}")
        tap, images = fields.text("tap"), fields.inner("images")
        units = [_read_unit(one) for one in fields.objects("units")]
        found[tap] = Measures(
            tap=tap,
            channels=fields.whole("channels"),
            photographs=images.whole("count") if images else None,
            units={one.index: one for one in units},
        )
    return found


def _read_unit(fields: Fields) -> UnitMeasures:
    tuning = fields.inner("tuning")
    curves = {}
    for name in tuning.value if tuning else ():
        curve = tuning.inner(name) if tuning else None
        if curve is not None:
            curves[name] = (curve.finite("x"), curve.finite("y"))
            if len(curves[name][0]) != len(curves[name][1]):
                raise ValueError(f"{curve.where} has more x than y, or fewer")
    return UnitMeasures(
        index=fields.whole("index"),
        top=_read_strip(fields.inner("top")),
        relevant=_read_strip(fields.inner("relevant")),
        quantiles=_read_strip(fields.inner("quantiles")),
        histogram=_read_histogram(fields.inner("histogram")),
        tuning=curves,
        near_by_weight=_read_pairs(fields, "near_by_weight"),
        near_by_activation=_read_pairs(fields, "near_by_activation"),
        fed_by=_read_links(fields, "fed_by"),
        feeds=_read_links(fields, "feeds"),
        metrics=fields.metrics("metrics"),
    )


def _read_strip(fields: Fields | None) -> Strip | None:
    if fields is None:
        return None
    patches = [
        Patch(one.optional_text("image") or "", one.number("value"), one.number("share"))
        for one in fields.objects("patches")
    ]
    file = fields.picture("file")
    if file is None:
        raise ValueError(f"{fields.where} has no file")
    return Strip(file, fields.whole("side"), tuple(patches))


def _read_histogram(fields: Fields | None) -> Histogram | None:
    if fields is None:
        return None
    edges, counts = fields.finite("edges"), fields.finite("counts")
    if len(edges) != len(counts) + 1:
        raise ValueError(f"{fields.where} needs one edge more than counts")
    return Histogram(edges, counts) if counts else None


def _read_pairs(fields: Fields, name: str) -> tuple[tuple[int, float], ...] | None:
    if fields.value.get(name) is None:
        return None
    where, found = f"{fields.where}: {name}", fields.sequence(name)
    for one in found:
        if not isinstance(one, list) or len(one) != 2 or not _are_numbers(*one):
            raise ValueError(f"{where} holds what is no [index, likeness]")
    return tuple((int(index), float(value)) for index, value in found)


def _read_links(fields: Fields, name: str) -> tuple[tuple[str, int, float], ...]:
    where, found = f"{fields.where}: {name}", fields.sequence(name)
    for one in found:
        fits = isinstance(one, list) and len(one) == 3 and isinstance(one[0], str)
        if not fits or not _are_numbers(*one[1:]):
            raise ValueError(f"{where} holds what is no [tap, index, weight]")
    return tuple((tap, int(index), float(weight)) for tap, index, weight in found)


def _are_numbers(index: object, value: object) -> bool:
    return type(index) is int and index >= 0 and isinstance(value, int | float) and value == value
