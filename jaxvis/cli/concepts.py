"""jaxvis concepts: directions of a layer that stand for something in a folder's images."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.analysis.codes import collect_codes
from jaxvis.analysis.concepts import Concepts, find_concepts, read_bank
from jaxvis.analysis.importance import concept_importance
from jaxvis.analysis.patches import BEST
from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import ConceptWay
from jaxvis.cli.concept_page import Study
from jaxvis.cli.directions import draw_directions
from jaxvis.cli.drawing_flags import DRAWING, DrawingFlags
from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    NetworkFlags,
    OutputFlags,
    Text,
    default_of,
    flatten_flags,
)
from jaxvis.cli.folders import choose_layer, open_shown
from jaxvis.cli.opening import open_net
from jaxvis.cli.pages import write_pages
from jaxvis.cli.parsing import parse_indices, parse_size
from jaxvis.cli.patches import parse_class
from jaxvis.cli.saving import open_output
from jaxvis.images import to_channels
from jaxvis.output.folder import list_images
from jaxvis.train.images import Images
from jaxvis.weights.load import LoadedNetwork

ARRAYS = "concepts.npz"
"""The file of directions, importance and patches."""
WAY = default_of(find_concepts, "way")
JUDGED = 8
"""Photographs over which importance is averaged."""


def concepts(
    net: str,
    folder: Path,
    /,
    *,
    tap: str | None = None,
    way: ConceptWay = WAY,
    bank: Text = None,
    count: int = default_of(find_concepts, "count"),
    index: Text = None,
    crops: int | None = None,
    top: int = 6,
    relevance: str = "best",
    size: str | None = None,
    draw: bool = False,
    drawing: DrawingFlags = DRAWING,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Finds concepts of a layer in a folder's images: directions that stand for something.

    Each has a row: patches that lie furthest along it, and where it is in photographs; with
    --draw, before these, what the network would like to see of it. The most important for a
    class come first. For example:
    jaxvis concepts googlenet PHOTOS --tap inception_4d/output --crops 3 --relevance goldfish

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      folder: images; what is none, or cannot be read, is skipped and listed.
      tap: the layer; the one before the class scores if left out.
      way: parts that add up (nmf), or principal components (pca).
      bank: instead, a file .npz of directions [n, channels], or FILE:ARRAY, such as the
        decoder of a sparse autoencoder.
      count: how many concepts, without --bank.
      index: which directions of --bank, such as 0:10; the first of --count if left out.
      crops: concepts are found in crops, so many of an image a side, as CRAFT does, and shown
        by them; single positions if left out.
      top: patches of each concept.
      relevance: the class that concepts are important for, such as 130 or goldfish; best for
        each image's best class; none leaves importance out.
      size: the images are cropped to it, 224 or 224x320 (H x W); the network's own if left
        out.
      draw: draw a picture of each, too.

    Raises:
      OSError: if weights, the bank or a folder cannot be opened.
      ValueError: for a flag that does not fit the network or the folder.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    layer = choose_layer(opened.net, tap)
    bank_file = None if bank is None else _split_bank(bank)
    if index is not None and bank_file is None:
        raise ValueError("--index chooses directions of a --bank: pass it too, or --count")
    known: Concepts | None = None
    numbers = tuple(range(count))
    if bank_file is not None:
        known, numbers = _open_bank(opened, layer, bank_file, index, count)
    target = None if relevance == "none" else parse_class(opened, relevance)
    pixels = parse_size(size) if size else None
    list_images(folder)
    to, inputs = open_output(output, "concepts"), hash_inputs(folder, bank_file and bank_file[0])
    images = open_shown(opened.net, folder, pixels)
    options: dict[str, Any] = {"count": count, "way": way, "crops": crops, "key": drawing.seed}
    found = known or find_concepts(opened.net, opened.params, images, layer, **options)
    importance, judged = _measure(opened, found, images, target, drawing.seed)
    run = draw_directions(opened, found, drawing) if draw else None
    shown = found.find_patches(opened.net, opened.params, images, top=top, crops=crops)
    study = Study(opened, images, found, numbers, *shown, importance, run)
    page = study.draw()
    study.write_arrays(to.folder / ARRAYS)
    facts: dict[str, Any] = {"command": "concepts", "arguments": arguments, "inputs": inputs}
    facts |= {"skipped": dict(images.skipped), "images": len(images), "run": run}
    about = {"tap": layer, "numbers": numbers, "importance": importance, "judged": judged}
    return write_pages(
        to, opened, {"concepts": page}, about={"concepts": about}, others=[ARRAYS], **facts
    )


def _split_bank(text: str) -> tuple[str, str | None]:
    """Splits FILE:ARRAY; a file whose own name has a colon in it is found as it is."""
    file, found, array = text.rpartition(":")
    return (text, None) if not found or Path(text).exists() else (file, array)


def _open_bank(
    opened: LoadedNetwork,
    tap: str,
    file: tuple[str, str | None],
    index: str | None,
    count: int,
) -> tuple[Concepts, tuple[int, ...]]:
    """Opens a bank of directions; returns those that are shown, and their numbers."""
    bank = read_bank(file[0], opened.net, opened.params, tap, name=file[1])
    numbers: tuple[int, ...] = tuple(range(min(count, len(bank))))
    if index is not None:
        numbers = parse_indices(index, count=len(bank), what="direction")
    return Concepts(tap, bank.directions[list(numbers)], bank.way), numbers


def _measure(
    opened: LoadedNetwork, found: Concepts, images: Images, target: Any, seed: int
) -> tuple[np.ndarray | None, list[str]]:
    """Measures importance over some photographs; returns it, `[n]`, and their names.

    For a class they are those of its largest scores, and else some of all.
    """
    net, params = opened.net, opened.params
    if target is None or net.scores is None:
        return None, []
    count = min(JUDGED, len(images))
    if target == BEST:
        chosen = np.linspace(0, len(images) - 1, count).astype(int)
    else:
        scores = collect_codes(net, params, images, net.scores, progress=True).values[:, target]
        chosen = np.argsort(-scores, kind="stable")[:count]
    photos = [to_channels(images[int(i)] / 255, net.channels) for i in chosen]
    index = None if target == BEST else target
    each = concept_importance(net, params, photos, found, index=index, key=seed)
    return each.mean(axis=0), [images.names[i] for i in chosen]
