"""A file of a style network -> the network itself: the file says how large it is."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jaxvis.nets.zoo.style_net import NAMES, styles_in, transform
from jaxvis.network import Network
from jaxvis.types import Params
from jaxvis.weights.file import opened, read, save, shape_of


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
      path: written by `jaxvis train style` or `weights_convert --net transform_same`.

    Raises:
      FileNotFoundError: if it does not exist.
      ValueError: if it is damaged, holds another network, or does not fit.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}")
    with opened(path) as file:
        facts, names = file.metadata() or {}, set(file.keys())
        if facts.get("net") not in NAMES:
            raise ValueError(
                f"{path} holds {facts.get('net', 'no converted network')}, which is no "
                f"style network ({', '.join(NAMES)}): train one with jaxvis train "
                "style, or convert a checkpoint with weights_convert"
            )
        wanted = {"conv1/kernel", "norm1/scale"}
        if not wanted <= names:
            raise ValueError(f"{path} lacks {', '.join(sorted(wanted - names))}")
        scale = shape_of(file, "norm1/scale")
        width = shape_of(file, "conv1/kernel")[-1]
    blocks = sum(re.fullmatch(r"res\d+_conv1/kernel", name) is not None for name in names)
    styles = scale[0] if len(scale) == 2 else 0
    net = transform(facts["net"], width=width, blocks=blocks, styles=styles)
    labels = tuple(json.loads(facts.get("labels") or "[]"))
    return StyleNet(net, read(path, net), labels)


def save_transform(
    path: str | os.PathLike,
    net: Network,
    params: Params,
    *,
    styles: Sequence[str] = (),
) -> None:
    """Writes a style network as a file that `load_transform` reads, whole or not.

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
