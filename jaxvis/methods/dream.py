"""DeepDream: a photograph in which a layer sees ever more of what it knows."""

from collections.abc import Callable, Collection
from functools import partial

import jax
import jax.numpy as jnp

from jaxvis.images import check_image
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Amplify, as_objective
from jaxvis.loss.views import Roll
from jaxvis.network import Network
from jaxvis.optimize import Box, Problem, solve
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.rules import normalized_sgd
from jaxvis.optimize.runs import repeat_item, run_stages
from jaxvis.optimize.watch import Progress
from jaxvis.recipes.dreams import DREAMS, DreamRecipe
from jaxvis.recipes.named import look_up
from jaxvis.types import Array, ImageLike, Key, Params, Run, Taps, as_key


def dream(
    net: Network,
    params: Params,
    image: ImageLike,
    *,
    tap: str | None = None,
    objective: Algebra | Callable[[Taps], Array] | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    recipe: str | DreamRecipe = "deepdream",
    steps: int | None = None,
    skip: Collection[int] = (),
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Amplifies the activations of a layer in an image, octave by octave.

    Per step x <- clip(x + step_size / 255 * g / mean |g|), g the gradient of
    |Phi(roll(x))|^2 / 2. Octaves go from small to full size; the details that one
    added are enlarged and carried into the next.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1].
      tap: the layer whose activations grow.
      objective: instead of tap, any objective (a channel, a guide's direction...), or a
        function `taps -> scalar`.
      seeds: dreams, which differ by their jitter.
      key: a typed random key, or an integer seed.
      recipe: "deepdream", or a `jaxvis.recipes.DreamRecipe`: the octaves, the size of a
        step, the jitter.
      steps: updates per octave, instead of the recipe's.
      skip: numbers of seeds that are left out: they are NaN and UNFINISHED.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]` in [0, 1], trace["loss"]
      `[seeds, octaves * steps]`.

    Raises:
      ValueError: if neither or both of tap and objective are given, for an unknown
        tap, or if the smallest octave is too small for the network.

    Source: Mordvintsev, Olah & Tyka, DeepDream (2015); Lecture 21, 21.10.

    >>> import jaxvis
    >>> from jaxvis.output.io import read_sample_photo
    >>> net, params = jaxvis.load("demo")
    >>> photo = read_sample_photo("coffee", size=64)
    >>> short = jaxvis.recipes.DreamRecipe(octaves=1, steps=2)
    >>> jaxvis.dream(net, params, photo, tap="relu3_1", recipe=short).image.shape
    (1, 64, 64, 3)
    """
    item = _choose_objective(tap, objective)
    how = look_up(recipe, DREAMS, DreamRecipe)
    steps = how.steps if steps is None else steps
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    for name in item.taps or ():
        net.check_taps(name)
    image = check_image(image, "the image", channels=net.channels)
    sizes = _octave_sizes((image.shape[0], image.shape[1]), how.octaves, how.octave_scale)
    items = repeat_item(1.0 * item, seeds)  # the weight is a leaf that has the seeds' axis

    def dream_octave(octave: int, before: Run | None, progress: Progress) -> Run:
        size = sizes[octave]
        base = _resize(image[None], size)
        detail: Array | float = 0.0
        if before is not None:
            detail = _resize(before.z - _resize(image[None], sizes[octave - 1]), size)
        start = jnp.broadcast_to(jnp.clip(base + detail, 0, 1), (seeds, *size, net.channels))
        problem = _build_problem(net, size, steps, how.step_size / 255, how.jitter)
        keys = item_keys(jax.random.fold_in(as_key(key), octave), seeds=seeds)
        return solve(
            problem,
            params,
            items,
            keys,
            start=start,
            skip=skip,
            chunk=chunk,
            progress=progress,
        )

    stages = [partial(dream_octave, octave) for octave in range(len(sizes))]
    return run_stages(stages, progress=progress)


def _choose_objective(
    tap: str | None, objective: Algebra | Callable[[Taps], Array] | None
) -> Algebra:
    """Gives the objective that grows the activations of `tap`, or the one that is given."""
    if tap is not None and objective is None:
        return Amplify(tap)
    if tap is None and objective is not None:
        return as_objective(objective)
    raise ValueError("pass either tap= or objective=")


def _octave_sizes(size: tuple[int, int], octaves: int, scale: float) -> list[tuple[int, int]]:
    """Gives the octaves' sizes (H, W), smallest first."""
    (height, width), factors = size, [scale**k for k in reversed(range(octaves))]
    return [(max(round(height / f), 1), max(round(width / f), 1)) for f in factors]


def _resize(images: jax.Array, size: tuple[int, int]) -> jax.Array:
    return jax.image.resize(images, (len(images), *size, images.shape[-1]), "linear")


def _build_problem(
    net: Network, size: tuple[int, int], steps: int, rate: float, jitter: int
) -> Problem:
    canvas = Pixels(size, center=(0.0,) * net.channels, channels=net.channels)
    loss = compose(net, canvas, view=Roll(jitter))
    return Problem(loss, canvas, normalized_sgd(rate), steps, projection=Box())
