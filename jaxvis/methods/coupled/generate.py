"""Generators coupled to a network: pictures drawn by a network that learns to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxvis.generators.deep import DeepGenerator
from jaxvis.generators.drawing import MOMENTUM, Driven, Learned
from jaxvis.loss.compose import compose
from jaxvis.methods.coupled.objectives import (
    Targets,
    build_objectives,
    group_targets,
    number_groups,
    scores_tap,
)
from jaxvis.methods.coupled.run import choose_finish, choose_view
from jaxvis.network import Network
from jaxvis.optimize.job import Job
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.problem import Problem
from jaxvis.optimize.rules import Optimizer, adam
from jaxvis.optimize.runs import repeat_items
from jaxvis.recipes.generators import GENERATORS, GeneratorRecipe
from jaxvis.recipes.named import look_up
from jaxvis.types import Canvas, Key, Params, Run, as_key


def generate(
    net: Network,
    params: Params,
    *,
    tap: str | None = None,
    index: Targets = 0,
    seeds: int = 1,
    key: Key | int = 0,
    decoder: dict[str, Any] | None = None,
    recipe: str | GeneratorRecipe | None = None,
    steps: int | None = None,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Makes pictures by deep generators coupled to the network.

    xi* = argmin 1 - a(c) + lambda sum_(j != c) a(j) + R(xi), a the activations of the
    network for the picture that the generator with the parameters xi draws. Without
    `decoder` xi is a whole generator for every item, and R = penalty * |gamma|_1 of its
    last batch norm. With `decoder` xi is alpha, 3200 numbers on the shared decoder, and
    R = penalty * |alpha|^2; the picture is the pixelwise median of the last ten epochs.

    Args:
      net, params: the network.
      tap: whose activations; None takes the network's class scores.
      index: which class or channel; several for a sweep. A tuple in it asks for all of
        its classes (a compound picture) or filters (a group) in one picture.
      seeds: pictures per item, from different random starts.
      key: a typed random key, or an integer seed.
      decoder: {"params", "statistics", "code"} of a trained decoder, see
        `jaxvis.methods.coupled.autoencode.decoder_of`; None learns a whole generator, whose
        images have the network's channels.
      recipe: "paper", with a decoder "decoder" or "frozen" (`jaxvis.recipes.GENERATORS`),
        or a `jaxvis.recipes.GeneratorRecipe`; None takes "decoder" where there is one,
        and "paper" else.
      steps: updates, instead of the recipe's.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with two leading axes, item and seed: image `[n, seeds, H, W, 3]` in [0, 1],
      trace["loss"] `[n, seeds, steps]`; z is empty.

    Raises:
      ValueError: for an unknown tap or recipe, an index outside the tap, or a decoder of
        another table than the recipe's.

    Source: Despraz, Gomez, Satizabal & Pena-Reyes, Towards a better understanding of
      deep neural networks representations using deep generative networks (2017), Eq.
      1-4, section 3 and Table 1; lambda, noise, dropout and the median from the
      authors' code.
    Departures: pictures are upright and get their mean colour back; below 500 steps the
      running averages keep less than 0.99 a step (1 - 5 / steps); see `Couple`.

    >>> import jaxvis
    >>> from jaxvis.generators.deep import DeepGenerator
    >>> net, params = jaxvis.load("demo")
    >>> small = DeepGenerator(start=(4, 4, 3), stages=((4, 2),))
    >>> own = jaxvis.recipes.GeneratorRecipe(generator=small)
    >>> jaxvis.generate(net, params, tap="relu1_1", recipe=own, steps=2).image.shape
    (1, 1, 12, 12, 3)
    """
    chosen, groups = choose_generator(recipe, decoder=decoder, steps=steps), group_targets(index)
    job = plan_generate(net, params, groups, chosen, tap=tap, decoder=decoder, seeds=seeds, key=key)
    return job.run(chunk=chunk, progress=progress)


def plan_generate(
    net: Network,
    params: Params,
    groups: Sequence[tuple[int, ...]],
    recipe: GeneratorRecipe,
    *,
    tap: str | None = None,
    decoder: dict[str, Any] | None = None,
    seeds: int = 1,
    key: Key | int = 0,
) -> Job:
    """Plans pictures by generators, so that a sweep can be made chunk by chunk.

    Args:
      net, params: the network.
      groups: the classes or channels of each picture, as
        `jaxvis.methods.coupled.objectives.group_targets` gives them.
      recipe: what `choose_generator` returned.
      tap, decoder, seeds, key: see `generate`.

    Raises:
      ValueError: as `generate`.
    """
    tap = scores_tap(net, tap)
    items = build_objectives(
        net, params, groups, tap=tap, others=recipe.others, rectified=recipe.rectified
    )
    keys = item_keys(as_key(key), seeds=seeds, indices=number_groups(groups), name=tap)
    optimizer, start = _choose_optimizer(recipe, decoder), None
    canvas: Canvas = _build_learned(recipe, net.channels)
    if decoder is not None:
        _check_table(recipe.generator, decoder)
        _check_channels(recipe.generator, net)
        every = max(recipe.steps // 30, 1)
        driven = canvas = _build_driven(recipe, every, net.channels)
        start = _copy(driven.start(decoder, steps=recipe.steps, every=every), len(keys))
    loss = compose(net, canvas, view=choose_view(net, canvas), dropout=tuple(recipe.dropout))
    finish = choose_finish(recipe.stretched)
    problem = Problem(loss, canvas, optimizer, recipe.steps, finish=finish)
    return Job(
        problem,
        params,
        repeat_items(items, seeds),
        keys,
        seeds,
        shared=decoder,
        start=start,
        keep_z=False,
    )


def choose_generator(
    recipe: str | GeneratorRecipe | None,
    *,
    decoder: dict[str, Any] | None = None,
    steps: int | None = None,
) -> GeneratorRecipe:
    """Gives the recipe of a name, or the paper's with or without a decoder.

    Args:
      recipe: a name of `jaxvis.recipes.GENERATORS`, a recipe, or None.
      decoder: see `generate`.
      steps: instead of the recipe's.

    Raises:
      ValueError: for an unknown name, or a recipe that needs a decoder where there is none.
    """
    if recipe is None:
        recipe = "paper" if decoder is None else "decoder"
    chosen = look_up(recipe, GENERATORS, GeneratorRecipe)
    if decoder is None and chosen.frozen:
        raise ValueError("frozen is of a trained decoder: pass decoder= too")
    if decoder is None and chosen.optimizer is None:
        raise ValueError("the recipe's optimizer is None, which is of a trained decoder: name one")
    return chosen if steps is None else replace(chosen, steps=steps)


def _build_learned(recipe: GeneratorRecipe, channels: int) -> Learned:
    return Learned(
        replace(recipe.generator, channels=channels),
        gain=recipe.gain,
        penalty=recipe.penalty,
        momentum=_choose_momentum(recipe.steps),
    )


def _build_driven(recipe: GeneratorRecipe, every: int, channels: int) -> Driven:
    return Driven(
        recipe.generator,
        penalty=recipe.penalty,
        gain=recipe.gain,
        keep=max(min(10, recipe.steps // every), 1),
        frozen=recipe.frozen,
        momentum=_choose_momentum(recipe.steps),
        channels=channels,
    )


def _check_channels(table: DeepGenerator, net: Network) -> None:
    """Refuses a decoder whose images a network cannot be shown."""
    if net.channels != table.channels and {net.channels, table.channels} != {1, 3}:
        raise ValueError(
            f"the decoder draws images of {table.channels} channels, and {net.name} takes "
            f"{net.channels}: leave decoder out, and a generator is learned for each picture"
        )


def _choose_momentum(steps: int) -> float:
    """Chooses what averages keep: with few steps they must forget their start all the same."""
    return min(MOMENTUM, max(1 - 5 / max(steps, 1), 0.0))


def _check_table(table: DeepGenerator, decoder: dict[str, Any]) -> None:
    """Refuses a decoder whose parameters are of another table than the recipe's."""
    found = {
        row: {name: np.shape(leaf) for name, leaf in leaves.items()}
        for row, leaves in decoder["params"].items()
    }
    if any(
        found.get(row) != leaves
        for row, leaves in table.parameter_shapes().items()
        if row != "alpha"
    ):
        raise ValueError(
            "the decoder has another table than the recipe: pass "
            "recipe=dataclasses.replace(recipe, generator=...), the decoder's own"
        )


def _copy(z: Any, count: int) -> Any:
    """Gives z the sweep's axis without copying it."""
    return jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf), (count, *leaf.shape)), z)


def _choose_optimizer(recipe: GeneratorRecipe, decoder: dict[str, Any] | None) -> Optimizer:
    """Gives the recipe's optimizer, or the one that suits a decoder's mean code."""
    if recipe.optimizer is not None:
        return recipe.optimizer
    assert decoder is not None, "choose_generator has checked it"
    rms = float(np.sqrt(np.mean(np.square(decoder["code"]))))
    if not rms > 0:
        raise ValueError("the decoder's mean code is zero: train it first")
    return adam(0.05 * rms)
