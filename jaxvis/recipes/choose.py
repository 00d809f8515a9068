"""The recipe of an activation maximisation, from what a user asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.loss.compose import Weighted, name_priors
from jaxvis.loss.objectives import Excite
from jaxvis.nets.table.fields import canvas_of, field_of, refuse_probabilities
from jaxvis.nets.table.geometry import stride_of
from jaxvis.network import Network
from jaxvis.recipes.natural import Natural, natural_stages
from jaxvis.recipes.presets import NATURAL, RECIPES, choose_seen
from jaxvis.recipes.recipe import Recipe, Size
from jaxvis.recipes.targets import Target
from jaxvis.types import Canvas, Params, View


def choose_recipe(
    net: Network,
    params: Params,
    target: Target,
    recipe: str | Recipe | Natural,
    *,
    size: Size | None = None,
    steps: int | None = None,
    canvas: Canvas | None = None,
    view: View | None = None,
    priors: Sequence[Weighted] | Mapping[str, Any] | None = None,
) -> tuple[Target, Recipe]:
    """Gives the recipe of a name, with the parts that a user has of his own.

    Args:
      net, params: the network.
      target: what is maximised.
      recipe: a name of `jaxvis.recipes.RECIPES`, "mahendran", a `Recipe` or a `Natural`.
      size: (H, W) of the pictures in pixels; None takes the network's, with "mahendran"
        that of the receptive field.
      steps, canvas, view, priors: instead of the recipe's; None keeps that.

    Returns:
      The target as the recipe weighs it ("mahendran" alone changes it), and the recipe.

    Raises:
      ValueError: for an unknown recipe, a size that contradicts the canvas, or peaks that
        do not fit the target.
    """
    if recipe == NATURAL:
        recipe = Natural()
    size = _choose_size(size, canvas)
    if isinstance(recipe, Natural):
        target, recipe = _build_natural(net, params, target, recipe, size)
    else:
        recipe = _resolve(recipe, net, params, target, size)
    recipe = replace(
        recipe,
        steps=recipe.steps if steps is None else steps,
        canvas=_choose_canvas(recipe, canvas),
        view=view or recipe.view,
        priors=recipe.priors if priors is None else name_priors(priors),
    )
    return target, recipe


def _build_natural(
    net: Network, params: Params, target: Target, natural: Natural, size: Size | None
) -> tuple[Target, Recipe]:
    """Weighs the items by 10^4 / (M rho^2), and builds the recipe they share."""
    tap = target.tap or (target.items.taps or net.taps[-1:])[0]
    if target.tap not in (None, net.classes):
        refuse_probabilities(net, tap)
    if target.whole:
        size = size or canvas_of(net, tap)
        target = replace(target, items=_excite_centres(tap, target.indices), whole=False)
    size = size or net.input_size
    field = float(min(field_of(net, tap), max(size)))
    peak = _take_peaks(natural, target, tap)
    weight = peak * field**2 if natural.norm == "print" else 1e4 / (peak * field**2)
    weights = jnp.broadcast_to(jnp.asarray(weight, jnp.float32), (len(target.indices),))
    stride = stride_of(net, params, tap)
    natural = replace(natural, second=0)
    (recipe,) = natural_stages(natural, size=size, stride=stride, channels=net.channels)
    return replace(target, items=weights * target.items), recipe


def _excite_centres(tap: str, indices: np.ndarray) -> Excite:
    return jax.vmap(lambda index: Excite(tap, index, position="centre"))(jnp.asarray(indices))


def _take_peaks(natural: Natural, target: Target, tap: str) -> float | np.ndarray:
    """Takes M of every channel that is asked for, which must be above 0."""
    if natural.peaks is None:
        return 1.0
    if target.tap is None:
        raise ValueError("peaks are of the channels of one tap: pass tap= and index=")
    if len(natural.peaks) <= target.indices.max():
        raise ValueError(
            f"peaks has {len(natural.peaks)} values: pass one for every channel of {tap!r}"
        )
    peak = np.take(np.asarray(natural.peaks, np.float32), target.indices)
    if np.any(peak <= 0) or not np.all(np.isfinite(peak)):
        raise ValueError(
            f"a channel of {tap!r} that was asked for never responds on the "
            "photographs (its peak is not above 0): choose another one or other images"
        )
    return peak


def _choose_size(size: Size | None, canvas: Canvas | None) -> Size | None:
    """Gives the size that is asked for, or that a canvas of one's own has."""
    if canvas is not None:
        height, width = canvas.image_size()
        if size is not None and tuple(size) != (height, width):
            raise ValueError(f"the canvas has {height}x{width} pixels already: leave size out")
        return height, width
    if size is None:
        return None
    height, width = size
    return height, width


def _choose_canvas(recipe: Recipe, canvas: Canvas | None) -> Canvas:
    """Gives the canvas instead of the recipe's, or the recipe's."""
    if canvas is None:
        return recipe.canvas
    if recipe.projection is not None and type(canvas) is not type(recipe.canvas):
        raise ValueError(
            f"this recipe's projection {recipe.projection!r} is for the z of "
            f"{type(recipe.canvas).__name__}, not of {type(canvas).__name__}: choose another "
            "recipe, or pass recipe=dataclasses.replace(recipe, canvas=..., projection=...)"
        )
    return canvas


def _resolve(
    recipe: str | Recipe, net: Network, params: Params, target: Target, size: Size | None
) -> Recipe:
    """Gives the recipe of a name, or checks the one that is given."""
    if isinstance(recipe, Recipe):
        if size is not None and size != recipe.size:
            raise ValueError(
                f"the recipe makes pictures of {recipe.size[0]}x{recipe.size[1]} pixels already: "
                "leave size out, or change its canvas"
            )
        return recipe
    if recipe not in RECIPES:
        known = ", ".join((*RECIPES, NATURAL))
        raise ValueError(f"recipe is one of {known}, or a Recipe; not {recipe!r}")
    size = size or net.input_size
    seen = choose_seen(net, params, target.items.taps, size)
    return RECIPES[recipe](size, seen=seen, channels=net.channels)
