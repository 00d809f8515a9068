"""Latent maximisation: what a given generator draws of what a neuron likes best."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.generators.latent import Latent
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
from jaxvis.optimize.rules import adam
from jaxvis.optimize.runs import repeat_item, repeat_items
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
    starts: int = 16,
    prior: float = 1.0,
    radius: float = 1.0,
    bound: float | None = None,
    others: float | None = None,
    learning_rate: float = 0.05,
    steps: int = 100,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Makes pictures that a given generator draws of what neurons like best.

    z* = argmin -log softmax(s)_c + prior * (rms(z) - radius)^2, |z_i| <= bound.

    The surface is full of valleys: from one random start a generator of digits reaches
    the digit that is asked for in three of four cases. So the best of several is taken.

    Args:
      net, params: the network.
      generator: `(shared, z) -> image [H, W, 3]` in [0, 1], pure and hashable; see
        `jaxvis.generators.adapters` for Flax modules.
      shared: its parameters, which all items share.
      shape: of z.
      tap, index, seeds, key: see `jaxvis.methods.coupled.generate.generate`; an index of
        None is 0.
      objective: instead of tap and index, one objective, or a function `taps -> scalar`.
      starts: random codes that are looked at for each picture; the one with the least
        loss is moved. Each costs one pass of the network forwards.
      prior: weight of the prior on z.
      radius: the root mean square of z that costs nothing: 1 is where normal codes lie,
        0 the most likely single code, which draws an average of everything.
      bound: largest |z_i|, the range of activations that the generator has seen; None
        leaves it free.
      others: None maximises log softmax(s)_c, which suits class scores; a number takes
        `jaxvis.methods.coupled.objectives.Couple` with this weight of the other activations.
      learning_rate: Adam's.
      steps: updates.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run as of `generate`; z `[n, seeds, *shape]`.

    Raises:
      ValueError: for an unknown tap, an index outside it, an objective beside them, a
        bound that is not positive, no start, or a generator that returns something else
        than an image.

    Source: Nguyen, Dosovitskiy, Yosinski, Brox & Clune, Synthesizing the preferred
      inputs for neurons in neural networks via deep generator networks (2016), Eq. 1,
      with its clipping to the activation range; Lecture 21, generator-latent.
    """
    if starts < 1:
        raise ValueError(f"starts must be at least 1, got {starts}")
    canvas = _build_canvas(generator, shared, tuple(shape), prior, radius)
    if objective is None:
        tap, groups = scores_tap(net, tap), group_targets(0 if index is None else index)
        items = build_objectives(net, params, groups, tap=tap, others=others)
        keys = item_keys(as_key(key), seeds=seeds, indices=number_groups(groups), name=tap)
    elif tap is not None or index is not None:
        raise ValueError("objective= says what to maximise: leave tap and index out")
    else:
        items = repeat_item(1.0 * as_objective(objective), 1)
        keys = item_keys(as_key(key), seeds=seeds)
    items = repeat_items(items, seeds)
    loss = compose(net, canvas, view=choose_view(net, canvas))
    problem = Problem(loss, canvas, adam(learning_rate), steps, projection=_build_box(bound))
    start = choose_starts(problem, params, shared, items, keys, starts)
    job = Job(problem, params, items, keys, seeds, shared=shared, start=start)
    return job.run(chunk=chunk, progress=progress)


def _build_canvas(
    generator: Callable[[Any, Any], Image],
    shared: Any,
    shape: tuple[int, ...],
    prior: float,
    radius: float,
) -> Latent:
    """Builds the canvas, for the size of image that the generator draws."""
    drawn = jax.eval_shape(generator, shared, jnp.zeros(shape)).shape
    if len(drawn) != 3 or drawn[-1] != 3:
        raise ValueError(f"the generator draws {drawn}, not an image [H, W, 3]")
    return Latent(generator, shape, tuple(drawn[:2]), prior, radius)


def _build_box(bound: float | None) -> Box | None:
    if bound is not None and not bound > 0:
        raise ValueError(f"bound is the largest |z_i|, above 0, not {bound}")
    return None if bound is None else Box(-bound, bound)
