"""Style transfer as a loss: the balance of content and style, and the objective of a size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxvis.images import resize, sides_of_area
from jaxvis.loss.algebra import Algebra, Sum
from jaxvis.loss.matching.image_masks import resize_mask
from jaxvis.loss.matching.statistics import add_weighted
from jaxvis.loss.matching.terms import match_content, match_statistics
from jaxvis.nets.table.fields import check_field
from jaxvis.network import Network
from jaxvis.types import Array, Params


@dataclass(frozen=True)
class Preset:
    """A balance of content and style.

    Args:
      content_taps, style_taps: the names of the taps.
      alpha, beta, gamma: factors of content, style and total variation.
      statistic: "gram" or "energy".
      content_weights, style_weights: see `jaxvis.loss.matching.terms`.
      noise: part of the start that is noise: 0 is the content image, 1 all noise.
      optimizer: its name, or an optax transformation; the method knows the names.
      steps: updates of every scale.
      denoise: weight of a total variation filter on the last image; 0 has none.
    """

    content_taps: tuple[str, ...]
    style_taps: tuple[str, ...]
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


def adjust_preset(net: Network, preset: Preset, **changes: Any) -> Preset:
    """Returns a preset with some of its fields replaced, checked against a network.

    Args:
      net: the network, which must have the taps.
      preset: the preset.
      **changes: fields of `Preset`; None keeps the preset's own.

    Raises:
      ValueError: for an unknown tap, a negative factor, a noise outside [0, 1], or if
        nothing is left to match.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    preset = replace(preset, **given)
    content_taps = net.check_taps(tuple(preset.content_taps)) if preset.alpha else ()
    style_taps = net.check_taps(tuple(preset.style_taps)) if preset.beta else ()
    if not content_taps and not style_taps:
        raise ValueError("alpha and beta are both 0, or no taps are named: set one of them")
    if min(preset.alpha, preset.beta, preset.gamma, preset.denoise) < 0:
        raise ValueError("alpha, beta, gamma and denoise must not be negative")
    if not 0 <= preset.noise <= 1:
        raise ValueError(f"noise is a part, from 0 to 1, not {preset.noise}")
    return replace(preset, content_taps=content_taps, style_taps=style_taps)


def build_transfer(
    net: Network,
    params: Params,
    preset: Preset,
    content: Array,
    styles: Sequence[Array],
    size: tuple[int, int],
    *,
    mix: Sequence[float],
    masks: Sequence[Array] | None = None,
    style_scale: float = 1.0,
) -> Sum:
    """Builds the objective of one picture size: alpha content + beta sum of the styles.

    Args:
      net, params: the network.
      preset: what `adjust_preset` returned.
      content: `[H, W, 3]` in [0, 1]; it is resized to the picture.
      styles: `[H', W', 3]` in [0, 1] each; they are resized to the picture's area.
      size: (H, W) of the picture in pixels.
      mix: weight of each style.
      masks: `[H, W]` for each style, where on the content it applies.
      style_scale: factor on the sides of the styles.

    Returns:
      Sum: an objective, a scalar `[]` of the taps.

    Raises:
      ValueError: for a style too small for its taps, or a factor not above 0.
    """
    if not style_scale > 0:
        raise ValueError(f"style_scale must be above 0, got {style_scale}")
    parts: list[Algebra] = []
    factors: list[float] = []
    if preset.content_taps:
        contents = match_content(
            net,
            params,
            resize(content, size),
            preset.content_taps,
            weights=preset.content_weights,
        )
        parts += contents
        factors += [preset.alpha] * len(contents)
    for i, (image, part) in enumerate(zip(styles, mix)):
        if not preset.style_taps or not part:
            continue
        at = sides_of_area(image.shape, style_scale**2 * size[0] * size[1])
        check_field(net, preset.style_taps, at, f"style image {i}")
        here = None
        if masks is not None:
            here = _resize_mask_to_taps(net, params, masks[i], preset.style_taps, size)
        terms = match_statistics(
            net,
            params,
            resize(image, at),
            preset.style_taps,
            masks=here,
            statistic=preset.statistic,
            weights=preset.style_weights,
        )
        parts += terms
        factors += [preset.beta * part] * len(terms)
    return add_weighted(parts, weights=factors)


def _resize_mask_to_taps(
    net: Network,
    params: Params,
    mask: Array,
    taps: tuple[str, ...],
    size: tuple[int, int],
) -> dict[str, Array]:
    return {tap: resize_mask(mask, net.shape(params, tap, size=size)) for tap in taps}
