"""Latent maximisation: what a given generator draws of what a neuron likes best."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.generators.latent import Latent
from jaxvis.images import to_channels
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import as_objective
from jaxvis.methods.coupled.objectives import (
    Targets,
    build_objectives,
    group_targets,
    number_groups,
    scores_tap,
)
from jaxvis.methods.coupled.run import choose_starts, choose_view
from jaxvis.network import Network
from jaxvis.optimize import Box, Job, Problem
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.runs import repeat_item, repeat_items
from jaxvis.recipes.generators import LATENTS, LatentRecipe
from jaxvis.recipes.named import look_up
from jaxvis.types import Array, Image, Key, Params, Run, Taps, as_key


def latent(
    net: Network,
    params: Params,
    generator: Callable[[Any, Any], Image],
    shared: Any,
    *,
    shape: tuple[int, ...],
    tap: str | None = None,
    index: Targets | None = None,
    objective: Algebra | Callable[[Taps], Array] | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    recipe: str | LatentRecipe = "best_start",
    steps: int | None = None,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Makes pictures that a given generator draws of what neurons like best.

    z* = argmin -log softmax(s)_c + prior * (rms(z) - radius)^2, |z_i| <= bound.

    The surface is full of valleys: from one random start a generator of digits reaches
    the digit that is asked for in three of four cases. So the best of several is taken.

    Args:
      net, params: the network.
      generator: `(shared, z) -> image [H, W, C]` in [0, 1], pure and hashable; see
        `jaxvis.generators.adapters` for Flax modules. A network of grey images is shown the
        luminance of RGB, and one of RGB a grey image in three equal channels.
      shared: its parameters, which all items share.
      shape: of z.
      tap, index, seeds, key: see `jaxvis.methods.coupled.generate.generate`; an index of
        None is 0.
      objective: instead of tap and index, one objective, or a function `taps -> scalar`.
      recipe: "best_start" or "one_start" (`jaxvis.recipes.LATENTS`), or a
        `jaxvis.recipes.LatentRecipe`: the starts, the prior and its radius, the bound.
      steps: updates, instead of the recipe's.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run as of `generate`; z `[n, seeds, *shape]`.

    Raises:
      ValueError: for an unknown tap or recipe, an index outside the tap, an objective
        beside them, or a generator that returns something else than an image.

    Source: Nguyen, Dosovitskiy, Yosinski, Brox & Clune, Synthesizing the preferred
      inputs for neurons in neural networks via deep generator networks (2016), Eq. 1,
      with its clipping to the activation range; Lecture 21, generator-latent.

    >>> import jax
    >>> import jaxvis
    >>> def paint(shared, z):
    ...     return jax.nn.sigmoid(shared * z.reshape(16, 16, 1)).repeat(3, -1)
    >>> net, params = jaxvis.load("demo")
    >>> jaxvis.latent(net, params, paint, 1.0, shape=(256,), index=3, steps=2).image.shape
    (1, 1, 16, 16, 3)
    """
    how = look_up(recipe, LATENTS, LatentRecipe)
    steps = how.steps if steps is None else steps
    canvas = _build_canvas(generator, shared, tuple(shape), how, net.channels)
    if objective is None:
        tap, groups = scores_tap(net, tap), group_targets(0 if index is None else index)
        items = build_objectives(net, params, groups, tap=tap, others=how.others)
        keys = item_keys(as_key(key), seeds=seeds, indices=number_groups(groups), name=tap)
    elif tap is not None or index is not None:
        raise ValueError("objective= says what to maximise: leave tap and index out")
    else:
        items = repeat_item(1.0 * as_objective(objective), 1)
        keys = item_keys(as_key(key), seeds=seeds)
    items = repeat_items(items, seeds)
    loss = compose(net, canvas, view=choose_view(net, canvas))
    box = None if how.bound is None else Box(-how.bound, how.bound)
    problem = Problem(loss, canvas, how.optimizer, steps, projection=box)
    start = choose_starts(problem, params, shared, items, keys, how.starts)
    job = Job(problem, params, items, keys, seeds, shared=shared, start=start)
    return job.run(chunk=chunk, progress=progress)


@dataclass(frozen=True)
class _Shown:
    """A generator whose images have the channels that a network takes."""

    generator: Callable[[Any, Any], Image]
    channels: int

    def __call__(self, shared: Any, z: Array) -> Image:
        """Makes the image of z, `[H, W, channels]`."""
        return jnp.asarray(to_channels(self.generator(shared, z), self.channels))


def _build_canvas(
    generator: Callable[[Any, Any], Image],
    shared: Any,
    shape: tuple[int, ...],
    recipe: LatentRecipe,
    channels: int,
) -> Latent:
    """Builds the canvas, for the size of image that the generator draws."""
    drawn = jax.eval_shape(generator, shared, jnp.zeros(shape)).shape
    can_be_shown = drawn[-1:] == (channels,) or {*drawn[-1:], channels} == {1, 3}
    if len(drawn) != 3 or not can_be_shown:
        raise ValueError(f"the generator draws {drawn}, not an image [H, W, {channels}]")
    if drawn[-1] != channels:
        generator = _Shown(generator, channels)
    return Latent(generator, shape, tuple(drawn[:2]), recipe.prior, recipe.radius)
