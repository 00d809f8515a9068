"""Style transfer as a loss: its presets, and the objective of one picture size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxvis.images import resized, sides_of_area
from jaxvis.loss.matching.image_masks import on_grid
from jaxvis.loss.matching.statistics import weighted_sum
from jaxvis.loss.matching.terms import content_terms, statistic_terms
from jaxvis.loss.objectives import Sum
from jaxvis.nets.table.fields import check_field
from jaxvis.network import Network
from jaxvis.types import Array, Params

BLOCKS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@dataclass(frozen=True)
class Preset:
    """Returns a named balance of content and style.

    Args:
      content_taps, style_taps: the layers.
      alpha, beta, gamma: factors of content, style and total variation.
      statistic: "gram" or "energy".
      content_weights, style_weights: see `jaxvis.loss.matching.terms`.
      noise: part of the start that is noise: 0 is the content image, 1 all noise.
      optimizer: a name of `jaxvis.methods.style.pixel_optimizers`, or an optax transformation.
      steps: updates of every scale.
      denoise: weight of a total variation filter on the last image; 0 has none.
    """

    content_taps: tuple[str, ...]
    style_taps: tuple[str, ...] = BLOCKS
    alpha: float = 1.0
    beta: float = 1.0
    gamma: float = 0.0
    statistic: str = "gram"
    content_weights: str | Mapping[str, float] = "mean"
    style_weights: str | Mapping[str, float] = "channels"
    noise: float = 0.0
    optimizer: Any = "lbfgs"
    steps: int = 300
    denoise: float = 0.0


PRESETS = {
    "gatys": Preset(("relu4_2",), beta=1e3),
    "ranvgg": Preset(
        ("relu2_2",),
        alpha=100.0,
        gamma=1000.0,
        content_weights="balanced",
        style_weights="balanced",
        noise=1.0,
    ),
    "ranvgg_strong": Preset(
        ("relu2_2",),
        beta=10.0,
        gamma=1.0,
        content_weights="balanced",
        style_weights="balanced",
        noise=1.0,
    ),
    "pmci": Preset(
        ("relu2_2",),
        alpha=10.0,
        statistic="energy",
        content_weights="positions",
        style_weights="equal",
        noise=1.0,
        optimizer="clipped",
        denoise=0.2,
    ),
}
"""Preset name -> balance: Gatys' code, He et al. (Eq. 9), Xia et al. (Eq. 5).

"ranvgg" has the printed 100 : 1 : 1000. With layers balanced as `jaxvis.loss.matching.balance`
reads the paper, content and smoothness win and hardly any style is left;
"ranvgg_strong" is what shows it.
"""


def chosen(net: Network, preset: str | Preset, **changes: Any) -> Preset:
    """Returns a preset with what was asked for instead, checked.

    Args:
      net: the network, which must have the taps.
      preset: a key of `PRESETS`, or a `Preset` of one's own.
      **changes: fields of `Preset`; None keeps the preset's.

    Raises:
      ValueError: for an unknown preset or tap, a negative factor, a noise outside
        [0, 1], or if nothing is left to match.
    """
    if not isinstance(preset, Preset) and preset not in PRESETS:
        raise ValueError(f"preset is one of {', '.join(PRESETS)}, not {preset!r}")
    given = {name: value for name, value in changes.items() if value is not None}
    recipe = replace(preset if isinstance(preset, Preset) else PRESETS[preset], **given)
    content_taps = net.named(tuple(recipe.content_taps)) if recipe.alpha else ()
    style_taps = net.named(tuple(recipe.style_taps)) if recipe.beta else ()
    if not content_taps and not style_taps:
        raise ValueError("alpha and beta are both 0, or no taps are named")
    if min(recipe.alpha, recipe.beta, recipe.gamma, recipe.denoise) < 0:
        raise ValueError("alpha, beta, gamma and denoise must not be negative")
    if not 0 <= recipe.noise <= 1:
        raise ValueError(f"noise is a part, from 0 to 1, not {recipe.noise}")
    return replace(recipe, content_taps=content_taps, style_taps=style_taps)


def transfer_item(
    net: Network,
    params: Params,
    recipe: Preset,
    content: Array,
    styles: Sequence[Array],
    size: tuple[int, int],
    *,
    mix: Sequence[float],
    masks: Sequence[Array] | None = None,
    style_scale: float = 1.0,
) -> Sum:
    """Returns the objective alpha content + beta sum of the styles, at one size.

    Args:
      net, params: the network.
      recipe: what `chosen` returned.
      content: `[H, W, 3]` in [0, 1], resized here.
      styles: `[H', W', 3]` in [0, 1] each, resized to the area of the picture.
      size: (H, W) of the picture in pixels.
      mix: weight of each style.
      masks: `[H, W]` for each style, where on the content it applies.
      style_scale: side of the styles, as a factor.

    Raises:
      ValueError: for a style too small for its taps, or a factor not above 0.
    """
    if not style_scale > 0:
        raise ValueError(f"style_scale must be above 0, got {style_scale}")
    parts, factors = [], []
    if recipe.content_taps:
        terms = content_terms(
            net,
            params,
            resized(content, size),
            recipe.content_taps,
            weights=recipe.content_weights,
        )
        parts += terms
        factors += [recipe.alpha] * len(terms)
    for i, (image, part) in enumerate(zip(styles, mix)):
        if not recipe.style_taps or not part:
            continue
        at = sides_of_area(image.shape, style_scale**2 * size[0] * size[1])
        check_field(net, recipe.style_taps, at, f"style image {i}")
        here = None
        if masks is not None:
            here = _masks(net, params, masks[i], recipe.style_taps, size)
        terms = statistic_terms(
            net,
            params,
            resized(image, at),
            recipe.style_taps,
            masks=here,
            statistic=recipe.statistic,
            weights=recipe.style_weights,
        )
        parts += terms
        factors += [recipe.beta * part] * len(terms)
    return weighted_sum(parts, weights=factors)


def _masks(
    net: Network,
    params: Params,
    mask: Array,
    taps: tuple[str, ...],
    size: tuple[int, int],
) -> dict[str, Array]:
    return {tap: on_grid(mask, net.shape(params, tap, size=size)) for tap in taps}
