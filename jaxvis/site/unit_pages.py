"""What the pages of units and classes show."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from jaxvis.site.charts import Chart, draw_bars, draw_curve
from jaxvis.site.measured import Strip
from jaxvis.site.parts import Layer, Part, Picture, Unit
from jaxvis.site.rows import Judge

MEASURED = (
    "top",
    "relevant",
    "quantiles",
    "histogram",
    "tuning",
    "near_by_weight",
    "near_by_activation",
    "fed_by",
    "feeds",
)
"""What a page shows of measures."""
EXAMPLES = 24
"""Pictures made from photographs that a unit's page shows of its layer."""


def describe_unit(part: Part, layer: Layer, unit: Unit) -> dict[str, Any]:
    """Gives what the template of a unit's page needs.

    Args:
      part: of the site.
      layer: of the unit.
      unit: the unit.
    """
    order = list(layer.units)
    place = (
        order.index(unit.index)
        if order[unit.index : unit.index + 1] != [unit.index]
        else unit.index
    )
    before = layer.units[order[place - 1]].address if place else None
    after = layer.units[order[place + 1]].address if place + 1 < len(order) else None
    drawn = [one for one in unit.drawn if one is not unit.cover]
    return {
        "part": {"name": part.name, "prefix": part.prefix},
        "layer": {"tap": layer.tap, "slug": layer.slug, "of_classes": layer.of_classes},
        "unit": {"index": unit.index, "label": unit.label, "score": unit.score},
        "address": unit.address,
        "root": "../" * (unit.address.count("/")),
        "place": (place + 1, len(order)),
        "before": before,
        "after": after,
        "cover": describe_picture(unit.cover) if unit.cover else None,
        "groups": group_pictures(drawn),
        "explained": [
            describe_picture(one) for one in unit.pictures if one.row.method == "explain"
        ],
        "judged": [_describe_judge(one, judge) for one in unit.drawn for judge in one.row.judges],
        "examples": [describe_picture(one) for one in layer.examples[:EXAMPLES]],
        "metrics": unit.metrics,
        "losses": _draw_losses(unit),
        "commands": _list_commands(unit),
        "photographs": layer.measures.photographs if layer.measures is not None else None,
        **_describe_measures(part, layer, unit),
    }


def describe_picture(picture: Picture) -> dict[str, Any]:
    """Gives what templates need of a picture.

    Args:
      picture: the picture.
    """
    row = picture.row
    return {
        "src": picture.address,
        "method": row.method,
        "seed": row.seed,
        "source": row.source,
        "status": row.status,
        "why": row.why,
        "size": row.size,
        "how": row.settings.get("recipe") or row.settings.get("heat") or "",
    }


def group_pictures(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Groups pictures, which are in order, by their methods.

    Args:
      pictures: of a unit or layer.
    """
    return [
        {"method": method, "pictures": [describe_picture(one) for one in group]}
        for method, group in groupby(pictures, lambda one: one.row.method)
    ]


def _describe_judge(picture: Picture, judge: Judge) -> dict[str, Any]:
    return {
        "seed": picture.row.seed,
        "network": judge.network,
        "label": judge.label if judge.label is not None else judge.index,
        "probability": judge.probability,
        "rank": judge.rank,
    }


def _draw_losses(unit: Unit) -> list[dict[str, Any]]:
    found = []
    for one in unit.drawn:
        chart = draw_curve(one.row.curve, about="Loss at each step")
        if chart is not None:
            found.append({"method": one.row.method, "seed": one.row.seed, "chart": chart})
    return found


def _list_commands(unit: Unit) -> list[str]:
    """Lists the commands; one that makes several seeds also makes those before them."""
    found: dict[str, str] = {}
    for one in unit.pictures:  # in the order of seeds
        if one.command is not None:
            row = one.row
            found[f"{row.method} {row.source} {row.size} {row.settings}"] = one.command
    return list(found.values())


def _describe_measures(part: Part, layer: Layer, unit: Unit) -> dict[str, Any]:
    measures = unit.measures
    if measures is None:
        return {"measured": False, **dict.fromkeys(MEASURED)}
    histogram = measures.histogram
    return {
        "measured": True,
        "top": _describe_strip(part, measures.top),
        "relevant": _describe_strip(part, measures.relevant),
        "quantiles": _describe_strip(part, measures.quantiles),
        "histogram": draw_bars(histogram.edges, histogram.counts, about="Photographs by answer")
        if histogram is not None
        else None,
        "tuning": _draw_tuning(measures.tuning),
        "near_by_weight": _describe_near(layer, measures.near_by_weight),
        "near_by_activation": _describe_near(layer, measures.near_by_activation),
        "fed_by": _describe_links(part, measures.fed_by),
        "feeds": _describe_links(part, measures.feeds),
    }


def _draw_tuning(
    tuning: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]],
) -> list[dict[str, Any]]:
    charts: list[tuple[str, Chart | None]] = [
        (name, draw_curve(ys, places=xs, about=f"Answer by {name}"))
        for name, (xs, ys) in tuning.items()
    ]
    return [{"name": name, "chart": chart} for name, chart in charts if chart is not None]


def _describe_strip(part: Part, strip: Strip | None) -> dict[str, Any] | None:
    if strip is None:
        return None
    src = part.place(strip.file)
    if src is None:
        return None
    return {"src": src, "side": strip.side, "patches": strip.patches}


def _describe_near(
    layer: Layer, pairs: Sequence[tuple[int, float]] | None
) -> list[dict[str, Any]] | None:
    if pairs is None:
        return None
    return [_describe_link(layer, layer.tap, index, value) for index, value in pairs]


def _describe_links(part: Part, links: Sequence[tuple[str, int, float]]) -> list[dict[str, Any]]:
    return [_describe_link(part.layers.get(tap), tap, index, value) for tap, index, value in links]


def _describe_link(layer: Layer | None, tap: str, index: int, value: float) -> dict[str, Any]:
    unit = layer.units.get(index) if layer is not None else None
    return {
        "tap": tap,
        "index": index,
        "value": value,
        "label": unit.label if unit is not None else None,
        "href": f"{unit.address}.html" if unit is not None else None,
        "src": unit.cover.address if unit is not None and unit.cover is not None else None,
    }
