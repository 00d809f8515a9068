"""jaxvis activations: what the channels of layers make of a photograph."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.analysis.activations import ActivationMaps, compute_maps
from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.flags import NETWORK, OUTPUT, NetworkFlags, OutputFlags, flatten_flags
from jaxvis.cli.opening import open_net
from jaxvis.cli.pages import CELL, magnify, write_pages
from jaxvis.cli.parsing import parse_indices, split_words
from jaxvis.cli.photographs import read_for
from jaxvis.cli.saving import open_output
from jaxvis.escape import slug
from jaxvis.output.sheet import contact_sheet

LIT = 2 * CELL
"""Pixels of the longer side of a lit photograph."""


def activations(
    net: str,
    image: str,
    /,
    *,
    tap: str,
    index: str | None = None,
    most: int = 64,
    lit: int = 12,
    size: str | None = None,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Shows the activation maps of layers for a photograph, and where in it they respond.

    Each layer has a page of maps, every map scaled from its least to its largest value, and
    a page of the photograph lit where its strongest channels respond. For example:
    jaxvis activations googlenet photo.jpg --tap conv2/3x3,inception_4a/output

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket.
      tap: the layers, such as relu1_1,relu3_1.
      index: the channels, such as 0:16; the strongest if left out.
      most: channels on a page, if --index is left out.
      lit: lit photographs on a page; 0 leaves the page out.
      size: the image is cropped to it, 224 or 224x320 (H x W), or own for the whole image;
        the network's own if left out.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network, or a layer without maps.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    taps = opened.net.check_taps(split_words(tap))
    if lit < 0:
        raise ValueError(f"--lit is at least 0, not {lit}")
    photo = read_for(opened.net, image, size)
    found = compute_maps(opened.net, opened.params, photo, taps)
    chosen = [_choose(one, index, most) for one in found]
    to = open_output(output, "activations", count=len(taps) * (1 + (lit > 0)))
    pages: dict[str, np.ndarray] = {}
    about: dict[str, dict[str, Any]] = {}
    for one, channels in zip(found, chosen):
        name = slug(one.tap)
        about |= {page: {"tap": one.tap, "channels": channels} for page in (name, f"{name}_lit")}
        pages[name] = _draw(one, channels, (Path(image).stem, photo))
        if lit:
            shown = channels[:lit]
            pictures = [magnify(one.light(number), side=_shrink(photo)) for number in shown]
            pages[f"{name}_lit"] = contact_sheet(pictures, captions=list(map(str, shown)))
    facts: dict[str, Any] = {
        "command": "activations",
        "arguments": arguments,
        "inputs": hash_inputs(image),
    }
    return write_pages(to, opened, pages, about=about, **facts)


def _shrink(photo: np.ndarray) -> int:
    """Returns the side that stands for a cell, so that the photograph is `LIT` pixels long."""
    return max(1, round(max(photo.shape[:2]) * CELL / LIT))


def _choose(found: ActivationMaps, index: str | None, most: int) -> list[int]:
    """Chooses the channels of a page."""
    if index is None:
        return [int(number) for number in found.rank()[:most]]
    return list(parse_indices(index, count=found.values.shape[-1], what="channel"))


def _draw(found: ActivationMaps, channels: list[int], first: tuple[str, np.ndarray]) -> np.ndarray:
    """Draws a page of maps, the photograph first."""
    maps = found.scale()
    pictures = [magnify(first[1]), *(magnify(maps[number]) for number in channels)]
    return contact_sheet(pictures, captions=[first[0], *map(str, channels)], gap=4)
