"""Latent maximisation: what a given generator draws of what a neuron likes best."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.generators.latent import Latent
from jaxvis.loss.objectives import Algebra
from jaxvis.methods.coupled.objectives import CoupledLoss, Targets, targets
from jaxvis.methods.coupled.run import Coupled, solve_coupled
from jaxvis.network import Network
from jaxvis.optimize import Box, Problem
from jaxvis.optimize.rules.first_order import adam
from jaxvis.optimize.solve import OnChunk
from jaxvis.types import Image, Key, Params, Run, as_key


def latent(
    net: Network,
    params: Params,
    generator: Callable[[Any, Any], Image],
    shared: Any,
    *,
    shape: tuple[int, ...],
    tap: str | None = None,
    index: Targets = 0,
    objective: Algebra | None = None,
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
    on_chunk: OnChunk | None = None,
) -> Run:
    """Returns pictures that a given generator draws of what neurons like best.

    z* = argmin -log softmax(s)_c + prior * (rms(z) - radius)^2, |z_i| <= bound.

    The surface is full of valleys: from one random start a generator of digits reaches
    the digit that is asked for in three of four cases. So the best of several is taken.

    Args:
      net, params: the network.
      generator: `(shared, z) -> image [H, W, 3]` in [0, 1], pure and hashable; see
        `jaxvis.generators.adapters` for Flax modules.
      shared: its parameters, which all items share.
      shape: of z.
      tap, index, seeds, key: see `jaxvis.methods.coupled.generate.generate`.
      objective: instead of tap and index, one objective.
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
      chunk, progress, on_chunk: see `generate`.

    Returns:
      Run as of `generate`; z `[n, seeds, *shape]`.

    Raises:
      ValueError: for an unknown tap, an index outside it, a bound that is not positive,
        no start, or a generator that returns something else than an image.

    Source: Nguyen, Dosovitskiy, Yosinski, Brox & Clune, Synthesizing the preferred
      inputs for neurons in neural networks via deep generator networks (2016), Eq. 1,
      with its clipping to the activation range; Lecture 21, generator-latent.
    """
    if bound is not None and not bound > 0:
        raise ValueError(f"bound is the largest |z_i|, above 0, not {bound}")
    if starts < 1:
        raise ValueError(f"starts must be at least 1, got {starts}")
    canvas = Latent(generator, tuple(shape), prior, radius)
    drawn = jax.eval_shape(generator, shared, jnp.zeros(canvas.shape)).shape
    if len(drawn) != 3 or drawn[-1] != 3:
        raise ValueError(f"the generator draws {drawn}, not an image [H, W, 3]")
    if objective is None:
        items = targets(net, params, index, tap=tap, others=others)
    else:
        items = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], objective)
    box = None if bound is None else Box(-bound, bound)
    problem = Problem(CoupledLoss(net, canvas), canvas, adam(learning_rate), steps, projection=box)
    return solve_coupled(
        Coupled(problem, params, shared, "none", keep=True, starts=starts),
        items,
        seeds,
        as_key(key),
        chunk=chunk,
        progress=progress,
        on_chunk=on_chunk,
    )
