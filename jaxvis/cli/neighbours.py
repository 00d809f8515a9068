"""jaxvis neighbours: the images of a folder that are nearest to a photograph."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.analysis.codes import PIXELS
from jaxvis.analysis.index import Index, hash_weights, index_folder, read_index
from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import Metric
from jaxvis.cli.flags import NETWORK, OUTPUT, NetworkFlags, OutputFlags, flatten_flags
from jaxvis.cli.folders import choose_layer
from jaxvis.cli.opening import open_net
from jaxvis.cli.pages import write_pages
from jaxvis.cli.parsing import parse_size
from jaxvis.cli.photographs import read_photograph
from jaxvis.cli.saving import open_output
from jaxvis.cli.skipping import describe_images
from jaxvis.output.arrays import to_display
from jaxvis.output.resample import crop_to
from jaxvis.output.sheet import contact_sheet
from jaxvis.train.images import list_files, read_at_size
from jaxvis.weights.load import LoadedNetwork

SIDE = 112
"""Pixels of the longer side of a picture on the page."""


def neighbours(
    net: str,
    folder: Path,
    images: tuple[str, ...],
    /,
    *,
    tap: str | None = None,
    top: int = 8,
    metric: Metric = "l2",
    pixels: int = 32,
    index: Path | None = None,
    size: str | None = None,
    chunk: int | None = None,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Finds the images of a folder that are nearest to photographs, at a layer and in pixels.

    The page has two rows for each photograph: its neighbours at the layer, and in pixels.
    Files with the photograph's own content are left out. With --index the codes of the
    folder are kept in a file, and only new images are computed again. For example:
    jaxvis neighbours googlenet PHOTOS cat.jpg --index photos.npz

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      folder: images; what is none, or cannot be read, is skipped and listed.
      images: files, or astronaut, chelsea, coffee or rocket.
      tap: the layer, such as pool5; the one before the class scores, or that of the index,
        if left out.
      top: neighbours of each photograph.
      metric: the distance, or 1 minus the cosine of the angle.
      pixels: of the longer side, to which images are shrunk to be compared pixel by pixel.
      index: a file .npz that keeps the codes of the folder; it is made where it is missing.
        Pixels are kept beside it, in NAME_pixels.npz.
      size: the images are cropped to it, 224 or 224x320 (H x W); the network's own, or that
        of the index, if left out.
      chunk: images that a device takes together; fitted to the machine if left out.

    Raises:
      OSError: if a file, weights or a folder cannot be opened.
      ValueError: for a flag that does not fit the network, the folder or the index.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    if not images:
        raise ValueError("name at least one photograph: jaxvis neighbours NET FOLDER photo.jpg")
    shown = parse_size(size) if size else None
    kept = _read_kept(opened, index, tap, shown)
    if kept is not None:
        layer, shown = kept.codes.tap, kept.codes.size
    else:
        layer, shown = choose_layer(opened.net, tap, pixels=True), shown or opened.net.input_size
    small = _scale(shown, min(pixels, max(shown)))
    sizes = {layer: shown, PIXELS: small}
    if layer == PIXELS:
        sizes = {PIXELS: small if kept is None else shown}
    photos = {
        at: [read_photograph(name, size=at, channels=opened.net.channels) for name in images]
        for at in {*sizes.values(), shown}
    }
    queries = {space: photos[at] for space, at in sizes.items()}
    files = list_files(folder)
    to, inputs = open_output(output, "neighbours", count=1), hash_inputs(folder, *images)
    indices = _open_indices(opened, folder, sizes, index, kept, chunk)
    found = _search(opened, indices, queries, files, [inputs[one] for one in images], top, metric)
    page = _draw(images, photos[shown], found, files, shown)
    facts: dict[str, Any] = {"command": "neighbours", "arguments": arguments, "inputs": inputs}
    facts |= {"skipped": dict(indices[layer].skipped), "images": len(indices[layer])}
    about = {"neighbours": {"tap": layer, "metric": metric, "found": found}}
    return write_pages(to, opened, {"neighbours": page}, about=about, **facts)


def _read_kept(
    opened: LoadedNetwork, path: Path | None, tap: str | None, size: tuple[int, int] | None
) -> Index | None:
    """Reads the index that is kept, and checks that the flags fit it; None where none is."""
    if path is None:
        return None
    if path.suffix != ".npz":
        raise ValueError(f"an index is a file .npz, not {path}")
    if not path.exists():
        return None
    kept = read_index(path)
    codes = kept.codes
    own = (opened.net.name, hash_weights(opened.params, codes.tap))
    if own != (kept.net, kept.weights):
        raise ValueError(f"{path} is an index of {kept.net} with other weights: name another")
    if tap not in (None, codes.tap) or size not in (None, codes.size):
        made = f"{codes.tap} at {codes.size[0]}x{codes.size[1]} pixels"
        raise ValueError(
            f"{path} is an index of {made}: leave --tap and --size out, or name another"
        )
    return kept


def _scale(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Returns (H, W) with sides in the same proportion, the longer one `longest`."""
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _open_indices(
    opened: LoadedNetwork,
    folder: Path,
    sizes: dict[str, tuple[int, int]],
    path: Path | None,
    kept: Index | None,
    chunk: int | None,
) -> dict[str, Index]:
    """Makes or extends the index of each space, and keeps it where that is asked for."""
    net, params = opened.net, opened.params
    options: dict[str, Any] = {"chunk": chunk, "progress": True}
    found: dict[str, Index] = {}
    for number, (space, size) in enumerate(sizes.items()):
        own, file = (kept, path) if number == 0 else (None, None)
        if number and path is not None:
            file = path.with_name(f"{path.stem}_pixels.npz")
            own = read_index(file) if file.exists() else None
        if own is not None and (own.codes.tap, own.codes.size) == (space, size):
            found[space] = own.extend(net, params, folder, **options)
        else:
            found[space] = index_folder(net, params, folder, space, size=size, **options)
        if number == 0:
            print(describe_images(len(found[space]), found[space].skipped))
        if file is not None and (own is None or found[space].codes is not own.codes):
            found[space].save(file)
    return found


def _search(
    opened: LoadedNetwork,
    indices: dict[str, Index],
    queries: dict[str, list[np.ndarray]],
    files: Collection[str],
    sums: Sequence[Any],
    top: int,
    metric: Metric,
) -> list[dict[str, Any]]:
    """Finds the neighbours of every photograph in every space."""
    there = set(files).intersection(*(one.codes.names for one in indices.values()))
    own = {space: _restrict(index, there) for space, index in indices.items()}
    found = []
    for number, wanted in enumerate(sums):
        for space, index in own.items():
            same = sum(one == wanted for one in index.sums)
            most = min(top + same, len(index))
            one = index.query(
                opened.net, opened.params, [queries[space][number]], most, metric=metric
            )
            near = [
                (name, float(distance))
                for name, place, distance in zip(one.names[0], one.numbers[0], one.distance[0])
                if index.sums[place] != wanted
            ][:top]
            names, distances = zip(*near) if near else ((), ())
            found.append({"image": number, "tap": space, "names": names, "distances": distances})
    return found


def _restrict(index: Index, names: Collection[str]) -> Index:
    """Returns an index of those images that every space has, and that are still there."""
    kept = [place for place, name in enumerate(index.codes.names) if name in names]
    if len(kept) == len(index):
        return index
    if not kept:
        raise ValueError("none of the images of the index is in the folder: name another --index")
    codes = replace(
        index.codes,
        values=index.codes.values[kept],
        names=tuple(index.codes.names[place] for place in kept),
    )
    return Index(codes, tuple(index.sums[place] for place in kept), index.net, index.weights)


def _draw(
    images: Sequence[str],
    photos: Sequence[np.ndarray],
    found: Sequence[dict[str, Any]],
    files: dict[str, Path],
    size: tuple[int, int],
) -> np.ndarray:
    """Draws the page: in each row a photograph, and its neighbours with their distances."""
    side, columns = _scale(size, SIDE), 1 + max(len(row["names"]) for row in found)
    cells, captions = [], []
    for row in found:
        number = row["image"]
        pictures = [photos[number], *(read_at_size(files[one], size) for one in row["names"])]
        cells += [crop_to(to_display(one), side) for one in pictures]
        captions += [f"{Path(images[number]).stem}: {row['tap']}"]
        captions += [f"{Path(n).stem} {d:.3g}" for n, d in zip(row["names"], row["distances"])]
        missing = columns - len(pictures)
        cells += [np.ones((*side, 3), np.float32)] * missing
        captions += [""] * missing
    return contact_sheet(cells, captions=captions, columns=columns, gap=4)
