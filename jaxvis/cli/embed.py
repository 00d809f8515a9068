"""jaxvis embed: how the images of a folder lie, as a layer sees them."""

import colorsys
import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.analysis.clusters import Clusters, kmeans, outlier_scores
from jaxvis.analysis.codes import Codes, collect_codes
from jaxvis.analysis.embed import check_plane, place_codes
from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import Plane
from jaxvis.cli.flags import NETWORK, OUTPUT, NetworkFlags, OutputFlags, flatten_flags
from jaxvis.cli.folders import choose_layer, open_shown
from jaxvis.cli.opening import open_net
from jaxvis.cli.pages import draw_rows, magnify, write_pages
from jaxvis.cli.parsing import parse_size
from jaxvis.cli.saving import open_output
from jaxvis.output.arrays import to_display
from jaxvis.output.embedding import draw_embedding
from jaxvis.output.files import write_atomically
from jaxvis.output.folder import list_images
from jaxvis.output.resample import crop_to
from jaxvis.output.sheet import contact_sheet
from jaxvis.train.images import Images

TABLE = "points.csv"
"""The file of all images' points, clusters and outlier scores."""
CELL, FRAME = 48, 3
"""Pixels of a side of a picture at its point, and of the frame in its cluster's colour."""
SHOWN = 12
"""Images of a cluster on the page, and of outliers in a row."""
CLUSTERS = 8
"""Clusters, where there are as many images and nothing else is asked for."""


def embed(
    net: str,
    folder: Path,
    /,
    *,
    tap: str | None = None,
    plane: Plane = "pca",
    clusters: int | None = None,
    most: int = 1000,
    size: str | None = None,
    seed: int = 0,
    chunk: int | None = None,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Draws the images of a folder at their points in a plane, near ones near each other.

    Frames have the colours of clusters, of which a second page shows the images in the
    middle; a third one shows the images that are farthest from all others. points.csv holds
    the points, clusters and outlier scores of all images. For example:
    jaxvis embed googlenet PHOTOS --plane tsne --clusters 10

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      folder: images; what is none, or cannot be read, is skipped and listed.
      tap: the layer, such as pool5, or pixels; the one before the class scores if left out.
      plane: principal components, t-SNE or UMAP (pip install "jaxvis[analysis]").
      clusters: how many; 8, or as many as images, if left out.
      most: images on the first page, evenly chosen where there are more.
      size: the images are cropped to it, 224 or 224x320 (H x W); the network's own if left
        out.
      seed: of all randomness, from 0 to 4294967295.
      chunk: images that a device takes together; fitted to the machine if left out.

    Raises:
      OSError: if weights or a folder cannot be opened.
      ValueError: for a flag that does not fit the network or the folder, or a package that
        is missing.
    """
    arguments = flatten_flags(locals())
    check_plane(plane)
    opened = open_net(net, network)
    layer = choose_layer(opened.net, tap, pixels=True)
    pixels = parse_size(size) if size else None
    list_images(folder)
    to, inputs = open_output(output, "embed"), hash_inputs(folder)
    images = open_shown(opened.net, folder, pixels)
    if len(images) < 2:
        raise ValueError(f"{folder} has one image that can be used: a plane needs 2 at least")
    options: dict[str, Any] = {"chunk": chunk, "progress": True}
    codes = collect_codes(opened.net, opened.params, images, layer, **options)
    points = place_codes(codes, plane, key=seed)
    groups = kmeans(codes, min(CLUSTERS, len(codes)) if clusters is None else clusters, key=seed)
    strange = outlier_scores(codes)
    pages = {
        "embedding": _draw_plane(images, points, groups, most),
        "clusters": _draw_clusters(images, codes, groups),
        "outliers": _draw_outliers(images, strange),
    }
    write_atomically(to.folder / TABLE, _write_table(codes, points, groups, strange))
    facts: dict[str, Any] = {"command": "embed", "arguments": arguments, "inputs": inputs}
    facts |= {"skipped": dict(images.skipped), "images": len(images), "tap": layer}
    facts |= {"clusters": np.bincount(groups.labels, minlength=len(groups.centres))}
    about = {"embedding": {"plane": plane}}
    return write_pages(to, opened, pages, about=about, others=[TABLE], **facts)


def _choose_colours(count: int) -> np.ndarray:
    """Chooses colours of clusters, `[n, 3]`, as different in hue as can be."""
    hues = [colorsys.hsv_to_rgb(i / count, 1, 0.95 - 0.3 * (i % 2)) for i in range(count)]
    return np.array(hues, np.float32)


def _draw_plane(images: Images, points: np.ndarray, groups: Clusters, most: int) -> np.ndarray:
    """Draws the images at their points, in frames of their clusters' colours."""
    chosen = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).astype(int))
    colours, inside = _choose_colours(len(groups.centres)), CELL - 2 * FRAME
    pictures = []
    for number in chosen:
        cell = np.empty((CELL, CELL, 3), np.float32)
        cell[:] = colours[groups.labels[number]]
        cell[FRAME:-FRAME, FRAME:-FRAME] = crop_to(to_display(images[number]), inside)
        pictures.append(cell)
    return draw_embedding(points[chosen], pictures, cell=CELL)


def _draw_clusters(images: Images, codes: Codes, groups: Clusters) -> np.ndarray:
    """Draws a row for each cluster: its images, those nearest to its centre first."""
    far = np.linalg.norm(codes.values - groups.centres[groups.labels], axis=1)
    order = np.argsort(far, kind="stable")
    rows, notes = [], []
    for number in range(len(groups.centres)):
        own = order[groups.labels[order] == number]
        if len(own):
            rows.append([magnify(images[i], smooth=True) for i in own[:SHOWN]])
            notes.append(f"cluster {number}: {len(own)}")
    return draw_rows(rows, notes)


def _draw_outliers(images: Images, strange: np.ndarray) -> np.ndarray:
    """Draws the images that are farthest from all others, with their scores."""
    chosen = np.argsort(-strange, kind="stable")[: 2 * SHOWN]
    pictures = [magnify(images[i], smooth=True) for i in chosen]
    notes = [f"{Path(images.names[i]).stem} {strange[i]:.3g}" for i in chosen]
    return contact_sheet(pictures, captions=notes, columns=min(SHOWN, len(chosen)), gap=4)


def _write_table(codes: Codes, points: np.ndarray, groups: Clusters, strange: np.ndarray) -> bytes:
    """Writes the table of all images as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("image", "x", "y", "cluster", "outlier"))
    for name, (x, y), label, score in zip(codes.names, points, groups.labels, strange):
        table.writerow((name, f"{x:.6g}", f"{y:.6g}", int(label), f"{score:.6g}"))
    return text.getvalue().encode("utf-8", "backslashreplace")
