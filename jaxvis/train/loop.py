"""The training loop: steps, progress, validation, checkpoints, losses kept.

Everything random in step k comes from fold_in(key, k), and its images from the seed and
k: a training resumed from a checkpoint does what the uninterrupted one would have done,
bit for bit.
"""

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxvis.train.checkpoint import restore, save_checkpoint
from jaxvis.train.images import Images, batches
from jaxvis.types import Array, Key, Terms

Step = Callable[[Any, Array, Key], tuple[Any, Terms]]
"""`(state, images [B, H, W, 3] float32 in [0, 1], key) -> (state, terms)`; terms has
"loss". Hashable and pure: a frozen dataclass, or a function of a module. Where arrays
are `given` to the training, they are its last argument."""
Measure = Callable[[Any, Array, Key], Terms]
"""`(state, images, key) -> terms`: what is measured of images held out."""

SECONDS = 120.0
"""Between two checkpoints."""
WAITING = 16
"""Steps whose losses may wait on the device before they are read."""


class Trained(NamedTuple):
    """What training leaves.

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


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def _stepped(
    step: Step, state: Any, images: Array, key: Key, at: Array, *given: Any
) -> tuple[Any, Terms]:
    return step(state, _scaled(images), jax.random.fold_in(key, at), *given)


@partial(jax.jit, static_argnums=0)
def _measured(measure: Measure, state: Any, images: Array, key: Key, *given: Any) -> Terms:
    return measure(state, _scaled(images), key, *given)


def _scaled(images: Array) -> Array:
    return images.astype(jnp.float32) / 255


def train(
    step: Step,
    state: Any,
    images: Images,
    key: Key,
    *,
    steps: int,
    batch: int,
    given: Any = None,
    seed: int = 0,
    measure: Measure | None = None,
    held_out: Images | None = None,
    validate_every: int = 100,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_seconds: float = SECONDS,
    facts: Mapping[str, Any] | None = None,
    resume: bool = False,
    progress: bool = False,
    on_step: Callable[[int, Terms], Any] | None = None,
) -> Trained:
    """Returns the state after `steps` steps, and every loss on the way.

    Args:
      step: one update; see `Step`.
      state: a pytree of arrays: parameters, statistics, the optimizer's state. It is
        consumed: the step's memory is reused.
      images: what to train on.
      key: a typed random key.
      steps: updates in all, those before a resume included.
      batch: images a step.
      given: arrays that step and measure read and no checkpoint holds, such as the
        parameters of a network that is not trained; None passes nothing.
      seed: of the images' order.
      measure: what is measured of `held_out`; see `Measure`.
      held_out: images that are not trained on; None measures nothing.
      validate_every: steps between two validations; the last step is one of them.
      checkpoint: a file that is replaced every `checkpoint_seconds`, on Ctrl-C and at
        the end; None writes none.
      checkpoint_seconds: between two of them; 0 writes one after every step.
      facts: what a checkpoint must share to go on from it: the network, the options.
      resume: whether to go on from `checkpoint` where it exists.
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
    if resume and checkpoint is not None and Path(checkpoint).exists():
        saved = restore(checkpoint, state, facts=facts)
        state, first, curves = saved.state, saved.step, saved.curves
    keeper = _Keeper(checkpoint, facts, checkpoint_seconds, curves)
    measured = held_out is not None and measure is not None
    feed = batches(images, range(first, steps), batch=batch, seed=seed)
    taken, given = first, () if given is None else (given,)
    try:
        with tqdm(total=steps, initial=first, disable=not progress, delay=1) as bar:
            for pixels in feed:
                state, terms = _stepped(step, state, pixels, key, np.int32(taken), *given)
                taken += 1
                keeper.terms(taken, terms)
                if on_step is not None:
                    on_step(taken, terms)
                if measured and (taken % validate_every == 0 or taken == steps):
                    keeper.flush()
                    found = _validated(measure, state, held_out, key, batch, *given)
                    keeper.validation(taken, found)
                bar.set_postfix_str(keeper.text(), refresh=False)
                bar.update()
                keeper.save_if_due(state, taken)
    except KeyboardInterrupt:
        pass
    finally:
        feed.close()
    keeper.save(state, taken)
    return Trained(state, taken, keeper.arrays(), taken >= steps)


def _validated(
    measure: Measure, state: Any, held_out: Images, key: Key, batch: int, *given: Any
) -> dict[str, float]:
    """Returns the mean of every term over the images held out.

    The last batch is filled up with the first images: another size would compile again.
    """
    count = -(-len(held_out) // batch)
    found: list[Terms] = []
    for at in range(count):
        index = np.arange(at * batch, (at + 1) * batch) % len(held_out)
        pixels = np.stack([held_out[int(i)] for i in index])
        own = jax.random.fold_in(key, at)
        found.append(_measured(measure, state, pixels, own, *given))
    return {name: float(np.mean([terms[name] for terms in found])) for name in found[0]}


class _Keeper:
    """What is kept of a training: its losses, and checkpoints."""

    def __init__(
        self,
        path: str | os.PathLike | None,
        facts: Mapping[str, Any] | None,
        seconds: float,
        curves: Mapping[str, np.ndarray],
    ) -> None:
        self.path, self.facts, self.seconds = path, facts, seconds
        self.curves = {name: [*map(tuple, curve)] for name, curve in curves.items()}
        self.waiting: list[tuple[int, Terms]] = []
        self.read = self.saved = time.monotonic()

    def terms(self, step: int, terms: Terms) -> None:
        """Takes a step's terms; they are read now and then, not to stop the device."""
        self.waiting.append((step, terms))
        if len(self.waiting) >= WAITING or time.monotonic() - self.read > 0.5:
            self.flush()

    def flush(self) -> None:
        """Reads the terms that wait."""
        for step, terms in self.waiting:
            for name, value in terms.items():
                self.curves.setdefault(name, []).append((step, float(value)))
            if not np.isfinite(self.curves["loss"][-1][1]):
                raise ValueError(f"the loss of step {step} is not finite: lower the learning rate")
        self.waiting, self.read = [], time.monotonic()

    def validation(self, step: int, terms: Mapping[str, float]) -> None:
        for name, value in terms.items():
            self.curves.setdefault(f"validation {name}", []).append((step, value))

    def text(self) -> str:
        """Returns the newest losses, for the bar."""
        shown = [
            f"{name.replace('validation loss', 'held out')} {curve[-1][1]:.4g}"
            for name, curve in self.curves.items()
            if name in ("loss", "validation loss")
        ]
        return ", ".join(shown)

    def save_if_due(self, state: Any, step: int) -> None:
        if time.monotonic() - self.saved >= self.seconds:
            self.save(state, step)

    def save(self, state: Any, step: int) -> None:
        """Writes a checkpoint, unless Ctrl-C came as the state was being replaced."""
        self.flush()
        gone = any(
            isinstance(leaf, jax.Array) and leaf.is_deleted() for leaf in jax.tree.leaves(state)
        )
        if self.path is None or gone:
            return
        save_checkpoint(self.path, state, step=step, facts=self.facts, curves=self.arrays())
        self.saved = time.monotonic()

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: np.array(curve, float) for name, curve in self.curves.items()}
