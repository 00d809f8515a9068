"""Photographs by name: a file, or one of those that come with jaxvis."""

from pathlib import Path

import numpy as np

from jaxvis.cli.parsing import parse_size
from jaxvis.network import Network
from jaxvis.output.io import SAMPLES, read_image, read_sample_photo


def read_photograph(name: str, *, size: tuple[int, int] | None) -> np.ndarray:
    """Reads the photograph that a flag names, `[H, W, 3]` float32 in [0, 1].

    Args:
      name: a file, or the name of a photograph that comes with jaxvis (astronaut,
        chelsea, coffee, rocket).
      size: (H, W) in pixels to cover and crop to; None keeps the photograph's own.

    Raises:
      OSError, ValueError: as `jaxvis.output.io.read_image`.
    """
    if name in SAMPLES and not Path(name).exists():
        return read_sample_photo(name, size=size)
    return read_image(name, size=size)


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
