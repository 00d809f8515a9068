"""Photographs by name: a file, or one of those that come with jaxvis."""

from pathlib import Path

import numpy as np

from jaxvis.cli.parsing import parse_size
from jaxvis.images import to_channels
from jaxvis.network import Network
from jaxvis.output.io import SAMPLES, read_image, read_sample_photo


def read_photograph(name: str, *, size: tuple[int, int] | None, channels: int = 3) -> np.ndarray:
    """Reads the photograph that a flag names, `[H, W, channels]` float32 in [0, 1].

    Args:
      name: a file, or the name of a photograph that comes with jaxvis (astronaut,
        chelsea, coffee, rocket).
      size: (H, W) in pixels to cover and crop to; None keeps the photograph's own.
      channels: of the images that the network takes: 3, or 1 for the luminance.

    Raises:
      OSError: as `jaxvis.output.io.read_image`.
      ValueError: as that, and for a network that takes neither RGB nor grey images.
    """
    if channels not in (1, 3):
        raise ValueError(
            f"{name} is a photograph, and this network takes images of {channels} channels: "
            f"call the method in Python, with an array [H, W, {channels}]"
        )
    if name in SAMPLES and not Path(name).exists():
        found = read_sample_photo(name, size=size)
    else:
        found = read_image(name, size=size)
    return np.asarray(to_channels(found, channels))


def choose_size(net: Network, text: str | None) -> tuple[int, int] | None:
    """Reads the size that a flag asks for, (H, W) in pixels; None is the photograph's own.

    Args:
      net: the network.
      text: 224, 224x320, own, or None for the network's native size.

    Raises:
      ValueError: for anything else.
    """
    if text == "own":
        return None
    return parse_size(text) if text else net.input_size


def read_for(net: Network, name: str, size: str | None) -> np.ndarray:
    """Reads a photograph as a network is shown it, `[H, W, channels]` float32 in [0, 1].

    Args:
      net: the network.
      name: see `read_photograph`.
      size: see `choose_size`.

    Raises:
      OSError, ValueError: as `read_photograph`, and for a size that is none.
    """
    return read_photograph(name, size=choose_size(net, size), channels=net.channels)
