"""What the commands of styles, textures and feature maps share."""

from dataclasses import dataclass
from typing import Any, Literal

from jaxvis.cli.flags import Factor, Text
from jaxvis.cli.parsing import parse_words


@dataclass(frozen=True)
class PoolFlags:
    """How the network pools."""

    pool: Literal["avg", "max"] = "avg"
    """For the VGG networks; avg as in the papers."""


@dataclass(frozen=True)
class BalanceFlags:
    """Which layers are matched, and how much content and style count."""

    content_tap: Text = None
    """The content's layers, such as relu4_2; the published ones if left out."""
    style_tap: Text = None
    """The styles' layers, such as relu1_1,relu2_1; the published ones if left out."""
    alpha: Factor = None
    """Factor of the content; the published one if left out."""
    beta: Factor = None
    """Factor of the style; the published one if left out."""
    gamma: Factor = None
    """Factor of total variation; the published one if left out."""

    def changes(self) -> dict[str, Any]:
        """Gives the fields of a `StyleRecipe` that the flags change; None keeps its own."""
        return {
            "content_taps": parse_words(self.content_tap),
            "style_taps": parse_words(self.style_tap),
            "alpha": self.alpha,
            "beta": self.beta,
            "gamma": self.gamma,
        }


POOL, BALANCE = PoolFlags(), BalanceFlags()
"""The defaults, for signatures of commands."""
