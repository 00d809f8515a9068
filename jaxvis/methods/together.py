"""Pictures that know of each other: diverse ones of one unit, and a row between two."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.loss.algebra import Algebra, Sum
from jaxvis.loss.compose import Weighted, find_size_seen
from jaxvis.loss.couplings import Alignment, Diversity, WeightedCoupling
from jaxvis.loss.objectives import as_objective
from jaxvis.network import Network
from jaxvis.optimize import Job
from jaxvis.optimize.keys import check_seeds, item_keys
from jaxvis.optimize.runs import change_when_interrupted, repeat_items
from jaxvis.optimize.watch import Progress, change_looks
from jaxvis.recipes.choose import choose_recipe
from jaxvis.recipes.natural import Natural
from jaxvis.recipes.recipe import Recipe, Size
from jaxvis.recipes.targets import AnyObjective, Target, choose_target
from jaxvis.recipes.together import Aligned, Diverse, build_group, find_map
from jaxvis.types import Canvas, Key, Params, Run, View, as_key

DIVERSE, ALIGNED = Diverse(), Aligned()
"""The defaults."""


def diversify(
    net: Network,
    params: Params,
    *,
    tap: str | None = None,
    index: int | Sequence[int] | range | None = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    diverse: int | Diverse = DIVERSE,
    seeds: int = 1,
    key: Key | int = 0,
    recipe: str | Recipe | Natural = "robust",
    size: Size | None = None,
    steps: int | None = None,
    canvas: Canvas | None = None,
    view: View | None = None,
    priors: Sequence[Weighted] | Mapping[str, Any] | None = None,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Makes several pictures of every unit that are as different as the unit allows.

    min over z_1..z_d of sum_i E(z_i) + weight u sum over i != j of cos(G_i, G_j), E as in
    `jaxvis.maximize`, u = |mean_i E(z_i)| and G_i the Gram matrix of a layer in picture i: what
    else excites the unit is looked for, too.

    Args:
      net, params: the network.
      tap, index, objective: what is maximised, see `jaxvis.maximize`.
      diverse: d, the number of pictures, or a `jaxvis.recipes.Diverse`: number, weight and
        layer.
      seeds: groups of every unit.
      key: a typed random key, or an integer seed.
      recipe, size, steps, canvas, view, priors: see `jaxvis.maximize`.
      chunk: groups that are made together, see `jaxvis.optimize.solve`.
      progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with two leading axes, index and seed, and in its images a third, the pictures of
      a group: image `[n, seeds, d, H, W, 3]`, trace["objective"] (the group's sum) and
      trace["diversity"] `[n, seeds, steps]`, status `[n, seeds]`.

    Raises:
      ValueError: as `jaxvis.maximize`, and as `jaxvis.recipes.Diverse`.

    Source: Olah, Mordvintsev & Schubert, Feature Visualization (2017), diversity. Departures:
      the weight is relative to u, as activations of networks differ in size.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> run = jaxvis.diversify(net, params, tap="relu3_1", index=3, diverse=3, steps=2)
    >>> run.image.shape
    (1, 1, 3, 64, 64, 3)
    """
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
    job = plan_diverse(net, params, target, chosen, diverse=diverse, seeds=seeds, key=key)
    return job.run(chunk=chunk, progress=progress)


def plan_diverse(
    net: Network,
    params: Params,
    target: Target,
    recipe: Recipe,
    *,
    diverse: int | Diverse = DIVERSE,
    seeds: int = 1,
    key: Key | int = 0,
) -> Job:
    """Plans groups of diverse pictures, so that a sweep can be made chunk by chunk.

    Args:
      net, params: the network.
      target, recipe: what `jaxvis.recipes.choose.choose_recipe` returned.
      diverse, seeds, key: see `diversify`.

    Raises:
      ValueError: for no seed, less than two pictures, or an unknown layer.
    """
    check_seeds(seeds)
    how = Diverse(diverse) if isinstance(diverse, int) else diverse
    tap = how.tap or _find_map(net, params, target.items, recipe, own=True)
    couplings = [WeightedCoupling("diversity", how.weight, Diversity(tap))]
    problem = build_group(recipe, net, how.count, couplings)
    items = repeat_items(_repeat_members(target.items, how.count), seeds)
    keys = item_keys(as_key(key), seeds=seeds, indices=target.indices, name=target.name)
    return Job(problem, params, items, keys, seeds)


def interpolate(
    net: Network,
    params: Params,
    first: int | AnyObjective,
    last: int | AnyObjective,
    *,
    tap: str | None = None,
    count: int = 5,
    aligned: float | Aligned = ALIGNED,
    seeds: int = 1,
    key: Key | int = 0,
    recipe: str | Recipe | Natural = "robust",
    size: Size | None = None,
    steps: int | None = None,
    canvas: Canvas | None = None,
    view: View | None = None,
    priors: Sequence[Weighted] | Mapping[str, Any] | None = None,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Makes a row of pictures from one objective to another.

    Picture i of n minimises (1 - t) A + t B, t = i / (n - 1). All pictures of a row begin
    from the same start and are seen through the same random views, and neighbours are drawn
    towards each other at a layer, so that what they share stands at the same place.

    Args:
      net, params: the network.
      first, last: A and B: numbers of classes, or of channels of `tap`; or objectives of
        `jaxvis.objectives`, on any layers, or functions `taps -> scalar`.
      tap: the layer of the numbers; None takes the class scores.
      count: n, pictures of a row.
      aligned: the weight of the alignment, 0 for none, or a `jaxvis.recipes.Aligned`.
      seeds: rows, from different random starts.
      key: a typed random key, or an integer seed.
      recipe, size, steps, canvas, view, priors: see `jaxvis.maximize`.
      chunk: rows that are made together, see `jaxvis.optimize.solve`.
      progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis, and in its images a second, the pictures of a row: image
      `[seeds, n, H, W, 3]`, trace["objective"] (the row's sum) and trace["alignment"]
      `[seeds, steps]`, status `[seeds]`.

    Raises:
      ValueError: as `jaxvis.maximize`, or for fewer than two pictures.

    Source: Olah, Mordvintsev & Schubert, Feature Visualization (2017), interpolation.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> run = jaxvis.interpolate(net, params, 0, 3, count=3, steps=2)
    >>> run.image.shape
    (1, 3, 64, 64, 3)
    """
    target, chosen = choose_recipe(
        net,
        params,
        plan_row(net, params, first, last, tap=tap, count=count),
        recipe,
        size=size,
        steps=steps,
        canvas=canvas,
        view=view,
        priors=priors,
    )
    job = plan_interpolation(net, params, target, chosen, aligned=aligned, seeds=seeds, key=key)
    with change_when_interrupted(_drop_item):
        return _drop_item(job.run(chunk=chunk, progress=change_looks(progress, _drop_item)))


def plan_row(
    net: Network,
    params: Params,
    first: int | AnyObjective,
    last: int | AnyObjective,
    *,
    tap: str | None = None,
    count: int = 5,
) -> Target:
    """Builds the objectives of a row from one objective to another, leaves `[count, ...]`.

    Args:
      net, params: the network.
      first, last, tap, count: see `interpolate`.

    Raises:
      ValueError: for fewer than two pictures, a number that there is none of, or a tap
        beside two objectives.
    """
    if count < 2:
        raise ValueError(f"a row has at least 2 pictures, not {count}")
    numbers = [isinstance(end, int | np.integer) for end in (first, last)]
    if tap is not None and not any(numbers):
        raise ValueError("tap= is the layer of numbers: leave it out beside two objectives")

    def read(end: Any, number: bool) -> Algebra:
        if not number:
            return 1.0 * as_objective(end)
        target = choose_target(net, params, tap=tap, index=int(end))
        return 1.0 * jax.tree.map(lambda leaf: leaf[0], target.items)

    ends = tuple(read(*pair) for pair in zip((first, last), numbers))
    parts = jax.tree.map(lambda leaf: jnp.repeat(jnp.asarray(leaf)[None], count, 0), ends)
    share = jnp.linspace(0, 1, count)
    items = Sum(parts, (1 - share, share))
    # The keys are those of the first end, so a row begins as other rows from there do.
    return Target(items, None, np.zeros(count, np.int32))


def plan_interpolation(
    net: Network,
    params: Params,
    target: Target,
    recipe: Recipe,
    *,
    aligned: float | Aligned = ALIGNED,
    seeds: int = 1,
    key: Key | int = 0,
) -> Job:
    """Plans rows of pictures from one objective to another.

    Args:
      net, params: the network.
      target: of `plan_row`.
      recipe: what `jaxvis.recipes.choose.choose_recipe` returned beside it.
      aligned, seeds, key: see `interpolate`.

    Raises:
      ValueError: for no seed, a bad weight, or an unknown layer.
    """
    check_seeds(seeds)
    how = aligned if isinstance(aligned, Aligned) else Aligned(float(aligned))
    tap = how.tap or _find_map(net, params, target.items, recipe, own=False)
    alignment = Alignment(tap, decay=how.decay, reach=how.reach)
    couplings = [WeightedCoupling("alignment", how.weight, alignment)]
    problem = build_group(recipe, net, len(target.indices), couplings, alike=True)
    items = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], seeds, 0), target.items)
    return Job(problem, params, items, item_keys(as_key(key), seeds=seeds), seeds)


def _find_map(net: Network, params: Params, items: Algebra, recipe: Recipe, *, own: bool) -> str:
    """Finds the layer where pictures are compared, below the first of those maximised."""
    names = items.taps or net.taps[-1:]
    tap = min(names, key=net.taps.index)
    return find_map(net, params, tap, find_size_seen(recipe.canvas, recipe.view, net), own=own)


def _repeat_members(items: Any, count: int) -> Any:
    """Gives every item of a sweep the axis of its pictures, leaves `[n, count, ...]`."""
    return jax.tree.map(lambda leaf: jnp.repeat(leaf[:, None], count, axis=1), items)


def _drop_item(run: Run) -> Run:
    """Drops the axis of the one item that a row is."""
    return jax.tree.map(lambda leaf: leaf[0], run)
