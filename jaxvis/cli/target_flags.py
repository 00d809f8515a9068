"""Flags that say what in a network is explained."""

from dataclasses import dataclass

from jaxvis.cli.flags import Text


@dataclass(frozen=True)
class TargetFlags:
    """Which classes, channels or neurons are explained, in which picture."""

    index: Text = None
    """Classes by name or number, such as tabby,285 or 0:10; with --tap the channels. The
    best classes if left out."""
    top: int = 1
    """How many of the best classes, if --index is left out."""
    tap: Text = None
    """A layer, to explain its channels instead of classes (see jaxvis layers NET)."""
    position: Text = None
    """One neuron of a channel: centre, or ROW,COLUMN; the channel's mean if left out."""
    size: Text = None
    """The image is cropped to it, 224 or 224x320 (H x W), or own for the whole image; the
    network's own if left out."""


TARGET = TargetFlags()
"""The defaults, for signatures of commands."""
