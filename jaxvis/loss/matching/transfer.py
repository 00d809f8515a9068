"""Style transfer as a loss: the balance of content and style, and the objective of a size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from jaxvis.images import resize, sides_of_area
from jaxvis.loss.algebra import Algebra, Sum
from jaxvis.loss.matching.image_masks import resize_mask
from jaxvis.loss.matching.statistics import add_weighted
from jaxvis.loss.matching.terms import match_content, match_statistics
from jaxvis.nets.table.fields import check_field, least_side
from jaxvis.network import Network
from jaxvis.types import Array, Params

VARIATIONS = ("sum", "mean")
"""What total variation counts of the squared differences of neighbouring pixels."""


@dataclass(frozen=True)
class StyleRecipe:
    """A way to paint in a style: the balance of content and style, and how it is reached.

    Args:
      content_taps, style_taps: the names of the taps.
      alpha, beta, gamma: factors of content, style and total variation.
      statistic: "gram" or "energy".
      content_weights, style_weights: see `jaxvis.loss.matching.terms`.
      noise: part of the start that is noise: 0 is the content image, 1 all noise.
      optimizer: its name, or an optax transformation; the method knows the names.
      steps: updates of every scale.
      denoise: weight of a total variation filter on the last image, which is scaled with
        its side (`jaxvis.loss.chambolle.build_filter`); 0 has none.
      style_scale: side of a style, as a factor of the picture's (of equal area); below 1
        its strokes become small, above 1 large.
      colour: whose colours the picture has: "style"; "histogram" gives the styles the
        content's mean and covariance of colours first; "luminance" paints in grey and
        keeps the content's colours.
      scales: how many sizes, each sqrt 2 times the one before; a finer one starts from the
        coarser one's picture. None is as many as have a shorter side of at least 90 pixels.
      variation: what gamma counts of the squared differences of neighbouring pixels: their
        "sum", as it is printed, which grows with the picture, or their "mean" over pixels.

    >>> from dataclasses import replace
    >>> import jaxvis
    >>> own = replace(jaxvis.recipes.STYLES["relative"], colour="luminance", steps=50)
    >>> own.colour, own.steps
    ('luminance', 50)
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
    style_scale: float = 1.0
    colour: str = "style"
    scales: int | None = 1
    variation: str = "sum"


def adjust_style(net: Network, recipe: StyleRecipe, **changes: Any) -> StyleRecipe:
    """Returns a recipe with some of its fields replaced, checked against a network.

    Args:
      net: the network, which must have the taps.
      recipe: the recipe.
      **changes: fields of `StyleRecipe`; None keeps the recipe's own.

    Raises:
      ValueError: for an unknown tap, a factor that is negative or not finite, a noise
        outside [0, 1], a scale that is not above 0, an unknown variation, colours to keep
        of a network that takes none, or if nothing is left to match.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    recipe = replace(recipe, **given)
    content_taps = net.check_taps(tuple(recipe.content_taps)) if recipe.alpha else ()
    style_taps = net.check_taps(tuple(recipe.style_taps)) if recipe.beta else ()
    if not content_taps and not style_taps:
        raise ValueError("alpha and beta are both 0, or no taps are named: set one of them")
    if min(recipe.alpha, recipe.beta, recipe.gamma, recipe.denoise) < 0:
        raise ValueError("alpha, beta, gamma and denoise must not be negative")
    for name in ("alpha", "beta", "gamma", "denoise"):
        if not isfinite(getattr(recipe, name)):
            raise ValueError(f"{name} must be a finite number, not {getattr(recipe, name)}")
    if recipe.variation not in VARIATIONS:
        raise ValueError(f"variation is one of {', '.join(VARIATIONS)}, not {recipe.variation!r}")
    if recipe.colour != "style" and net.channels != 3:
        raise ValueError(
            f"colour {recipe.colour!r} keeps the content's colours, and {net.name} takes images "
            f"of {net.channels} channels, which have none: leave colour out"
        )
    if not 0 < recipe.style_scale < float("inf"):
        raise ValueError(f"style_scale must be above 0 and finite, got {recipe.style_scale}")
    if not 0 <= recipe.noise <= 1:
        raise ValueError(f"noise is a part, from 0 to 1, not {recipe.noise}")
    return replace(recipe, content_taps=content_taps, style_taps=style_taps)


def build_transfer(
    net: Network,
    params: Params,
    recipe: StyleRecipe,
    content: Array,
    styles: Sequence[Array],
    size: tuple[int, int],
    *,
    mix: Sequence[float],
    masks: Sequence[Array] | None = None,
    coarse: bool = False,
) -> Sum:
    """Builds the objective of one picture size: alpha content + beta sum of the styles.

    Args:
      net, params: the network.
      recipe: what `adjust_style` returned.
      content: `[H, W, 3]` in [0, 1]; it is resized to the picture.
      styles: `[H', W', 3]` in [0, 1] each; they are resized to the picture's area.
      size: (H, W) of the picture in pixels.
      mix: weight of each style.
      masks: `[H, W]` for each style, where on the content it applies.
      coarse: whether a style that would be too small for its taps is made as large as
        they need, as for the coarse scales of a picture; else it is refused.

    Returns:
      Sum: an objective, a scalar `[]` of the taps.

    Raises:
      ValueError: for a style too small for its taps.
    """
    parts: list[Algebra] = []
    factors: list[float] = []
    if recipe.content_taps:
        contents = match_content(
            net,
            params,
            resize(content, size),
            recipe.content_taps,
            weights=recipe.content_weights,
        )
        parts += contents
        factors += [recipe.alpha] * len(contents)
    for i, (image, part) in enumerate(zip(styles, mix)):
        if not recipe.style_taps or not part:
            continue
        at = _choose_style_size(recipe, image, size)
        if coarse:
            at = _enlarge_to(at, least_side(net, recipe.style_taps))
        check_field(net, recipe.style_taps, at, f"style image {i}")
        here = None
        if masks is not None:
            here = _resize_mask_to_taps(net, params, masks[i], recipe.style_taps, size)
        terms = match_statistics(
            net,
            params,
            resize(image, at),
            recipe.style_taps,
            masks=here,
            statistic=recipe.statistic,
            weights=recipe.style_weights,
        )
        parts += terms
        factors += [recipe.beta * part] * len(terms)
    return add_weighted(parts, weights=factors)


def check_styles(
    net: Network, recipe: StyleRecipe, styles: Sequence[Array], size: tuple[int, int]
) -> None:
    """Refuses styles that are too small for their taps beside a picture.

    Args:
      net: the network.
      recipe: what `adjust_style` returned.
      styles: `[H', W', 3]` each.
      size: (H, W) of the picture in pixels.

    Raises:
      ValueError: names the style, and the size that it needs.
    """
    for i, image in enumerate(styles if recipe.style_taps else ()):
        at = _choose_style_size(recipe, image, size)
        check_field(net, recipe.style_taps, at, f"style image {i}")


def _choose_style_size(recipe: StyleRecipe, image: Array, size: tuple[int, int]) -> tuple[int, int]:
    """Gives the size (H, W) of a style beside a picture: of the picture's area."""
    return sides_of_area(image.shape, recipe.style_scale**2 * size[0] * size[1])


def _enlarge_to(size: tuple[int, int], least: int) -> tuple[int, int]:
    """Enlarges a size (H, W), of the same aspect, until its shorter side is long enough."""
    factor = max(least / min(size), 1.0)
    return max(round(size[0] * factor), least), max(round(size[1] * factor), least)


def _resize_mask_to_taps(
    net: Network,
    params: Params,
    mask: Array,
    taps: tuple[str, ...],
    size: tuple[int, int],
) -> dict[str, Array]:
    return {tap: resize_mask(mask, net.shape(params, tap, size=size)) for tap in taps}
