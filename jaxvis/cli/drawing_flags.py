"""Flags that say how pictures of directions are drawn."""

from dataclasses import dataclass

from jaxvis.cli.flags import Count


@dataclass(frozen=True)
class DrawingFlags:
    """How the picture of each direction is drawn."""

    steps: Count = None
    """Updates of each picture; 256 if left out."""
    side: Count = None
    """Pixels of a side of each picture; the network's own if left out."""
    seed: int = 0
    """Of all randomness, from 0 to 4294967295."""
    chunk: Count = None
    """Pictures that a device makes together; fitted to the memory if left out."""


DRAWING = DrawingFlags()
"""The defaults, for signatures of commands."""
