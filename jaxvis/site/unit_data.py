"""The data of units: what can be downloaded of one, and what the scripts of pages read."""

import json
from typing import Any

from jaxvis.escape import escape_characters
from jaxvis.site.parts import Layer, Part, Picture, Unit

SCHEMA = 1
"""Grows when a field of a unit's JSON file changes its meaning."""


def encode_unit(part: Part, layer: Layer, unit: Unit) -> bytes:
    """Encodes everything that is known of a unit as JSON.

    Args:
      part: of the site.
      layer: of the unit.
      unit: the unit.
    """
    root = "../" * unit.address.count("/")
    measures = dict(vars(unit.measures)) if unit.measures is not None else None
    for name in ("top", "relevant", "quantiles"):
        if measures is not None and measures[name] is not None:
            address = part.place(measures[name].file)
            file = root + address if address is not None else None
            measures[name] = {**vars(measures[name]), "file": file}
    about = {
        "schema": SCHEMA,
        "network": part.name,
        "tap": layer.tap,
        "index": unit.index,
        "label": unit.label,
        "score": unit.score,
        "metrics": dict(unit.metrics),
        "pictures": [_describe_row(one, root) for one in unit.pictures],
        "measures": measures,
    }
    return (json.dumps(about, default=vars, separators=(",", ":")) + "\n").encode()


def _describe_row(picture: Picture, root: str) -> dict[str, Any]:
    file = root + picture.address if picture.address is not None else None
    settings = json.loads(json.dumps(picture.row.settings), parse_constant=lambda word: word)
    about = {"file": file, "settings": settings, "command": picture.command}
    return {**vars(picture.row), **about}


def describe_grid(layer: Layer) -> dict[str, Any]:
    """Gives what the grid of a layer needs, column by column.

    Args:
      layer: the layer.
    """
    units = list(layer.units.values())
    names = sorted({name for one in units for name in one.metrics})
    return {
        "tap": escape_characters(layer.tap),
        "slug": layer.slug,
        "units": [one.index for one in units],
        "labels": [show_label(one.label) for one in units],
        "covers": [one.cover.address if one.cover is not None else None for one in units],
        "statuses": [_find_status(one) for one in units],
        "metrics": {
            escape_characters(name): [_shorten(one.metrics.get(name)) for one in units]
            for name in names
        },
    }


def describe_pictures(layer: Layer) -> dict[str, Any]:
    """Gives the pictures of every unit of a layer, for comparing.

    Args:
      layer: the layer.
    """
    return {
        "slug": layer.slug,
        "units": [
            [
                [one.address, escape_characters(one.row.method), one.row.seed, one.row.status]
                for one in unit.pictures
                if one.address is not None
            ]
            for unit in layer.units.values()
        ],
    }


def describe_index(parts: list[Part]) -> list[dict[str, Any]]:
    """Gives the names and labels of all units, for searching.

    Args:
      parts: of the site.
    """
    return [
        {
            "name": escape_characters(part.name),
            "prefix": part.prefix,
            "layers": [
                {
                    "tap": escape_characters(layer.tap),
                    "slug": layer.slug,
                    "units": list(layer.units),
                    "labels": [show_label(one.label) for one in layer.units.values()],
                }
                for layer in part.layers.values()
                if layer.units
            ],
        }
        for part in parts
    ]


def show_label(label: str | None) -> str | None:
    """Makes a label safe to show in a script's text.

    Args:
      label: the label, or None.
    """
    return escape_characters(label) if label is not None else None


def _find_status(unit: Unit) -> str | None:
    """Finds what is said of a unit that has no good picture; None where all is well."""
    if unit.cover is not None and unit.cover.row.status == "done":
        return None
    return unit.pictures[0].row.status if unit.pictures else "not drawn"


def _shorten(value: float | None) -> float | None:
    return float(f"{value:.6g}") if value is not None else None
