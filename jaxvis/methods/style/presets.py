"""The published settings of styles and textures, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, TypeVar

from jaxvis.loss.matching.transfer import Preset, adjust_preset
from jaxvis.network import Network

Kind = TypeVar("Kind")

BLOCKS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""The first rectified layer of every block of a VGG network."""

PRESETS = {
    "gatys": Preset(("relu4_2",), BLOCKS, beta=1e3),
    "ranvgg": Preset(
        ("relu2_2",),
        BLOCKS,
        alpha=100.0,
        gamma=1000.0,
        content_weights="balanced",
        style_weights="balanced",
        noise=1.0,
    ),
    "ranvgg_strong": Preset(
        ("relu2_2",),
        BLOCKS,
        beta=10.0,
        gamma=1.0,
        content_weights="balanced",
        style_weights="balanced",
        noise=1.0,
    ),
    "pmci": Preset(
        ("relu2_2",),
        BLOCKS,
        alpha=10.0,
        statistic="energy",
        content_weights="positions",
        style_weights="equal",
        noise=1.0,
        optimizer="clipped",
        denoise=0.2,
    ),
}
"""Preset name -> balance of content and style, from Gatys' code, He et al. (Eq. 9) and Xia
et al. (Eq. 5).

"ranvgg" has the printed 100 : 1 : 1000. With layers balanced as
`jaxvis.loss.matching.balance` reads the paper, content and smoothness outweigh the style,
and hardly any style is left; "ranvgg_strong" weighs the style enough to show it.
"""

BOUNDS = ("source", "unit", "none")
"""What the values of a texture keep to: the source's range, [0, 1], or nothing."""


@dataclass(frozen=True)
class TexturePreset:
    """The settings of a texture: what is matched, and how it is optimised.

    Args:
      taps: the names of the taps whose Gram matrices are matched.
      weights: one of `jaxvis.loss.matching.terms.STATISTIC_WEIGHTS`, or tap -> weight.
      optimizer: "lbfgs" or "adam", or a rule of `jaxvis.optimize.rules`, or an optax
        transformation.
      steps: how many updates; of "lbfgs", evaluations of the loss and its gradient.
      bounds: one of `BOUNDS`: "source" keeps every channel within the source's least and
        greatest value, "unit" within [0, 1], "none" leaves it free.
    """

    taps: tuple[str, ...]
    weights: str | Mapping[str, float]
    optimizer: Any = "lbfgs"
    steps: int = 500
    bounds: str = "source"


TEXTURE_PRESETS = {
    "gatys": TexturePreset(("relu1_1", "pool1", "pool2", "pool3", "pool4"), "relative"),
    "ranvgg": TexturePreset(BLOCKS[:4], "balanced"),
}
"""Preset name -> settings of a texture, for VGG-19 and ranVGG."""


def choose_preset(net: Network, preset: str | Preset, **changes: Any) -> Preset:
    """Returns a preset of style transfer by its name, with some of its fields replaced.

    Args:
      net: the network, which must have the taps.
      preset: a key of `PRESETS`, or a `Preset` of one's own.
      **changes: fields of `Preset`; None keeps the preset's own.

    Raises:
      ValueError: for an unknown name, a factor that is not finite, and as
        `jaxvis.loss.matching.transfer.adjust_preset`.
    """
    chosen = adjust_preset(net, _look_up(preset, PRESETS, Preset), **changes)
    for name in ("alpha", "beta", "gamma", "denoise"):
        value = getattr(chosen, name)
        if not isfinite(value):
            raise ValueError(f"{name} must be a finite number, not {value}")
    return chosen


def choose_texture_preset(
    net: Network, preset: str | TexturePreset, **changes: Any
) -> TexturePreset:
    """Returns the preset of a texture by its name, with some of its fields replaced.

    Args:
      net: the network, which must have the taps.
      preset: a key of `TEXTURE_PRESETS`, or a `TexturePreset` of one's own.
      **changes: fields of `TexturePreset`; None keeps the preset's own.

    Raises:
      ValueError: for an unknown name, tap or bound, or without a tap.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    chosen = replace(_look_up(preset, TEXTURE_PRESETS, TexturePreset), **given)
    if not chosen.taps:
        raise ValueError("a texture needs at least one tap: name one")
    if chosen.bounds not in BOUNDS:
        raise ValueError(f"bounds must be one of {', '.join(BOUNDS)}, not {chosen.bounds!r}")
    return replace(chosen, taps=net.check_taps(chosen.taps))


def _look_up(preset: str | Kind, presets: Mapping[str, Kind], kind: type[Kind]) -> Kind:
    """Returns the preset of a name; one that is a preset already is returned as it is."""
    if isinstance(preset, kind):
        return preset
    if not isinstance(preset, str) or preset not in presets:
        raise ValueError(
            f"preset must be one of {', '.join(presets)}, or a {kind.__name__}; not {preset!r}"
        )
    return presets[preset]


def list_block_taps(count: int) -> tuple[str, ...]:
    """Lists the taps relu1_1 ... reluk_1 of the first k blocks of a VGG network.

    Args:
      count: k, 1 to 5.

    Raises:
      ValueError: for another k.

    Source: He, Wang & Hopcroft (2016), Fig. 8; Gatys et al. (2015), Fig. 2.
    """
    if not 1 <= count <= len(BLOCKS):
        raise ValueError(f"VGG has blocks 1 to {len(BLOCKS)}, not {count}")
    return BLOCKS[:count]
