"""Generators coupled to a network: pictures drawn by a network that learns to."""

from collections.abc import Collection
from typing import Any

import numpy as np
import optax

from jaxvis.generators.deep import DeepGenerator, pretrained, untrained
from jaxvis.generators.drawing import MOMENTUM, Driven, Learned, learning
from jaxvis.methods.coupled.objectives import CoupledLoss, Targets, targets
from jaxvis.methods.coupled.run import STRETCHES, Coupled, solve_coupled
from jaxvis.network import Network
from jaxvis.optimize import Problem
from jaxvis.optimize.rules.first_order import adam, adamax, nesterov
from jaxvis.optimize.solve import OnChunk
from jaxvis.types import Key, Params, Run, as_key


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
    optimizer: optax.GradientTransformation | None = None,
    steps: int | None = None,
    done: Collection[int] = (),
    chunk: int | None = None,
    progress: bool = False,
    on_chunk: OnChunk | None = None,
) -> Run:
    """Returns pictures drawn by deep generators coupled to the network.

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
      optimizer: an optax transformation; None is AdaMax (0.002), with `decoder` SGD
        (0.01, Nesterov momentum 0.1), with `frozen` Adam (5 % of the mean code's root
        mean square).
      steps: updates; None is 500, with `decoder` 1200, with `frozen` 100.
      done: positions (item * seeds + seed) that are left out, because they are there
        already: they are NaN and unfinished in the Run.
      chunk, progress: see `jaxvis.optimize.solve`.
      on_chunk: called with positions and their finished Run.

    Returns:
      Run with two leading axes, item and seed: image `[n, seeds, H, W, 3]` in [0, 1],
      trace["loss"] `[n, seeds, steps]`; z is empty.

    Raises:
      ValueError: for an unknown tap or option, an index outside the tap, nothing left
        to do, or a network whose size the pictures cannot be resized to.

    Source: Despraz, Gomez, Satizabal & Pena-Reyes, Towards a better understanding of
      deep neural networks representations using deep generative networks (2017), Eq.
      1-4, section 3 and Table 1; lambda, noise, dropout and the median from the
      authors' code.
    Departures: pictures are upright and get their mean colour back; below 500 steps the
      running averages keep less than 0.99 a step (1 - 5 / steps); see `Couple`.
    """
    if stretched not in STRETCHES:
        raise ValueError(f"stretched is one of {', '.join(STRETCHES)}, not {stretched!r}")
    items = targets(net, params, index, tap=tap, others=others, rectified=rectified)
    net.named(dropout)
    if decoder is None:
        if frozen:
            raise ValueError("frozen is of a trained decoder: pass decoder= too")
        canvas = Learned(
            generator or untrained(),
            gain=gain,
            penalty=0.01 if penalty is None else penalty,
        )
        steps, base = steps or 500, optimizer or adamax(0.002)
    else:
        steps = steps or (100 if frozen else 1200)
        every = max(steps // 30, 1)
        canvas = Driven(
            generator or pretrained(),
            penalty=0.1 if penalty is None else penalty,
            gain=gain,
            every=every,
            keep=min(10, steps // every),
            steps=steps,
            frozen=frozen,
        )
        base = optimizer or _mover(decoder, frozen)
    loss = CoupledLoss(net, canvas, tuple(dropout))
    # Where there are few steps the averages must forget their start all the same.
    momentum = min(MOMENTUM, max(1 - 5 / steps, 0.0))
    problem = Problem(loss, canvas, learning(base, momentum=momentum), steps)
    return solve_coupled(
        Coupled(problem, params, decoder, stretched),
        items,
        seeds,
        as_key(key),
        done=done,
        chunk=chunk,
        progress=progress,
        on_chunk=on_chunk,
    )


def _mover(decoder: dict[str, Any], frozen: bool) -> optax.GradientTransformation:
    """Returns the optimizer of alpha."""
    if not frozen:
        return nesterov(0.01, momentum=0.1)
    rms = float(np.sqrt(np.mean(np.square(decoder["code"]))))
    if not rms > 0:
        raise ValueError("the decoder's mean code is zero: train it first")
    return adam(0.05 * rms)
