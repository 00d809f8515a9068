"""Training a denoising autoencoder on images, and its decoder as a generator."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxvis.generators.autoencoder import AUTOENCODERS, Autoencoder, averaged
from jaxvis.train.checkpoint import peek, restore
from jaxvis.train.images import Images
from jaxvis.train.loop import Trained, train
from jaxvis.types import Array, Key, Terms, as_key

OPTIMIZERS = {"adadelta": 1.0, "adam": 1e-3}
"""Name -> its usual learning rate."""


@lru_cache(maxsize=64)
def _optimizer(name: str, rate: float) -> optax.GradientTransformation:
    if name == "adadelta":
        return optax.adadelta(rate, rho=0.95, eps=1e-8)
    return optax.adam(rate)


@dataclass(frozen=True)
class Denoising:
    """Returns the state after one update: `(state, images, key) -> (state, terms)`.

    The loss is the mean square difference between image and reconstruction of the
    image with noise, in units of `model.gain` grey levels.

    Args:
      model: the autoencoder.
      noise: standard deviation of the Gaussian noise, in units of [0, 1].
      optimizer: a name of `OPTIMIZERS`.
      rate: its learning rate.
    """

    model: Autoencoder
    noise: float
    optimizer: str
    rate: float

    def init(self, key: Key) -> dict[str, Any]:
        """Returns the first state: {"params", "statistics", "optimizer"}."""
        made = self.model.init(key)
        tool = _optimizer(self.optimizer, self.rate)
        return {**made, "optimizer": tool.init(made["params"])}

    def __call__(
        self, state: dict[str, Any], images: Array, key: Key
    ) -> tuple[dict[str, Any], Terms]:
        """Returns (the next state, {"loss"}) of images `[B, H, W, 3]` in [0, 1]."""
        noisy = images + self.noise * jax.random.normal(key, images.shape)

        def loss(params: Any) -> tuple[Array, Any]:
            found, own = self.model.reconstruct(params, state["statistics"], noisy, train=True)
            return self._error(found, images), own

        (value, own), grad = jax.value_and_grad(loss, has_aux=True)(state["params"])
        tool = _optimizer(self.optimizer, self.rate)
        updates, optimizer = tool.update(grad, state["optimizer"], state["params"])
        params = optax.apply_updates(state["params"], updates)
        statistics = averaged(state["statistics"], own)
        state = {"params": params, "statistics": statistics, "optimizer": optimizer}
        return state, {"loss": value}

    def measure(self, state: dict[str, Any], images: Array, key: Key) -> Terms:
        """Returns the loss of `images` held out `[B, H, W, 3]`, in `state`."""
        noisy = images + self.noise * jax.random.normal(key, images.shape)
        found, _ = self.model.reconstruct(state["params"], state["statistics"], noisy)
        return {"loss": self._error(found, images)}

    def _error(self, found: Array, images: Array) -> Array:
        return jnp.mean(((found - images) * 255 / self.model.gain) ** 2)


@dataclass(frozen=True)
class _Measure:
    step: Denoising

    def __call__(self, state: Any, images: Array, key: Key) -> Terms:
        return self.step.measure(state, images, key)


def train_autoencoder(
    images: Images,
    held_out: Images,
    *,
    model: str = "despraz",
    noise: float = 0.1,
    optimizer: str = "adadelta",
    learning_rate: float | None = None,
    steps: int = 1000,
    batch: int = 24,
    seed: int = 0,
    validate_every: int = 100,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_seconds: float = 120.0,
    resume: bool = False,
    progress: bool = False,
) -> Trained:
    """Returns a trained denoising autoencoder: what `load_decoder` reads.

    Args:
      images: to train on, of the model's size.
      held_out: images that are measured alone; may be empty.
      model: a name of `jaxvis.generators.autoencoder.AUTOENCODERS`.
      noise: standard deviation of the noise on the input, in units of [0, 1].
      optimizer: "adadelta", the paper's, or "adam".
      learning_rate: None is 1 of Adadelta and 0.001 of Adam.
      steps: updates.
      batch: images of each.
      seed: of all randomness.
      validate_every, checkpoint, checkpoint_seconds, resume, progress: see
        `jaxvis.train.loop.train`.

    Returns:
      Trained: state {"params", "statistics", "optimizer"}, and the curves "loss" and
      "validation loss".

    Raises:
      ValueError: for an unknown model or optimizer, images of another size, and as
        `train`.

    Source: Despraz et al., section 3.2 and Figure 3: batch 24, Adadelta, mean square
      error. Departures: the noise is there (the authors' code has none); the code is
      not drawn to zero; see `Autoencoder` for the units.
    """
    step = _step(model, noise, optimizer, learning_rate)
    if tuple(images.size) != step.model.size:
        raise ValueError(
            f"{model!r} takes images of {step.model.size}, these are {images.size}: "
            "open the folder with its size"
        )
    facts = {
        "kind": "autoencoder",
        "model": model,
        "noise": noise,
        "optimizer": optimizer,
        "learning_rate": step.rate,
        "batch": batch,
        "seed": seed,
        "images": len(images),
    }
    key = as_key(seed)
    state = _begun(step, jax.random.fold_in(key, 2**31))
    return train(
        step,
        state,
        images,
        key,
        steps=steps,
        batch=batch,
        seed=seed,
        measure=_Measure(step),
        held_out=held_out if len(held_out) else None,
        validate_every=validate_every,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        facts=facts,
        resume=resume,
        progress=progress,
    )


@partial(jax.jit, static_argnums=0)
def _begun(step: Denoising, key: Key) -> dict[str, Any]:
    return step.init(key)


def _step(model: str, noise: float, optimizer: str, rate: float | None) -> Denoising:
    if model not in AUTOENCODERS:
        raise ValueError(f"model is one of {', '.join(AUTOENCODERS)}, not {model!r}")
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer is one of {', '.join(OPTIMIZERS)}, not {optimizer!r}")
    if noise < 0:
        raise ValueError(f"noise is at least 0, not {noise}")
    rate = OPTIMIZERS[optimizer] if rate is None else rate
    return Denoising(AUTOENCODERS[model](), noise, optimizer, rate)


def load_autoencoder(
    path: str | os.PathLike,
) -> tuple[Autoencoder, dict[str, Any], Mapping[str, Any]]:
    """Returns (autoencoder, {"params", "statistics"}, facts) of a checkpoint.

    Args:
      path: a checkpoint of `train_autoencoder`.

    Raises:
      FileNotFoundError: if it does not exist.
      ValueError: if it is no such checkpoint, damaged, or of an unknown model.
    """
    _, facts = peek(path)
    if facts.get("kind") != "autoencoder" or facts.get("model") not in AUTOENCODERS:
        raise ValueError(
            f"{path} holds no autoencoder of this library: train one with jaxvis train "
            "autoencoder FOLDER"
        )
    step = _step(facts["model"], facts["noise"], facts["optimizer"], facts["learning_rate"])
    like = jax.eval_shape(step.init, jax.random.key(0))
    state = restore(path, like).state
    return step.model, {n: state[n] for n in ("params", "statistics")}, facts


def decoder_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the decoder, as `jaxvis.methods.coupled.generate.generate` takes it.

    Args:
      state: {"params", "statistics"} of an autoencoder.
    """
    decoder = {name: state[name]["decoder"] for name in ("params", "statistics")}
    return {**decoder, "code": state["statistics"]["code"]}
