"""Activation maximisation: the image that a neuron, channel or class likes best."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.images import check_image
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.compose import Weighted, name_priors
from jaxvis.loss.objectives import as_objective
from jaxvis.nets.table.fields import canvas_of, field_of, refuse_probabilities
from jaxvis.nets.table.geometry import stride_of
from jaxvis.network import Network
from jaxvis.optimize import Job
from jaxvis.optimize.keys import check_seeds, item_keys
from jaxvis.optimize.rules import Optimizer
from jaxvis.optimize.runs import join_chunks, repeat_items
from jaxvis.recipes.natural import Natural, natural_stages
from jaxvis.recipes.presets import NATURAL, RECIPES, choose_seen
from jaxvis.recipes.recipe import Recipe, Size
from jaxvis.recipes.targets import AnyObjective, Target, choose_target
from jaxvis.types import Canvas, ImageLike, Interrupted, Key, Params, Run, View, as_key


def maximize(
    net: Network,
    params: Params,
    *,
    tap: str | None = None,
    index: int | Sequence[int] | range | None = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    recipe: str | Recipe | Natural = "robust",
    size: Size | None = None,
    steps: int | None = None,
    optimizer: Optimizer | None = None,
    canvas: Canvas | None = None,
    view: View | None = None,
    priors: Sequence[Weighted] | Mapping[str, Any] | None = None,
    start: ImageLike | None = None,
    peaks: Sequence[float] | None = None,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Makes pictures that maximise neurons, channels, classes or any objective.

    x* = argmin_z E(view(decode(z))) + priors, for every index and seed together. With
    recipe "mahendran" E is -10^4 Phi_i / (M_i rho^2) of the central neuron of channel
    i, M_i its largest activation on photographs and rho its receptive field, and the
    picture is as large as that field asks for.

    Args:
      net, params: the network.
      tap: where to maximise; None takes the network's class scores s and maximises
        s_c + log softmax(s)_c, whose second term is 0 as soon as class c wins.
      index: which neuron, channel or class; one, or several for a sweep; None is 0.
      position: of a tap `[h, w, c]`: None for the channel's mean, "centre" or (y, x)
        for one neuron.
      objective: instead of tap, index and position: an objective, any function
        `taps -> scalar` (smaller is better), or a list of them.
      seeds: pictures per index, from different random starts.
      key: a typed random key, or an integer seed.
      recipe: a name of `jaxvis.recipes.RECIPES`, a `Recipe`, or "mahendran" or a
        `Natural` (one index or several of one tap).
      size: (H, W) of the pictures in pixels; None takes the network's native size,
        with "mahendran" that of the receptive field.
      steps: how many updates; None takes the recipe's.
      optimizer: a rule of `jaxvis.optimize.rules` or an optax transformation, instead
        of the recipe's.
      canvas, view: instead of the recipe's.
      priors: instead of the recipe's: `Weighted` priors, or {name: (weight, prior)} with
        priors `image -> scalar`.
      start: `[H, W, 3]` in [0, 1], the image that all pictures begin from.
      peaks: of "mahendran", M of every channel of the tap, `[c]`, as
        `jaxvis.methods.preimage.peaks` measures them; None takes 1.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with two leading axes, index and seed: image `[n, seeds, H, W, 3]` in [0, 1],
      trace["loss"] `[n, seeds, steps]`, status `[n, seeds]`.

    Raises:
      ValueError: for an unknown tap or recipe, a position without a tap, an index
        outside the tap's channels, an objective beside tap, index or position, or a
        size that the network cannot take.

    Source: Lecture 21, 21.7; Simonyan et al. 2014; Olah et al. 2017; Fel et al. 2023;
    Mahendran & Vedaldi (IJCV 2016), section 6.
    """
    plan = partial(
        plan_maximize,
        net,
        params,
        tap=tap,
        index=index,
        position=position,
        seeds=seeds,
        key=key,
        recipe=recipe,
        size=size,
        steps=steps,
        optimizer=optimizer,
        canvas=canvas,
        view=view,
        priors=priors,
        start=start,
        peaks=peaks,
    )
    run = partial(Job.run, chunk=chunk, progress=progress)
    if not isinstance(objective, Sequence):
        return run(plan(objective=objective))
    return _run_groups(objective, lambda group: run(plan(objective=group)))


def _run_groups(
    objectives: Sequence[AnyObjective], run: Callable[[Sequence[AnyObjective]], Run]
) -> Run:
    """Runs objectives that share a structure together, and puts all in their places."""
    words = [as_objective(objective) for objective in objectives]
    groups: dict[Any, list[int]] = {}
    for place, word in enumerate(words):
        groups.setdefault(_structure_of(word), []).append(place)
    if len(groups) <= 1:
        return run(words)
    parts: list[tuple[np.ndarray, Run]] = []
    for places in groups.values():
        try:
            parts.append((np.array(places), run([words[place] for place in places])))
        except Interrupted as stop:
            parts += [] if stop.run is None else [(np.array(places), stop.run)]
            raise Interrupted(_join_groups(parts, len(words)) if parts else None) from None
    return _join_groups(parts, len(words))


def _structure_of(objective: Algebra) -> Any:
    """Gives what objectives must have in common to be optimised together."""
    leaves, tree = jax.tree.flatten(1.0 * objective)
    return tree, tuple(np.shape(leaf) for leaf in leaves)


def _join_groups(parts: Sequence[tuple[np.ndarray, Run]], count: int) -> Run:
    """Puts groups in their places; z is left out where their canvases differ."""
    if len({tuple(np.shape(leaf)[1:] for leaf in jax.tree.leaves(run.z)) for _, run in parts}) > 1:
        parts = [(places, run._replace(z=())) for places, run in parts]
    return join_chunks(parts, count)


def plan_maximize(
    net: Network,
    params: Params,
    *,
    tap: str | None = None,
    index: int | Sequence[int] | range | None = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    recipe: str | Recipe | Natural = "robust",
    size: Size | None = None,
    steps: int | None = None,
    optimizer: Optimizer | None = None,
    canvas: Canvas | None = None,
    view: View | None = None,
    priors: Sequence[Weighted] | Mapping[str, Any] | None = None,
    start: ImageLike | None = None,
    peaks: Sequence[float] | None = None,
) -> Job:
    """Plans what `maximize` makes, so that a sweep can be made chunk by chunk.

    Args:
      net, params: the network.
      tap, index, position, objective, seeds, key, recipe, size, steps: see `maximize`.
      optimizer, canvas, view, priors, peaks: see `maximize`.
      start: `[H, W, 3]`, see `maximize`.

    Raises:
      ValueError: as `maximize`.
    """
    check_seeds(seeds)
    if recipe == NATURAL:
        recipe = Natural()
    size, centre_of = _choose_size(size, canvas), None
    if isinstance(recipe, Natural) and tap is not None and objective is None:
        refuse_probabilities(net, tap)
        centre_of = tap if position is None else None
    target = choose_target(
        net,
        params,
        tap=tap,
        index=index,
        position=position if centre_of is None else "centre",
        objective=objective,
    )
    if isinstance(recipe, Natural):
        size = size or (net.input_size if centre_of is None else canvas_of(net, centre_of))
        target, recipe = _build_natural(net, params, target, recipe, peaks, size)
    elif peaks is not None:
        raise ValueError(f"peaks= belong to recipe={NATURAL!r}")
    else:
        recipe = _resolve(recipe, net, params, target, size)
    recipe = replace(
        recipe,
        steps=recipe.steps if steps is None else steps,
        optimizer=optimizer or recipe.optimizer,
        canvas=_choose_canvas(recipe, canvas),
        view=view or recipe.view,
        priors=recipe.priors if priors is None else name_priors(priors),
    )
    keys = item_keys(as_key(key), seeds=seeds, indices=target.indices, name=target.name)
    problem, items = recipe.problem(net), repeat_items(target.items, seeds)
    return Job(problem, params, items, keys, seeds, start=_begin_from(recipe, start, len(keys)))


def _build_natural(
    net: Network,
    params: Params,
    target: Target,
    natural: Natural,
    peaks: Sequence[float] | None,
    size: Size,
) -> tuple[Target, Recipe]:
    """Weighs the items by 10^4 / (M rho^2), and builds the recipe they share."""
    natural = replace(natural, second=0)
    tap = target.tap or (target.items.taps or net.taps[-1:])[0]
    field = float(min(field_of(net, tap), max(size)))
    if peaks is not None and target.tap is None:
        raise ValueError("peaks= belong to tap= and index=, not to objective=")
    if peaks is not None and len(peaks) <= target.indices.max():
        raise ValueError(f"peaks= has {len(peaks)} values: pass one for every channel of {tap!r}")
    peak = 1.0 if peaks is None else np.take(np.asarray(peaks, np.float32), target.indices)
    if np.any(peak <= 0) or not np.all(np.isfinite(peak)):
        raise ValueError(
            f"a channel of {tap!r} that was asked for never responds on the "
            "photographs (its peak is not above 0): choose another one or other images"
        )
    weight = peak * field**2 if natural.norm == "print" else 1e4 / (peak * field**2)
    weights = jnp.broadcast_to(jnp.asarray(weight, jnp.float32), (len(target.indices),))
    stride = stride_of(net, params, tap)
    (recipe,) = natural_stages(natural, size=size, stride=stride)
    return replace(target, items=weights * target.items), recipe


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
    return RECIPES[recipe](size, choose_seen(net, params, target.items.taps, size))


def _begin_from(recipe: Recipe, image: ImageLike | None, count: int) -> Any:
    """Gives the first z of all pictures where they begin from an image; else None."""
    if image is None:
        return None
    z = recipe.encode(check_image(image, "the start"))
    return jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf), (count, *leaf.shape)), z)
