"""jaxvis atlas: what a layer sees, as a map of one photograph or of a folder of images."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.analysis.atlas import activation_cells, activation_grid
from jaxvis.analysis.atlas import atlas as make_atlas
from jaxvis.analysis.embed import check_plane
from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import Plane
from jaxvis.cli.directions import draw_directions
from jaxvis.cli.drawing_flags import DRAWING, DrawingFlags
from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    NetworkFlags,
    OutputFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.folders import open_shown
from jaxvis.cli.opening import open_net
from jaxvis.cli.pages import magnify, write_pages
from jaxvis.cli.parsing import parse_size
from jaxvis.cli.photographs import read_for
from jaxvis.cli.saving import open_output
from jaxvis.display import join_planes
from jaxvis.output.arrays import to_display
from jaxvis.output.folder import list_images
from jaxvis.output.heat import lay_over
from jaxvis.output.sheet import contact_sheet
from jaxvis.types import Run

PLANE = default_of(make_atlas, "plane")
SIDE = 160
"""Pixels of a side of a picture on the page of groups."""


def atlas(
    net: str,
    source: str,
    /,
    *,
    tap: str,
    grid: int = default_of(make_atlas, "grid"),
    plane: Plane = PLANE,
    samples: int = default_of(make_atlas, "samples"),
    least: int = default_of(make_atlas, "least"),
    groups: int = default_of(activation_grid, "groups"),
    size: str | None = None,
    drawing: DrawingFlags = DRAWING,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Draws what a layer sees: cell by cell of a photograph, or of a plane of many images.

    Of a photograph there are two pages: a grid of what each part of it looks like to the
    layer, and groups of channels, each with its place and its picture. Of a folder it is an
    activation atlas: activations that are near each other share a cell. For example:
    jaxvis atlas googlenet PHOTOS --tap inception_4c/output --grid 10 --samples 8

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      source: a folder of images; or a file, or astronaut, chelsea, coffee or rocket.
      tap: the layer, such as relu4_1.
      grid: cells a side.
      plane: of a folder, t-SNE, UMAP (pip install "jaxvis[analysis]"), or principal
        components, which need no other package.
      samples: of a folder, positions of each image.
      least: of a folder, activations that a cell needs to be drawn.
      groups: of a photograph.
      size: images are cropped to it, 224 or 224x320 (H x W); the network's own if left out.

    Raises:
      OSError: if images, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network or the images, or a package that is
        missing.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    opened.net.check_taps(tap)
    facts: dict[str, Any] = {"command": "atlas", "arguments": arguments}
    if not Path(source).is_dir():
        photo = read_for(opened.net, source, size)
        cells = activation_cells(opened.net, opened.params, photo, tap, grid=grid)
        found = activation_grid(
            opened.net, opened.params, photo, tap, groups=groups, key=drawing.seed
        )
        to = open_output(output, "atlas", count=2)
        run = draw_directions(opened, cells.concepts, drawing)
        parts = draw_directions(opened, found.concepts, drawing)
        pages = {"grid": cells.arrange(_take_pictures(run))}
        pages["groups"] = _draw_groups(Path(source).stem, photo, found, _take_pictures(parts))
        facts |= {"inputs": hash_inputs(source), "run": run}
        return write_pages(to, opened, pages, about={}, tap=tap, **facts)
    check_plane(plane)
    pixels = parse_size(size) if size else None
    list_images(Path(source))
    to, inputs = open_output(output, "atlas", count=1), hash_inputs(source)
    images = open_shown(opened.net, Path(source), pixels)
    whole = make_atlas(
        opened.net,
        opened.params,
        images,
        tap,
        grid=grid,
        plane=plane,
        samples=samples,
        least=least,
        key=drawing.seed,
    )
    run = draw_directions(opened, whole.concepts, drawing)
    facts |= {"inputs": inputs, "skipped": dict(images.skipped), "images": len(images), "run": run}
    about = {"atlas": {"cells": whole.cells, "counts": whole.counts}}
    pages = {"atlas": whole.arrange(_take_pictures(run))}
    return write_pages(to, opened, pages, about=about, tap=tap, **facts)


def _take_pictures(run: Run) -> np.ndarray:
    """Takes the pictures of a run as they are shown, `[n, H, W, 3]`."""
    pictures = join_planes(np.asarray(run.image)[:, 0])
    return np.stack([to_display(one) for one in pictures])


def _draw_groups(name: str, photo: np.ndarray, found: Any, pictures: np.ndarray) -> np.ndarray:
    """Draws the photograph, all groups in their colours, and each with its picture."""
    own = to_display(photo)
    grey = own.mean(axis=-1, keepdims=True)
    cells, captions = [own, 0.3 * grey + 0.7 * found.picture], [name, "all groups"]
    for number, (heat, colour) in enumerate(zip(found.maps, found.colours)):
        frame = np.broadcast_to(colour, (6, own.shape[1], 3))
        cells += [np.concatenate([frame, lay_over(own, heat)]), pictures[number]]
        captions += [f"group {number}", "what it sees"]
    shown = [magnify(one, smooth=True, cell=SIDE) for one in cells]
    return contact_sheet(shown, captions=captions, columns=4, gap=4)
