"""Generators coupled to a network: pictures drawn by a network that learns to."""

from typing import Any

import jax
import numpy as np

from jaxvis.generators.deep import DeepGenerator, despraz_decoder, despraz_generator
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
from jaxvis.optimize.rules import Optimizer, adam, adamax, nesterov
from jaxvis.optimize.runs import repeat_items
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
    frozen: bool = False,
    generator: DeepGenerator | None = None,
    others: float | None = 0.01,
    penalty: float | None = None,
    gain: float = 1.0,
    stretched: str = "none",
    dropout: tuple[str, ...] = (),
    rectified: bool = False,
    optimizer: Optimizer | None = None,
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
        `jaxvis.methods.coupled.autoencode.decoder_of`; None learns the whole.
      frozen: whether the decoder works as it was trained, from the mean code of its
        images on, see `jaxvis.generators.drawing.Driven`; not as in the paper.
      generator: the table; None takes the paper's. The picture is resized for the
        network where its size is another.
      others: lambda; None maximises log softmax(s)_c instead.
      penalty: of R; None is 0.01 without and 0.1 with `decoder`. With `frozen` R is the
        square distance from the mean code, in units of its own.
      gain: grey levels per unit of the generator's output. The original's is 1, whose
        pictures span few of them and are meant to be stretched.
      stretched: how the pictures are returned, one of `STRETCHES`.
      dropout: taps with dropout in every step, VGG's ("relu6", "relu7") in the paper.
      rectified: see `jaxvis.methods.coupled.objectives.Couple`.
      optimizer: see `jaxvis.optimize.rules`; None is AdaMax (0.002), with `decoder` SGD
        (0.01, Nesterov momentum 0.1), with `frozen` Adam (5 % of the mean code's root
        mean square).
      steps: updates; None is 500, with `decoder` 1200, with `frozen` 100.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with two leading axes, item and seed: image `[n, seeds, H, W, 3]` in [0, 1],
      trace["loss"] `[n, seeds, steps]`; z is empty.

    Raises:
      ValueError: for an unknown tap or option, or an index outside the tap.

    Source: Despraz, Gomez, Satizabal & Pena-Reyes, Towards a better understanding of
      deep neural networks representations using deep generative networks (2017), Eq.
      1-4, section 3 and Table 1; lambda, noise, dropout and the median from the
      authors' code.
    Departures: pictures are upright and get their mean colour back; below 500 steps the
      running averages keep less than 0.99 a step (1 - 5 / steps); see `Couple`.
    """
    job = plan_generate(
        net,
        params,
        tap=tap,
        index=index,
        seeds=seeds,
        key=key,
        decoder=decoder,
        frozen=frozen,
        generator=generator,
        others=others,
        penalty=penalty,
        gain=gain,
        stretched=stretched,
        dropout=dropout,
        rectified=rectified,
        optimizer=optimizer,
        steps=steps,
    )
    return job.run(chunk=chunk, progress=progress)


def plan_generate(
    net: Network,
    params: Params,
    *,
    tap: str | None = None,
    index: Targets = 0,
    seeds: int = 1,
    key: Key | int = 0,
    decoder: dict[str, Any] | None = None,
    frozen: bool = False,
    generator: DeepGenerator | None = None,
    others: float | None = 0.01,
    penalty: float | None = None,
    gain: float = 1.0,
    stretched: str = "none",
    dropout: tuple[str, ...] = (),
    rectified: bool = False,
    optimizer: Optimizer | None = None,
    steps: int | None = None,
) -> Job:
    """Plans what `generate` makes, whose options these are.

    Args:
      net, params: the network.
      tap, index, seeds, key, decoder, frozen, generator, others: see `generate`.
      penalty, gain, stretched, dropout, rectified, optimizer, steps: see `generate`.

    Raises:
      ValueError: as `generate`.
    """
    tap, groups = scores_tap(net, tap), group_targets(index)
    items = build_objectives(net, params, groups, tap=tap, others=others, rectified=rectified)
    if decoder is None and frozen:
        raise ValueError("frozen is of a trained decoder: pass decoder= too")
    steps = steps if steps is not None else _default_steps(decoder is not None, frozen)
    # Where there are few steps the averages must forget their start all the same.
    momentum = min(MOMENTUM, max(1 - 5 / max(steps, 1), 0.0))
    keys = item_keys(as_key(key), seeds=seeds, indices=number_groups(groups), name=tap)
    canvas: Canvas
    start = None
    if decoder is None:
        penalty = 0.01 if penalty is None else penalty
        table = generator or despraz_generator()
        canvas = Learned(table, gain=gain, penalty=penalty, momentum=momentum)
        optimizer = optimizer or adamax(0.002)
    else:
        every = max(steps // 30, 1)
        driven = canvas = Driven(
            generator or despraz_decoder(),
            penalty=0.1 if penalty is None else penalty,
            gain=gain,
            keep=max(min(10, steps // every), 1),
            frozen=frozen,
            momentum=momentum,
        )
        optimizer = optimizer or _choose_optimizer(decoder, frozen)
        start = _copy(driven.start(decoder, steps=steps, every=every), len(keys))
    loss = compose(net, canvas, view=choose_view(net, canvas), dropout=tuple(dropout))
    problem = Problem(loss, canvas, optimizer, steps, finish=choose_finish(stretched))
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


def _default_steps(driven: bool, frozen: bool) -> int:
    if not driven:
        return 500
    return 100 if frozen else 1200


def _copy(z: Any, count: int) -> Any:
    """Gives z the sweep's axis without copying it."""
    return jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf), (count, *leaf.shape)), z)


def _choose_optimizer(decoder: dict[str, Any], frozen: bool) -> Optimizer:
    """Chooses the optimizer of alpha."""
    if not frozen:
        return nesterov(0.01, momentum=0.1)
    rms = float(np.sqrt(np.mean(np.square(decoder["code"]))))
    if not rms > 0:
        raise ValueError("the decoder's mean code is zero: train it first")
    return adam(0.05 * rms)
