"""jaxvis patches: which parts of the images of a folder excite the channels of layers."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.analysis.patches import BEST, QUANTILES, FoundPatches, Histogram, Patches
from jaxvis.analysis.patches import patches as find_patches
from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    NetworkFlags,
    OutputFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.opening import open_net
from jaxvis.cli.pages import CELL, MOST, draw_rows, magnify, write_pages
from jaxvis.cli.parsing import parse_indices, parse_size, split_words
from jaxvis.cli.saving import open_output
from jaxvis.cli.skipping import describe_images
from jaxvis.escape import slug
from jaxvis.output.files import write_atomically
from jaxvis.output.folder import list_images
from jaxvis.weights.load import LoadedNetwork

ARRAYS = "patches.npz"
"""The file of all channels' values, images and boxes."""


def patches(
    net: str,
    folder: Path,
    /,
    *,
    tap: str,
    index: str | None = None,
    top: int = default_of(find_patches, "top"),
    several: bool = False,
    relevance: str | None = None,
    size: str | None = None,
    chunk: int | None = None,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Finds the patches of a folder's images that excite the channels of layers most.

    Each layer has a page with a row of patches for each channel, and a page of the channel's
    histogram with patches at its quantiles; with --relevance also a page of the patches that
    matter most to a class. patches.npz holds the numbers of all channels. For example:
    jaxvis patches googlenet PHOTOS --tap inception_4a/output,inception_5b/output

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      folder: images; what is none, or cannot be read, is skipped and listed.
      tap: the layers, such as relu1_1,relu3_1.
      index: the channels on the pages, such as 0:16, or : for all; the first 32 if left out.
      top: patches of each channel.
      several: whether an image may give several patches to a channel.
      relevance: the class, such as 130 or goldfish, or best for each image's best class.
      size: the images are cropped to it, 224 or 224x320 (H x W); the network's own if left
        out.
      chunk: images that a device takes together; fitted to the machine if left out.

    Raises:
      OSError: if weights or a folder cannot be opened.
      ValueError: for a flag that does not fit the network or the folder.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    taps = opened.net.check_taps(split_words(tap))
    channels = {one: _choose(opened, one, index) for one in taps}
    options: dict[str, Any] = {"top": top, "several": several, "chunk": chunk, "progress": True}
    options |= {"relevance": parse_class(opened, relevance)}
    options |= {"size": parse_size(size) if size else None}
    list_images(folder)
    to = open_output(output, "patches")
    found = find_patches(opened.net, opened.params, folder, taps, **options)
    pages: dict[str, np.ndarray] = {}
    for one in taps:
        pages |= _draw(found, one, channels[one])
        if found[one].placement.why:
            print(f"{one}: patches are whole images: {found[one].placement.why}")
    about = {
        f"{slug(one)}{end}": {"tap": one, "channels": channels[one]}
        for one in taps
        for end in ("", "_quantiles", "_relevance")
    }
    _write_arrays(to.folder / ARRAYS, found)
    skipped = dict(found.images.skipped)
    print(describe_images(len(found.images), skipped))
    facts: dict[str, Any] = {
        "command": "patches",
        "arguments": arguments,
        "inputs": hash_inputs(folder),
    }
    facts |= {"skipped": skipped, "images": len(found.images)}
    return write_pages(to, opened, pages, about=about, others=[ARRAYS], **facts)


def _choose(opened: LoadedNetwork, tap: str, index: str | None) -> list[int]:
    """Chooses the channels of a layer's pages."""
    count = opened.net.shape(opened.params, tap)[-1]
    if index is None:
        return list(range(min(count, MOST)))
    return list(parse_indices(index, count=count, what="channel"))


def parse_class(opened: LoadedNetwork, text: str | None) -> int | str | None:
    """Reads the class that --relevance names; None and best stay what they are.

    Args:
      opened: the network.
      text: the flag: a number, a name, or best.

    Raises:
      ValueError: for an unknown class, or several.
    """
    if text is None or text == BEST or opened.net.scores is None:
        return text
    count = opened.net.shape(opened.params, opened.net.scores)[-1]
    found = parse_indices(text, count=count, what="class", labels=opened.labels)
    if len(found) > 1:
        raise ValueError(f"--relevance {text} names {len(found)} classes: name one")
    return found[0]


def _draw(found: FoundPatches, tap: str, channels: list[int]) -> dict[str, np.ndarray]:
    """Draws the pages of a layer, by their names."""
    layer, name = found[tap], slug(tap)
    side = layer.placement.field or max(found.images.size)
    notes = [f"{number}" for number in channels]

    def cut(patches: Patches, number: int) -> list[np.ndarray]:
        return [magnify(one, side=side, smooth=True) for one in found.cut(patches, number)]

    pages = {name: draw_rows([cut(layer.top, number) for number in channels], notes)}
    samples = layer.histogram.sample(shares=QUANTILES)
    rows = [[draw_histogram(layer.histogram, n), *cut(samples, n)] for n in channels]
    pages[f"{name}_quantiles"] = draw_rows(rows, notes)
    if layer.relevant is not None:
        rows = [cut(layer.relevant, number) for number in channels]
        pages[f"{name}_relevance"] = draw_rows(rows, notes)
    return pages


def draw_histogram(histogram: Histogram, channel: int) -> np.ndarray:
    """Draws how many images a channel responded to how strongly, `[h, w, 3]`.

    The bins run from the least to the largest response that there was; each doubling of the
    response has the same width.

    Args:
      histogram: of a layer.
      channel: its number.
    """
    counts = histogram.counts[channel]
    there = np.flatnonzero(counts)
    page = np.full((CELL, CELL, 3), 0.93, np.float32)
    if not len(there):
        return page
    shown = counts[there[0] : there[-1] + 1]
    at = np.arange(CELL) * len(shown) // CELL
    heights = np.ceil(CELL * shown[at] / shown.max())
    page[(CELL - np.arange(CELL))[:, None] <= heights] = (0.2, 0.35, 0.6)
    return page


def _write_arrays(path: Path, found: FoundPatches) -> None:
    """Writes the numbers of all channels of all layers."""
    arrays: dict[str, np.ndarray] = {"names": np.array(found.images.names)}
    for tap in found:
        layer = found[tap]
        for kind, one in (("top", layer.top), ("relevant", layer.relevant)):
            if one is not None:
                arrays |= {f"{tap}:{kind}:{k}": getattr(one, k) for k in ("values", "images")}
                arrays[f"{tap}:{kind}:boxes"] = one.boxes
        arrays[f"{tap}:counts"], arrays["edges"] = layer.histogram.counts, layer.histogram.edges
    file = io.BytesIO()
    named: dict[str, Any] = {name.replace("/", "|"): one for name, one in arrays.items()}
    np.savez_compressed(file, **named)
    write_atomically(path, file.getvalue())
