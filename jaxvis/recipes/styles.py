"""Recipes of styles, textures and feature maps: the published settings, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxvis.loss.matching.transfer import StyleRecipe, adjust_style
from jaxvis.network import Network
from jaxvis.recipes.named import look_up

BLOCKS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""The first rectified layer of every block of a VGG network."""

STYLES = {
    "relative": StyleRecipe(
        ("relu4_2",),
        BLOCKS,
        beta=1.5,
        gamma=1.0,
        content_weights="relative",
        style_weights="relative",
        variation="mean",
        scales=None,
        steps=100,
    ),
    "gatys": StyleRecipe(("relu4_2",), BLOCKS, beta=1e3),
    "ranvgg": StyleRecipe(
        ("relu2_2",),
        BLOCKS,
        alpha=100.0,
        gamma=1000.0,
        content_weights="balanced",
        style_weights="balanced",
        noise=1.0,
        variation="mean",
    ),
    "ranvgg_strong": StyleRecipe(
        ("relu2_2",),
        BLOCKS,
        beta=30.0,
        gamma=3000.0,
        content_weights="balanced",
        style_weights="balanced",
        noise=1.0,
        variation="mean",
        scales=None,
        steps=100,
    ),
    "pmci": StyleRecipe(
        ("relu2_2",),
        BLOCKS,
        alpha=10.0,
        statistic="energy",
        content_weights="area",
        style_weights="equal",
        noise=1.0,
        optimizer="clipped",
        denoise=0.2,
    ),
}
"""Name -> recipe of `jaxvis.style`: the default, and the published ones, from Gatys' code,
He et al. (Eq. 9) and Xia et al. (Eq. 5).

"relative", the default, keeps the content at every size. Every loss is relative to its own
target: 1 where the code, or the Gram matrix of a layer, is 0. So a layer counts as much in
every network, and a content as much beside every style. All are means over positions, as
the total variation is here, so that one balance fits every size; and the coarse sizes come
first, which brings the large motifs of a style.

"gatys" weighs the fourth powers of activations (squared Gram matrices) against their squares
(the content). With the activations of VGG-19 as it was trained, its style begins at 8.4e6
where losing the whole content costs 5.6e4, so the style takes all of the picture; and
relu5_1, whose activations are small, hardly counts. Measured with |F - F0|^2 / |F0|^2 of
relu4_2, which is about 1 where the content is gone (a town, a bridge and a cat in the styles
of The Starry Night, The Great Wave and Udnie, at 160 pixels): "gatys" 1.03, 0.70 and 1.25
after 150 evaluations, with beta = 100 0.57 (town) and 0.75 (cat); "relative" 0.43, 0.48 and
0.53, and for the town 0.45 at 256 pixels (80 evaluations a scale) and 0.47 at 512 (40).

"ranvgg" has the printed 100 : 1 : 1000. Layers are balanced as `jaxvis.loss.matching.balance`
reads the paper, and the total variation is a mean over pixels: as a sum, which their text can
be read as too, it blurs the picture away. The content then outweighs the style a hundred
times, under every reading of their formulas that was tried, and hardly any style is left.
"ranvgg_strong" (1 : 30 : 3000, coarse sizes first) weighs the style enough to show it.

"pmci" was published for pictures of 384 x 512 pixels, where its content is divided by the
positions of the map and its style by the channels. So the content would count sixteen times
as much at a fourth of the side, and take the style away; "area" keeps the published balance
at every size. So does the filter, whose weight is scaled with the picture's side.
"""

FAST_STYLES = {
    "johnson": StyleRecipe(
        ("relu3_3",), ("relu1_2", "relu2_2", "relu3_3", "relu4_3"), beta=5.0, gamma=0.065
    )
}
"""Name -> recipe of `jaxvis.fast_style`: Johnson et al.'s balance (their VGG-16; the layers
are VGG-19's too): Gram matrices over C H W and mean squares, in 0..255; gamma is their
1e-6 in [0, 1]."""

BOUNDS = ("source", "unit", "none")
"""What the values of a texture keep to: the source's range, [0, 1], or nothing."""


@dataclass(frozen=True)
class TextureRecipe:
    """A way to make textures: what is matched, and how it is optimised.

    Args:
      taps: the names of the taps whose Gram matrices are matched.
      weights: one of `jaxvis.loss.matching.terms.STATISTIC_WEIGHTS`, or tap -> weight.
      optimizer: "lbfgs" or "adam", or a rule of `jaxvis.optimize.rules`, or an optax
        transformation.
      steps: how many updates; of "lbfgs", evaluations of the loss and its gradient.
      bounds: one of `BOUNDS`: "source" keeps every channel within the source's least and
        greatest value, "unit" within [0, 1], "none" leaves it free.
      histogram: whether the texture gets the source's histograms in the end.
      tileable: whether opposite edges of the texture fit together: the network then sees
        it on a torus. The sides must be multiples of the taps' strides.

    >>> from dataclasses import replace
    >>> import jaxvis
    >>> own = replace(jaxvis.recipes.TEXTURES["gatys"], tileable=True)
    >>> own.bounds, own.tileable
    ('source', True)
    """

    taps: tuple[str, ...]
    weights: str | Mapping[str, float]
    optimizer: Any = "lbfgs"
    steps: int = 500
    bounds: str = "source"
    histogram: bool = False
    tileable: bool = False


TEXTURES = {
    "gatys": TextureRecipe(("relu1_1", "pool1", "pool2", "pool3", "pool4"), "relative"),
    "ranvgg": TextureRecipe(BLOCKS[:4], "balanced"),
}
"""Name -> recipe of `jaxvis.texture`, for VGG-19 and ranVGG."""


@dataclass(frozen=True)
class MapRecipe:
    """A way to invert feature maps.

    Args:
      optimizer: "clipped" as in the paper, "lbfgs", "adam", a rule of
        `jaxvis.optimize.rules`, or an optax transformation.
      steps: how many updates.
      denoise: weight of the total variation filter that all published images went
        through, which is scaled with the picture (`jaxvis.loss.chambolle.build_filter`); 0
        leaves it out.

    Raises:
      ValueError: for a weight that is negative or not finite.

    Source: Xia et al. (2017), and the authors' code.

    >>> import jaxvis
    >>> jaxvis.recipes.MapRecipe(optimizer="adam", denoise=0.0)
    MapRecipe(optimizer='adam', steps=200, denoise=0.0)
    """

    optimizer: Any = "clipped"
    steps: int = 200
    denoise: float = 0.2

    def __post_init__(self) -> None:
        """Checks the weight."""
        if not 0 <= self.denoise < float("inf"):
            raise ValueError(f"denoise must not be negative and must be finite, got {self.denoise}")


MAPS = {"paper": MapRecipe()}
"""Name -> recipe of `jaxvis.feature_maps`."""


def choose_style(net: Network, recipe: str | StyleRecipe, **changes: Any) -> StyleRecipe:
    """Returns a recipe of style transfer by its name, with some of its fields replaced.

    Args:
      net: the network, which must have the taps.
      recipe: a key of `STYLES`, or a `StyleRecipe` of one's own.
      **changes: fields of `StyleRecipe`; None keeps the recipe's own.

    Raises:
      ValueError: for an unknown name, and as `jaxvis.loss.matching.transfer.adjust_style`.
    """
    return adjust_style(net, look_up(recipe, STYLES, StyleRecipe), **changes)


def choose_texture(net: Network, recipe: str | TextureRecipe, **changes: Any) -> TextureRecipe:
    """Returns the recipe of a texture by its name, with some of its fields replaced.

    Args:
      net: the network, which must have the taps.
      recipe: a key of `TEXTURES`, or a `TextureRecipe` of one's own.
      **changes: fields of `TextureRecipe`; None keeps the recipe's own.

    Raises:
      ValueError: for an unknown name, tap or bound, or without a tap.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    chosen = replace(look_up(recipe, TEXTURES, TextureRecipe), **given)
    if not chosen.taps:
        raise ValueError("a texture needs at least one tap: name one")
    if chosen.bounds not in BOUNDS:
        raise ValueError(f"bounds must be one of {', '.join(BOUNDS)}, not {chosen.bounds!r}")
    return replace(chosen, taps=net.check_taps(chosen.taps))


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
