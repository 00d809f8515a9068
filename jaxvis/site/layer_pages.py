"""What the pages of layers, of a network, and of a whole site show."""

from collections.abc import Sequence
from typing import Any

from jaxvis.site.addresses import hash_text
from jaxvis.site.diagram import draw_network
from jaxvis.site.parts import Layer, Part
from jaxvis.site.unit_pages import group_pictures

MOSAIC = 16
"""Pictures of a layer that the page of the network shows."""


def describe_site(parts: Sequence[Part], title: str | None) -> dict[str, Any]:
    """Gives what all templates need of a site.

    Args:
      parts: of the site.
      title: that the user chose, or None.
    """
    names = list(dict.fromkeys(one.name for one in parts))
    return {
        "title": title or " and ".join(names),
        # Lists and notes of the reader are kept by it, so it must not change with a sweep.
        "id": hash_text("\n".join([title or "", *names]))[:12],
        "several": len(parts) > 1,
    }


def list_parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Lists what the first page of a site of several parts shows of each.

    Args:
      parts: of the site.
    """
    return [
        {
            "name": one.name,
            "prefix": one.prefix,
            "units": sum(len(layer.units) for layer in one.layers.values()),
            "covers": [
                cover
                for layer in one.layers.values()
                for cover in _choose_covers(layer, max(1, MOSAIC // max(1, len(one.layers))))
            ][:MOSAIC],
            "done": one.done,
            "total": one.total,
        }
        for one in parts
    ]


def describe_layer(site: dict[str, Any], part: Part, layer: Layer) -> dict[str, Any]:
    """Gives what the template of a layer's page needs.

    Args:
      site: see `describe_site`.
      part: of the site.
      layer: the layer.
    """
    shown = [one for one in part.layers.values() if one.units or one.examples]
    place = shown.index(layer)
    return {
        "site": site,
        "part": {"name": part.name, "prefix": part.prefix},
        "root": "../" * (part.prefix.count("/") + 1),
        "layer": {
            "tap": layer.tap,
            "slug": layer.slug,
            "facts": layer.facts,
            "of_classes": layer.of_classes,
            "shown": len(layer.units),
            "channels": layer.channels,
        },
        "before": shown[place - 1].slug if place else None,
        "after": shown[place + 1].slug if place + 1 < len(shown) else None,
        "examples": group_pictures(layer.examples),
    }


def describe_part(site: dict[str, Any], part: Part) -> dict[str, Any]:
    """Gives what the template of a network's page needs.

    Args:
      site: see `describe_site`.
      part: of the site.
    """
    shown = [one for one in part.layers.values() if one.units or one.examples]
    slugs = {one.tap: one.slug for one in shown}
    return {
        "site": site,
        "part": {"name": part.name, "prefix": part.prefix},
        "root": "../" * part.prefix.count("/"),
        "network": part.network,
        "diagram": draw_network(part.network, slugs) if part.network is not None else None,
        "layers": [
            {
                "tap": one.tap,
                "slug": one.slug,
                "facts": one.facts,
                "of_classes": one.of_classes,
                "shown": len(one.units),
                "channels": one.channels,
                "covers": _choose_covers(one, MOSAIC),
            }
            for one in shown
        ],
        "others": len(part.others),
        "done": part.done,
        "total": part.total,
    }


def describe_others(site: dict[str, Any], part: Part) -> dict[str, Any]:
    """Gives what the template of the page of other pictures needs.

    Args:
      site: see `describe_site`.
      part: of the site.
    """
    return {
        "site": site,
        "part": {"name": part.name, "prefix": part.prefix},
        "root": "../" * part.prefix.count("/"),
        "groups": group_pictures(part.others),
        "commands": [one.command for one in part.others if one.command is not None],
    }


def _choose_covers(layer: Layer, most: int) -> list[dict[str, Any]]:
    """Chooses pictures that lie evenly among the units of a layer."""
    units = [one for one in layer.units.values() if one.cover is not None]
    step = max(1, len(units) // most)
    return [
        {
            "src": one.cover.address if one.cover is not None else None,
            "href": f"{one.address}.html",
            "index": one.index,
            "label": one.label,
        }
        for one in units[::step][:most]
    ]
