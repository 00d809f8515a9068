"""jaxvis filters: the weights of a network's layers as pictures."""

from typing import Literal

import numpy as np

from jaxvis.analysis.filters import Filters
from jaxvis.analysis.filters import filters as read_filters
from jaxvis.cli.flags import NETWORK, OUTPUT, NetworkFlags, OutputFlags, flatten_flags
from jaxvis.cli.opening import open_net
from jaxvis.cli.pages import MOST, draw_rows, magnify, write_pages
from jaxvis.cli.parsing import parse_indices, parse_words
from jaxvis.cli.saving import open_output
from jaxvis.escape import slug
from jaxvis.output.sheet import contact_sheet


def filters(
    net: str,
    /,
    *,
    tap: str | None = None,
    first: str | None = None,
    combined: bool = False,
    index: str | None = None,
    scale: Literal["each", "common"] = "each",
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Shows the filters of layers: in colours, in grey slices, or combined with earlier ones.

    The filters of the first layer are pictures of the colours that they add up. Those of
    later layers have a grey slice for each channel that they read. Mid-grey is a weight of 0.
    For example: jaxvis filters alexnet --tap features.0 --out filters.png

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      tap: the layers, such as conv1,conv2 (see jaxvis layers NET); the first if left out.
      first: show the combined filters of the layers from this one to --tap.
      combined: show the combined filters of all layers up to --tap, as pictures.
      index: the filters, such as 0:16, or : for all of them; the first 32 of slices, and
        all pictures, if left out.
      scale: each filter has its own scale, or all have one in common.

    Raises:
      OSError: if weights or the folder cannot be opened.
      ValueError: for a layer without filters, or a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    model, taps = opened.net, parse_words(tap) or (None,)
    if first is not None and (combined or len(taps) > 1 or tap is None):
        raise ValueError("--first goes with one --tap, and without --combined")
    found = []
    for one in taps:
        last = one if first is None else (first, str(one))
        numbers = None
        if index is not None and one is not None:
            count = model.shape(opened.params, model.check_taps(one)[0])[-1]
            numbers = parse_indices(index, count=count, what="filter")
        elif index is not None:
            numbers = parse_indices(index, count=10**6, what="filter")
        found.append(read_filters(model, opened.params, tap=last, combined=combined, index=numbers))
    to = open_output(output, "filters", count=len(found))
    pages = {slug(one.tap): _draw(one, scale == "common", index) for one in found}
    about = {slug(one.tap): {"tap": one.tap, "shape": one.kernels.shape} for one in found}
    return write_pages(
        to, opened, pages, about=about, command="filters", arguments=arguments, scale=scale
    )


def _draw(found: Filters, common: bool, index: str | None) -> np.ndarray:
    """Draws a page of filters: one picture each, or a row of slices each."""
    if found.colours and found.kernels.shape[-1] in (1, 3):
        pictures = [magnify(one) for one in found.scale(common=common)]
        return contact_sheet(pictures, captions=[str(number) for number in found.numbers], gap=4)
    # Of a layer of hundreds of channels a page shows those that can be told apart.
    slices = found.slice(common=common)[: MOST if index is None else None, :MOST]
    rows = [[magnify(one) for one in row] for row in slices]
    return draw_rows(rows, [str(number) for number in found.numbers])
