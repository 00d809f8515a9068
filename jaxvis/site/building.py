"""The building of a site: folders of sweeps in, a folder of pages out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxvis.escape import escape_path
from jaxvis.site.addresses import hash_text, slug_names
from jaxvis.site.labels import Label, read_labels
from jaxvis.site.layer_pages import (
    describe_layer,
    describe_others,
    describe_part,
    describe_site,
    list_parts,
)
from jaxvis.site.parts import Layer, Part, Unit, gather_part
from jaxvis.site.reading import Sweep, read_sweep
from jaxvis.site.rendering import encode_data, hash_templates, list_static, render_page
from jaxvis.site.unit_data import describe_grid, describe_index, describe_pictures, encode_unit
from jaxvis.site.unit_pages import describe_unit
from jaxvis.site.writing import Writer, check_site, read_manifest


@dataclass(frozen=True)
class Built:
    """What was built.

    Attributes:
      units: how many units have a page.
      layers: how many layers they are of.
      written: how many files are new or have changed.
      missing: pictures that records name and that are not there.
      done, total: how many pictures the sweeps have made, and will make.
    """

    units: int
    layers: int
    written: int
    missing: tuple[str, ...]
    done: int
    total: int


def build_site(
    folders: Sequence[str | Path],
    out: str | Path,
    *,
    labels: str | Path | None = None,
    title: str | None = None,
    lock: Callable[[Path], None] | None = None,
) -> Built:
    """Builds the static site of sweeps, or brings it up to date.

    It is made of plain files, opens from a disk, and asks no other computer for anything.
    Folders of one network that hold different methods are shown together; others are parts
    of the site, and can be seen side by side.

    Args:
      folders: of sweeps, which may still be running.
      out: a new or empty folder, or one that holds a site.
      labels: a CSV file of labels of units, see `jaxvis.site.labels.read_labels`.
      title: of the site; the network's name if left out.
      lock: called with the folder before the first file is written, to keep others out.

    Raises:
      OSError: if a file cannot be opened or written.
      ValueError: if a folder is no sweep, nothing is finished, or `out` holds something else.
    """
    if not folders:
        raise ValueError("there is no folder to show: name one that jaxvis sweep run has written")
    sweeps = [read_sweep(one) for one in folders]
    known = read_labels(labels) if labels is not None else {}
    parts = _gather_parts(sweeps, known)
    if labels is not None and not _count_labels(parts, known):
        taps = ", ".join(tap for part in parts for tap in part.layers)
        raise ValueError(f"{escape_path(labels)} names no unit of these layers: {taps[:300]}")
    check_site(out)
    Path(out).mkdir(parents=True, exist_ok=True)
    if lock is not None:
        lock(Path(out))
    writer = Writer(Path(out), read_manifest(Path(out)))
    site = describe_site(parts, title)
    for part in parts:
        _write_part(writer, part, site)
    _write_common(writer, parts, site)
    done, total = sum(one.done for one in parts), sum(one.total for one in parts)
    writer.put("data/status.js", encode_data("status", {"done": done, "total": total}))
    writer.finish()
    layers = [layer for part in parts for layer in part.layers.values() if layer.units]
    missing = tuple(name for part in parts for files in part.files for name in files.missing)
    units = sum(len(one.units) for one in layers)
    return Built(units, len(layers), writer.written, missing, done, total)


def _gather_parts(sweeps: Sequence[Sweep], labels: dict[tuple[str, int], Label]) -> list[Part]:
    """Puts folders of one network that hold different methods together."""
    groups: list[list[Sweep]] = []
    for sweep in sweeps:
        own = {row.method for row in sweep.rows}
        for group in groups:
            others = {row.method for one in group for row in one.rows}
            if _identify(group[0]) == _identify(sweep) and not own & others:
                group.append(sweep)
                break
        else:
            groups.append([sweep])
    if len(groups) == 1:
        return [gather_part(groups[0], name=sweeps[0].name, prefix="", labels=labels)]
    names = _name_parts(groups)
    slugs = slug_names(names)
    return [
        gather_part(group, name=name, prefix=f"runs/{slugs[name]}/", labels=labels)
        for group, name in zip(groups, names)
    ]


def _identify(sweep: Sweep) -> tuple[Any, ...]:
    """Says which network a sweep is of, as far as its folder tells."""
    if sweep.plan is None and sweep.network is None:
        return (str(sweep.folder.resolve()),)
    weights = (
        sweep.plan.sha256 if sweep.plan is not None else sweep.network and sweep.network.weights
    )
    return sweep.name, weights


def _name_parts(groups: Sequence[Sequence[Sweep]]) -> list[str]:
    """Names parts by their networks, with the folder where that is not enough."""
    names = [group[0].name for group in groups]
    found: list[str] = []
    for group, name in zip(groups, names):
        folder = group[0].folder.resolve().name
        own = name if names.count(name) == 1 else f"{name}, {folder}"
        number = 2
        while own in found:
            own, number = f"{name}, {folder} ({number})", number + 1
        found.append(own)
    return found


def _count_labels(parts: Sequence[Part], labels: dict[tuple[str, int], Label]) -> int:
    units = {(tap, i) for one in parts for tap, layer in one.layers.items() for i in layer.units}
    return len(units & set(labels))


def _write_part(writer: Writer, part: Part, site: dict[str, Any]) -> None:
    _link_pictures(writer, part)
    for layer in part.layers.values():
        for unit in layer.units.values():
            _write_unit(writer, part, layer, unit, site=site)
        if layer.units or layer.examples:
            page = f"{part.prefix}layers/{layer.slug}.html"
            writer.put(page, render_page("layer.html", describe_layer(site, part, layer)))
            name = f"{part.prefix}data/{layer.slug}"
            writer.put(f"{name}.js", encode_data(name, describe_grid(layer)))
            name = f"{part.prefix}data/{layer.slug}-pictures"
            writer.put(f"{name}.js", encode_data(name, describe_pictures(layer)))
    writer.put(f"{part.prefix}index.html", render_page("part.html", describe_part(site, part)))
    if part.others:
        page = f"{part.prefix}others.html"
        writer.put(page, render_page("others.html", describe_others(site, part)))
    _link_pictures(writer, part)  # and the patches that pages have asked for


def _write_unit(
    writer: Writer, part: Part, layer: Layer, unit: Unit, *, site: dict[str, Any]
) -> None:
    """Writes the page, the card and the data of a unit, unless nothing of it has changed."""
    context = {"site": site, **describe_unit(part, layer, unit)}
    page, card = f"{unit.address}.html", f"{unit.address}-card.html"
    data = f"{unit.address}.json"
    key = hash_text(f"{hash_templates()}{context}{unit}")[:16]
    if not writer.keep({page: key, card: key, data: key}):
        writer.put(page, render_page("unit.html", context), key=key)
        writer.put(card, render_page("card.html", context), key=key)
        writer.put(data, encode_unit(part, layer, unit), key=key)


def _link_pictures(writer: Writer, part: Part) -> None:
    for files in part.files:
        for address, path in files.found.items():
            writer.link(address, path)


def _write_common(writer: Writer, parts: list[Part], site: dict[str, Any]) -> None:
    """Writes what a site has once: its scripts, and pages about all of it."""
    for address, data in list_static().items():
        writer.put(address, data)
    writer.put("data/index.js", encode_data("data/index", describe_index(parts)))
    context = {"site": site, "root": "", "prefix": parts[0].prefix}
    if len(parts) > 1:
        about = {**context, "parts": list_parts(parts)}
        writer.put("index.html", render_page("index.html", about))
    for name in ("lists", "compare"):
        writer.put(f"{name}.html", render_page(f"{name}.html", context))
