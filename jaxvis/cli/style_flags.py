"""What the commands of styles, textures and feature maps share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jaxvis.cli.flags import NetworkFlags
from jaxvis.cli.opening import open_net
from jaxvis.cli.parsing import parse_words
from jaxvis.cli.saving import run_or_interrupt
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork


@dataclass(frozen=True)
class PoolFlags:
    """How the network pools."""

    pool: Literal["avg", "max"] = "avg"
    """For the VGG networks; avg as in the papers."""


@dataclass(frozen=True)
class BalanceFlags:
    """Which layers are matched, and how much content and style count."""

    content_tap: str | None = None
    """The content's layers, such as relu4_2; the published ones if left out."""
    style_tap: str | None = None
    """The styles' layers, such as relu1_1,relu2_1; the published ones if left out."""
    alpha: float | None = None
    """Factor of the content; the published one if left out."""
    beta: float | None = None
    """Factor of the style; the published one if left out."""
    gamma: float | None = None
    """Factor of total variation; the published one if left out."""

    def changes(self) -> dict[str, Any]:
        """Gives the fields of a `Preset` that the flags change; None keeps the preset's."""
        return {
            "content_taps": parse_words(self.content_tap),
            "style_taps": parse_words(self.style_tap),
            "alpha": self.alpha,
            "beta": self.beta,
            "gamma": self.gamma,
        }


POOL, BALANCE = PoolFlags(), BalanceFlags()
"""The defaults, for signatures of commands."""


def open_pooled(name: str, network: NetworkFlags, pool: PoolFlags) -> LoadedNetwork:
    """Opens a network, with the pooling asked for where it has a choice.

    Args:
      name: a name of `jaxvis.nets.registry`.
      network: its weights and precision.
      pool: how it pools.

    Raises:
      OSError, ValueError: as `jaxvis.cli.opening.open_net`.
    """
    return open_net(name, network, pool=pool.pool if name.startswith("vgg") else None)


def run_each(methods: Sequence[Callable[[], Run]]) -> tuple[list[Run], bool]:
    """Runs methods one after another; gives their Runs, and whether Ctrl-C came.

    Args:
      methods: without arguments.

    Raises:
      KeyboardInterrupt: where Ctrl-C left nothing to keep.
    """
    runs: list[Run] = []
    for method in methods:
        try:
            run, interrupted = run_or_interrupt(method)
        except KeyboardInterrupt:
            if not runs:
                raise
            return runs, True
        runs.append(run)
        if interrupted:
            return runs, True
    return runs, False
