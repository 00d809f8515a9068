"""A file of a style network -> the network itself: the file says how large it is."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jaxvis.escape import escape
from jaxvis.nets.zoo.style_net import NAMES, build_style_net, styles_in
from jaxvis.network import Network
from jaxvis.types import Params
from jaxvis.weights.file import read_file, save
from jaxvis.weights.tensor_file import TensorFile, open_tensors

MOST_BLOCKS, MOST_CHANNELS = 100, 4096
"""Bounds that no style network reaches; only a damaged file claims more."""


class StyleNet(NamedTuple):
    """A style network, its parameters and what its styles are called.

    Attributes:
      net: the network.
      params: float32; norms are `[styles, c]` where it knows several.
      styles: a name for each; () for a network of one style without a name.
    """

    net: Network
    params: Params
    styles: tuple[str, ...]


def load_transform(path: str | os.PathLike) -> StyleNet:
    """Returns the style network in a converted or trained file.

    Width, residual blocks and styles are read from the shapes in the file.

    Args:
      path: written by `jaxvis train style` or `jaxvis convert --net transform_same`.

    Raises:
      FileNotFoundError: if it does not exist.
      ValueError: if it is damaged, holds another network, or does not fit.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}")
    with open_tensors(path) as file:
        net = _build_net(path, file)
    found = read_file(path, net, with_sha256=False)
    return StyleNet(net, found.params, found.labels)


def _build_net(path: str | os.PathLike, file: TensorFile) -> Network:
    """Returns the network that the names and shapes in a file belong to."""
    name, tensors = file.metadata.get("net"), set(file.names)
    if name not in NAMES:
        held = "no converted network" if name is None else escape(name)
        raise ValueError(
            f"{path} holds {held}, which is no style network ({', '.join(NAMES)}): train one "
            "with jaxvis train style, or convert a checkpoint with jaxvis convert"
        )
    wanted = {"conv1/kernel", "norm1/scale"}
    if not wanted <= tensors:
        raise ValueError(f"{path} lacks {', '.join(sorted(wanted - tensors))}")
    scale, kernel = file.shape_of("norm1/scale"), file.shape_of("conv1/kernel")
    if len(kernel) != 4 or len(scale) not in (1, 2):
        raise ValueError(f"{path} is damaged: its first layer has no kernel and scale")
    blocks = sum(re.fullmatch(r"res\d+_conv1/kernel", each) is not None for each in tensors)
    if not 1 <= blocks <= MOST_BLOCKS or not 1 <= kernel[-1] <= MOST_CHANNELS:
        raise ValueError(
            f"{path} is damaged: {blocks} residual blocks and {kernel[-1]} channels are no "
            "style network"
        )
    styles = scale[0] if len(scale) == 2 else 0
    return build_style_net(name, width=kernel[-1], blocks=blocks, styles=styles)


def save_transform(
    path: str | os.PathLike,
    net: Network,
    params: Params,
    *,
    styles: Sequence[str] = (),
) -> None:
    """Writes a style network as a file that `load_transform` reads, whole or not at all.

    Args:
      path: the file.
      net, params: the network.
      styles: a name for each style.

    Raises:
      OSError: if it cannot be written.
      ValueError: if the parameters do not fit the network, or the names its styles.
    """
    if styles and len(styles) != (styles_in(params) or 1):
        raise ValueError(f"{len(styles)} names for {styles_in(params) or 1} styles")
    save(path, net, params, facts={"labels": json.dumps(list(styles))})
