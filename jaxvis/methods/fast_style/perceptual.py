"""The loss that style networks are trained with: how a judge sees their pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.images import check_image, resize, to_channels
from jaxvis.loss.algebra import Sum
from jaxvis.loss.matching.statistics import Code
from jaxvis.loss.matching.terms import match_content
from jaxvis.loss.matching.transfer import StyleRecipe, build_transfer
from jaxvis.loss.priors import TotalVariation
from jaxvis.nets.zoo.style_net import mix_styles
from jaxvis.network import Network
from jaxvis.types import Array, Image, ImageLike, Key, Params, Terms


@dataclass(frozen=True)
class PerceptualLoss:
    """The losses of painted photographs, by the activations of another network, the judge.

    What it reads beside the photographs is `given`, from `build_given`. The factors are
    among that, so a changed one does not compile again.

    Args:
      net: the network that is trained.
      judge: the network whose activations are compared.
      content_taps: the judge's taps of the content.
      style_taps: the judge's taps of the style.
      styles: how many styles there are.
    """

    net: Network
    judge: Network
    content_taps: tuple[str, ...]
    style_taps: tuple[str, ...]
    styles: int

    def __call__(self, params: Params, images: Array, key: Key, given: Mapping[str, Any]) -> Terms:
        """Computes the means over a batch: "loss", "content", "style", "variation".

        Args:
          params: of the network that is trained, without its row "input".
          images: `[B, H, W, 3]` in [0, 1].
          key: draws the style of each image.
          given: what `build_given` returned, and "input", the row of the trained network.
        """
        whole = {**params, "input": given["input"]}
        index = jax.random.randint(key, (len(images),), 0, self.styles)
        terms = jax.vmap(lambda x, i: self._judge(whole, x, i, given))(images, index)
        terms = {name: jnp.mean(values) for name, values in terms.items()}
        first, *rest = terms.values()
        return {"loss": sum(rest, first), **terms}

    def _judge(self, params: Params, image: Image, index: Array, given: Mapping[str, Any]) -> Terms:
        """Computes the terms of one photograph in the style of number `index`."""
        own = mix_styles(params, jax.nn.one_hot(index, self.styles))
        height, width = image.shape[:2]
        picture = self.net.apply(own, image)["image"][:height, :width]
        wanted = tuple(dict.fromkeys(self.content_taps + self.style_taps))
        shown = jnp.asarray(to_channels(picture, self.judge.channels))
        taps = self.judge.apply(given["judge"], shown, stop=wanted)
        style = jax.tree.map(lambda leaf: leaf[index], given["style"])
        terms = {"style": style(taps)}
        if self.content_taps:
            content = jnp.asarray(to_channels(image, self.judge.channels))
            codes = self.judge.apply(given["judge"], content, stop=self.content_taps)
            terms["content"] = given["alpha"] * sum(
                replace(term, target=codes[term.tap])(taps) for term in given["content"]
            )
        if "gamma" in given:
            variation = TotalVariation(beta=2.0, slope=1.0)
            terms["variation"] = given["gamma"] * height * width * variation(picture)
        return terms


def build_given(
    judge: Network,
    params: Params,
    recipe: StyleRecipe,
    size: tuple[int, int],
    styles: Sequence[ImageLike],
) -> dict[str, Any]:
    """Builds what every step reads: the judge's parameters, terms and factors.

    Args:
      judge, params: the network whose activations are compared.
      recipe: the layers, the factors and the side of the styles, checked against the judge.
      size: (H, W) of the photographs in pixels.
      styles: `[H', W', 3]` in [0, 1] each.

    Returns:
      dict: "judge", parameters; "alpha" and, unless it is 0, "gamma", factors;
      "content", a term of each content tap; "style", a sum of terms with the styles'
      axis in front.

    Raises:
      ValueError: without a layer of the style, or for images that are none or too small.
    """
    if not recipe.style_taps:
        raise ValueError(
            "nothing is left to learn: beta must be above 0, and a style tap must be named"
        )
    given: dict[str, Any] = {
        "judge": judge.prepare(params, size=size),
        "alpha": np.float32(recipe.alpha),
        "content": _build_content(judge, params, recipe, size),
        "style": _build_styles(judge, params, recipe, size, styles),
    }
    if recipe.gamma:
        given["gamma"] = np.float32(recipe.gamma)
    return given


def _build_styles(
    judge: Network,
    params: Params,
    recipe: StyleRecipe,
    size: tuple[int, int],
    styles: Sequence[ImageLike],
) -> Sum:
    alone = replace(recipe, alpha=0.0, content_taps=())
    sums: list[Sum] = []
    for i, image in enumerate(styles):
        style = check_image(image, f"style image {i}", channels=judge.channels)
        build = partial(build_transfer, judge, params, alone, style, [style], size)
        sums.append(build(mix=[1.0]))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *sums)


def _build_content(
    judge: Network, params: Params, recipe: StyleRecipe, size: tuple[int, int]
) -> tuple[Code, ...]:
    if not recipe.content_taps:
        return ()
    # The weights do not depend on the image; the targets are every photograph's own.
    grey = resize(jnp.full((1, 1, judge.channels), 0.5), size)
    terms = match_content(judge, params, grey, recipe.content_taps, weights=recipe.content_weights)
    return tuple(replace(term, target=jnp.zeros(())) for term in terms)
