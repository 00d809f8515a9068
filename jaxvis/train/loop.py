"""The training loop: steps, a progress bar, validation, checkpoints, and the losses.

The randomness of step k comes from fold_in(key, k), and its images from the seed and k.
A training that is resumed from a checkpoint therefore computes exactly what an
uninterrupted one would have computed, bit for bit on the same machine.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxvis.compiler import jit
from jaxvis.interrupts import hold_interrupts
from jaxvis.train.checkpoint import restore, save_checkpoint
from jaxvis.train.images import Images, read_batches
from jaxvis.types import Array, Key, Terms

Step = Callable[..., tuple[Any, Terms]]
"""`(state, images [B, H, W, 3] float32 in [0, 1], key) -> (state, terms)`; terms has
"loss". Hashable and pure: a frozen dataclass, or a function of a module. Where arrays
are `given` to the training, they are its last argument."""


class DrivenStep:
    """A step that drives programs of its own from Python, such as an attack of many steps.

    On a CPU a convolution inside a compiled loop is several times slower.
    """

    def drive(self, state: Any, images: Array, key: Key, at: int, *given: Any) -> tuple[Any, Terms]:
        """Takes a step, as `Step` says.

        Args:
          images: `[B, H, W, C]` in [0, 1].
          at: how many steps were taken before it.
          *given: see `Step`.

        Raises:
          NotImplementedError: where a step does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} has no drive")


Measure = Callable[..., Terms]
"""`(state, images, key) -> terms`: measures the images held out; see `Step` for `given`."""

SECONDS = 120.0
"""Seconds between two checkpoints."""
WAITING = 16
"""Steps whose losses may wait on the device before they are read."""


@dataclass(frozen=True, eq=False)
class Validation:
    """Images that are held out from a training, and how they are measured.

    Args:
      images: the images held out.
      measure: measures them; see `Measure`.
      every: steps between two validations; the last step is always followed by one.
    """

    images: Images
    measure: Measure
    every: int = 100


@dataclass(frozen=True, eq=False)
class CheckpointFile:
    """The file that keeps a training, and how it is used.

    Args:
      path: the file; it is replaced every `seconds`, on Ctrl-C and at the end.
      facts: the network and the options, which a checkpoint must share to be resumed.
      seconds: between two writings; 0 writes after every step.
      resume: whether to go on from the file where it exists.
    """

    path: str | os.PathLike
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = SECONDS
    resume: bool = False


class Training(NamedTuple):
    """The result of a training.

    Attributes:
      state: after the last step.
      step: how many steps it has had, in all.
      curves: term -> `[n, 2]` float64, (step, value) of every step; "validation TERM"
        of every validation.
      done: whether all steps were taken; False after Ctrl-C.
    """

    state: Any
    step: int
    curves: dict[str, np.ndarray]
    done: bool


@jit(static_argnums=0, donate_argnums=1)
def _take_step(
    step: Step, state: Any, images: Array, key: Key, at: Array, *given: Any
) -> tuple[Any, Terms]:
    return step(state, _to_float(images), jax.random.fold_in(key, at), *given)


@jit(static_argnums=0)
def _measure(measure: Measure, state: Any, images: Array, key: Key, *given: Any) -> Terms:
    return measure(state, _to_float(images), key, *given)


def _advance(
    step: Step | DrivenStep, state: Any, pixels: np.ndarray, key: Key, taken: int, *given: Any
) -> tuple[Any, Terms]:
    """Returns the next state and the terms, by one program or by several."""
    if isinstance(step, DrivenStep):
        own = jax.random.fold_in(key, taken)
        return step.drive(state, _to_float(jnp.asarray(pixels)), own, taken, *given)
    return _take_step(step, state, pixels, key, np.int32(taken), *given)


def _to_float(images: Array) -> Array:
    return images.astype(jnp.float32) / 255


def train(
    step: Step | DrivenStep,
    state: Any,
    images: Images,
    key: Key,
    *,
    steps: int,
    batch: int,
    given: Any = None,
    seed: int = 0,
    validation: Validation | None = None,
    checkpoint: CheckpointFile | None = None,
    progress: bool = False,
    on_step: Callable[[int, Terms], Any] | None = None,
) -> Training:
    """Trains for a number of steps, and returns the state and the loss of every step.

    Args:
      step: one update; see `Step`, and `DrivenStep` for one that is no single program.
      state: a pytree of arrays: parameters, statistics, the optimizer's state. Its memory
        is reused by the steps, so it must not be used afterwards.
      images: what to train on.
      key: a typed random key.
      steps: updates in all, those before a resume included.
      batch: images a step.
      given: arrays that step and measure read and no checkpoint holds, such as the
        parameters of a network that is not trained; None passes nothing.
      seed: of the images' order.
      validation: the images held out; None measures nothing.
      checkpoint: the file that keeps the training; None writes none.
      progress: whether to show a bar with the loss.
      on_step: called with the steps taken and the step's terms, on the device.

    Raises:
      OSError: if a checkpoint cannot be written.
      ValueError: for no steps or images in a batch, a checkpoint that does not fit, or
        if the loss turns non-finite: the checkpoint written before that stays.
    """
    if steps < 1 or batch < 1:
        raise ValueError(f"steps and batch are at least 1, not {steps} and {batch}")
    first, curves = 0, {}
    if checkpoint is not None and checkpoint.resume and Path(checkpoint.path).exists():
        saved = restore(checkpoint.path, state, facts=checkpoint.facts)
        state, first, curves = saved.state, saved.step, saved.curves
        if validation and first < steps:
            curves = _drop_last_validation(curves, validation.every)
    log = _Log(checkpoint, curves)
    feed = read_batches(images, range(first, steps), batch=batch, seed=seed)
    taken, given = first, () if given is None else (given,)
    try:
        # A step that is interrupted has consumed the old state and given no new one.
        bar = tqdm(total=steps, initial=first, disable=not progress, delay=1)
        with bar, hold_interrupts() as stopped:
            for pixels in feed:
                state, terms = _advance(step, state, pixels, key, taken, *given)
                taken += 1
                log.add(taken, terms)
                if on_step is not None:
                    on_step(taken, terms)
                if validation and (taken % validation.every == 0 or taken == steps):
                    log.flush()
                    log.add_validation(taken, _validate(validation, state, key, batch, *given))
                bar.set_postfix_str(log.describe(), refresh=False)
                bar.update()
                log.save_if_due(state, taken)
                if stopped():
                    break
    except KeyboardInterrupt:
        pass
    finally:
        feed.close()
    log.save(state, taken)
    return Training(state, taken, log.to_arrays(), taken >= steps)


def _drop_last_validation(curves: Mapping[str, np.ndarray], every: int) -> dict[str, np.ndarray]:
    """Drops the validation after the last step of a shorter training that goes on.

    A longer training would not have made it, and is to have the same curves.
    """
    kept = {
        name: curve[curve[:, 0] % every == 0] if name.startswith("validation ") else curve
        for name, curve in curves.items()
    }
    return {name: curve for name, curve in kept.items() if len(curve)}


def _validate(
    validation: Validation, state: Any, key: Key, batch: int, *given: Any
) -> dict[str, float]:
    """Computes the mean of every term over the images held out.

    The last batch is filled up with the first images, since another size would compile
    again.
    """
    images = validation.images
    found: list[Terms] = []
    for at in range(-(-len(images) // batch)):
        index = np.arange(at * batch, (at + 1) * batch) % len(images)
        pixels = np.stack([images[int(i)] for i in index])
        own = jax.random.fold_in(key, at)
        found.append(_measure(validation.measure, state, pixels, own, *given))
    return {name: float(np.mean([terms[name] for terms in found])) for name in found[0]}


class _Log:
    """The losses of a training so far, and its checkpoints."""

    def __init__(self, file: CheckpointFile | None, curves: Mapping[str, np.ndarray]) -> None:
        self.file = file
        self.curves = {name: [*map(tuple, curve)] for name, curve in curves.items()}
        self.waiting: list[tuple[int, Terms]] = []
        self.read = self.saved = time.monotonic()

    def add(self, step: int, terms: Terms) -> None:
        """Adds a step's terms. They are read later, so that the device need not wait."""
        self.waiting.append((step, terms))
        if len(self.waiting) >= WAITING or time.monotonic() - self.read > 0.5:
            self.flush()

    def flush(self) -> None:
        """Reads the terms that wait on the device."""
        for step, terms in self.waiting:
            for name, value in terms.items():
                self.curves.setdefault(name, []).append((step, float(value)))
            if not np.isfinite(self.curves["loss"][-1][1]):
                raise ValueError(f"the loss of step {step} is not finite: lower the learning rate")
        self.waiting, self.read = [], time.monotonic()

    def add_validation(self, step: int, terms: Mapping[str, float]) -> None:
        for name, value in terms.items():
            self.curves.setdefault(f"validation {name}", []).append((step, value))

    def describe(self) -> str:
        """Gives the newest losses as text, for the bar."""
        shown = [
            f"{name.replace('validation loss', 'held out')} {curve[-1][1]:.4g}"
            for name, curve in self.curves.items()
            if name in ("loss", "validation loss")
        ]
        return ", ".join(shown)

    def save_if_due(self, state: Any, step: int) -> None:
        if self.file is not None and time.monotonic() - self.saved >= self.file.seconds:
            self.save(state, step)

    def save(self, state: Any, step: int) -> None:
        """Writes a checkpoint, unless Ctrl-C came as the state was being replaced."""
        self.flush()
        deleted = any(
            isinstance(leaf, jax.Array) and leaf.is_deleted() for leaf in jax.tree.leaves(state)
        )
        if self.file is None or deleted:
            return
        file, curves = self.file, self.to_arrays()
        save_checkpoint(file.path, state, step=step, facts=file.facts, curves=curves)
        self.saved = time.monotonic()

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {name: np.array(curve, float) for name, curve in self.curves.items()}
