"""Activation maximisation: the image that a neuron, channel or class likes best."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxvis.images import check_image
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.compose import Weighted
from jaxvis.loss.objectives import as_objective
from jaxvis.network import Network
from jaxvis.optimize import Job
from jaxvis.optimize.keys import check_seeds, item_keys
from jaxvis.optimize.runs import join_chunks, repeat_items
from jaxvis.recipes.choose import choose_recipe
from jaxvis.recipes.natural import Natural
from jaxvis.recipes.recipe import Recipe, Size
from jaxvis.recipes.targets import AnyObjective, Target, choose_target
from jaxvis.types import Canvas, ImageLike, Interrupted, Key, Params, Run, View, as_key


def maximize(
    net: Network,
    params: Params,
    *,
    tap: str | None = None,
    index: int | Sequence[int] | range | None = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    recipe: str | Recipe | Natural = "robust",
    size: Size | None = None,
    steps: int | None = None,
    canvas: Canvas | None = None,
    view: View | None = None,
    priors: Sequence[Weighted] | Mapping[str, Any] | None = None,
    start: ImageLike | None = None,
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
        s_c + log softmax(s)_c, whose second term is 0 as soon as class c wins. Of a map
        `[h, w, c]` the channel's mean is maximised; for one neuron pass
        objective=Excite(tap, index, position="centre"), or position=(y, x).
      index: which neuron, channel or class; one, or several for a sweep; None is 0.
      objective: instead of tap and index: an objective of `jaxvis.objectives`, any
        function `taps -> scalar` (smaller is better), or a list of them.
      seeds: pictures per index, from different random starts.
      key: a typed random key, or an integer seed.
      recipe: "robust", "lucid", "plain", "maco", "cppn" (no pixels), "alpha" (an opacity
        as the last channel; these are `jaxvis.recipes.RECIPES`) or "mahendran"; or a
        `Recipe` or a `Natural`, which can be printed and changed with
        `dataclasses.replace`: canvas, view, optimizer, steps, priors, projection.
      size: (H, W) of the pictures in pixels; None takes the network's native size,
        with "mahendran" that of the receptive field.
      steps: how many updates; None takes the recipe's.
      canvas, view: instead of the recipe's.
      priors: instead of the recipe's: `Weighted` priors, or {name: (weight, prior)} with
        priors `image -> scalar`.
      start: `[H, W, 3]` in [0, 1], the image that all pictures begin from.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with two leading axes, index and seed: image `[n, seeds, H, W, 3]` in [0, 1],
      trace["loss"] `[n, seeds, steps]`, status `[n, seeds]`.

    Raises:
      ValueError: for an unknown tap or recipe, an index outside the tap's channels, an
        objective beside tap or index, or a size that the network cannot take.

    Source: Lecture 21, 21.7; Simonyan et al. 2014; Olah et al. 2017; Fel et al. 2023;
    Mahendran & Vedaldi (IJCV 2016), section 6.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> run = jaxvis.maximize(net, params, tap="conv2_1", index=[3, 7], seeds=2, steps=2)
    >>> run.image.shape, run.trace["loss"].shape
    ((2, 2, 64, 64, 3), (2, 2, 2))
    """

    def run(objective: AnyObjective | Sequence[AnyObjective] | None) -> Run:
        target, chosen = choose_recipe(
            net,
            params,
            choose_target(net, params, tap=tap, index=index, objective=objective),
            recipe,
            size=size,
            steps=steps,
            canvas=canvas,
            view=view,
            priors=priors,
        )
        job = plan_maximize(net, params, target, chosen, seeds=seeds, key=key, start=start)
        return job.run(chunk=chunk, progress=progress)

    return _run_groups(objective, run) if isinstance(objective, Sequence) else run(objective)


def plan_maximize(
    net: Network,
    params: Params,
    target: Target,
    recipe: Recipe,
    *,
    seeds: int = 1,
    key: Key | int = 0,
    start: ImageLike | None = None,
) -> Job:
    """Plans the pictures of a target, so that a sweep can be made chunk by chunk.

    Args:
      net, params: the network.
      target, recipe: what `jaxvis.recipes.choose.choose_recipe` returned.
      seeds, key: see `maximize`.
      start: `[H, W, 3]`, see `maximize`.

    Raises:
      ValueError: for no seed, or an image that the recipe cannot begin from.
    """
    check_seeds(seeds)
    keys = item_keys(as_key(key), seeds=seeds, indices=target.indices, name=target.name)
    problem, items = recipe.problem(net), repeat_items(target.items, seeds)
    begin = _begin_from(recipe, start, len(keys), net.channels)
    return Job(problem, params, items, keys, seeds, start=begin)


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


def _begin_from(recipe: Recipe, image: ImageLike | None, count: int, channels: int) -> Any:
    """Gives the first z of all pictures where they begin from an image; else None."""
    if image is None:
        return None
    z = recipe.encode(check_image(image, "the start", channels=channels))
    return jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf), (count, *leaf.shape)), z)
