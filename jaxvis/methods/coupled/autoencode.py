"""Training a denoising autoencoder on images, and its decoder as a generator."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxvis.compiler import jit
from jaxvis.generators.autoencoder import AUTOENCODERS, Autoencoder, update_averages
from jaxvis.optimize.rules import Rule, adam, transformation_of
from jaxvis.train.checkpoint import peek, restore
from jaxvis.train.images import Images
from jaxvis.train.loop import CheckpointFile, Training, Validation, train
from jaxvis.types import Array, Interrupted, Key, Terms, as_key

OPTIMIZERS = {
    "adadelta": Rule(optax.adadelta, 1.0, (("rho", 0.95), ("eps", 1e-8))),
    "adam": adam(1e-3),
}
"""Name -> optimizer with its usual learning rate."""


@dataclass(frozen=True)
class Denoising:
    """How a denoising autoencoder is trained.

    Args:
      noise: standard deviation of the noise on the input, in units of [0, 1].
      optimizer: "adadelta", the paper's, or "adam".
      learning_rate: None is 1 of Adadelta and 0.001 of Adam.
      batch: images of each update.

    Raises:
      ValueError: for an unknown optimizer, a negative noise, a learning rate that is not
        above 0, or no image in a batch.
    """

    noise: float = 0.1
    optimizer: Literal["adadelta", "adam"] = "adadelta"
    learning_rate: float | None = None
    batch: int = 24

    def __post_init__(self) -> None:
        """Raises ValueError for options without a meaning."""
        if self.optimizer not in OPTIMIZERS:
            names = ", ".join(OPTIMIZERS)
            raise ValueError(f"optimizer is one of {names}, not {self.optimizer!r}")
        if self.noise < 0:
            raise ValueError(f"noise is at least 0, not {self.noise}")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"learning_rate is above 0, not {self.learning_rate}")
        if self.batch < 1:
            raise ValueError(f"batch is at least 1, not {self.batch}")

    @property
    def rule(self) -> Rule:
        """The optimizer with its learning rate."""
        usual = OPTIMIZERS[self.optimizer]
        if self.learning_rate is None:
            return usual
        return replace(usual, learning_rate=self.learning_rate)


PAPER = Denoising()
"""The paper's optimizer and batch."""


class _Given(NamedTuple):
    """What an update reads; other numbers here do not compile again."""

    noise: float
    rule: Rule


@dataclass(frozen=True)
class _Update:
    """One update, as `jaxvis.train.loop.train` takes it.

    The loss is the mean square difference between image and reconstruction of the
    image with noise, in units of `model.gain` grey levels.
    """

    model: Autoencoder

    def init(self, key: Key, rule: Rule) -> dict[str, Any]:
        """Makes the first state: {"params", "statistics", "optimizer"}."""
        made = self.model.init(key)
        return {**made, "optimizer": transformation_of(rule).init(made["params"])}

    def __call__(
        self, state: dict[str, Any], images: Array, key: Key, given: _Given
    ) -> tuple[dict[str, Any], Terms]:
        """Computes (the next state, {"loss"}) of images `[B, H, W, 3]` in [0, 1]."""
        noisy = images + given.noise * jax.random.normal(key, images.shape)

        def loss(params: Any) -> tuple[Array, Any]:
            found, own = self.model.reconstruct(params, state["statistics"], noisy, train=True)
            return self.compare(found, images), own

        (value, own), grad = jax.value_and_grad(loss, has_aux=True)(state["params"])
        optimizer = transformation_of(given.rule)
        updates, kept = optimizer.update(grad, state["optimizer"], state["params"])
        params = optax.apply_updates(state["params"], updates)
        statistics = update_averages(state["statistics"], own)
        return {"params": params, "statistics": statistics, "optimizer": kept}, {"loss": value}

    def compare(self, found: Array, images: Array) -> Array:
        """Computes the loss `[]` of reconstructions `[B, H, W, 3]`."""
        return jnp.mean(((found - images) * 255 / self.model.gain) ** 2)


@dataclass(frozen=True)
class _HeldOutLoss:
    """The loss of images that are held out, as `jaxvis.train.loop.Validation` takes it."""

    update: _Update

    def __call__(self, state: Any, images: Array, key: Key, given: _Given) -> Terms:
        """Computes {"loss"} of images `[B, H, W, 3]` in [0, 1]."""
        noisy = images + given.noise * jax.random.normal(key, images.shape)
        model = self.update.model
        found, _ = model.reconstruct(state["params"], state["statistics"], noisy)
        return {"loss": self.update.compare(found, images)}


def train_autoencoder(
    images: Images,
    held_out: Images,
    *,
    model: str = "despraz",
    denoising: Denoising = PAPER,
    steps: int = 1000,
    seed: int = 0,
    validate_every: int = 100,
    checkpoint: CheckpointFile | None = None,
    progress: bool = False,
) -> Training:
    """Trains a denoising autoencoder; `load_autoencoder` reads its checkpoint.

    Args:
      images: to train on, of the model's size.
      held_out: images that are measured alone; may be empty.
      model: a name of `jaxvis.generators.autoencoder.AUTOENCODERS`.
      denoising: the noise, the optimizer and the batch.
      steps: updates.
      seed: of all randomness.
      validate_every: steps between two validations.
      checkpoint: the file that keeps the training; None writes none. The options are
        added to its facts.
      progress: whether to show a bar.

    Returns:
      Training: state {"params", "statistics", "optimizer"}, and the curves "loss" and
      "validation loss".

    Raises:
      Interrupted: on Ctrl-C in the moment in which an update replaced the state; the
        checkpoint is there. On any other Ctrl-C the state so far is returned, and
        `done` is False.
      OSError: if the checkpoint cannot be written.
      ValueError: for an unknown model, images of another size, and as
        `jaxvis.train.loop.train`.

    Source: Despraz et al., section 3.2 and Figure 3: batch 24, Adadelta, mean square
      error. Departures: the noise is there (the authors' code has none); the code is
      not drawn to zero; see `Autoencoder` for the units.
    """
    update, given = _Update(_build_model(model)), _Given(denoising.noise, denoising.rule)
    if tuple(images.size) != update.model.size:
        raise ValueError(
            f"{model!r} takes images of {update.model.size}, these are {images.size}: "
            "open the folder with its size"
        )
    facts = {
        "kind": "autoencoder",
        "model": model,
        "noise": denoising.noise,
        "optimizer": denoising.optimizer,
        "learning_rate": given.rule.learning_rate,
        "batch": denoising.batch,
        "seed": seed,
        "images": len(images),
    }
    if checkpoint is not None:
        checkpoint = replace(checkpoint, facts={**checkpoint.facts, **facts})
    key = as_key(seed)
    training = train(
        update,
        _begin(update, jax.random.fold_in(key, 2**31), given.rule),
        images,
        key,
        steps=steps,
        batch=denoising.batch,
        given=given,
        seed=seed,
        validation=(
            Validation(held_out, _HeldOutLoss(update), validate_every) if len(held_out) else None
        ),
        checkpoint=checkpoint,
        progress=progress,
    )
    leaves = jax.tree.leaves(training.state)
    if any(isinstance(leaf, jax.Array) and leaf.is_deleted() for leaf in leaves):
        raise Interrupted
    return training


@jit(static_argnums=0)
def _begin(update: _Update, key: Key, rule: Rule) -> dict[str, Any]:
    return update.init(key, rule)


def _build_model(name: str) -> Autoencoder:
    if name not in AUTOENCODERS:
        raise ValueError(f"model is one of {', '.join(AUTOENCODERS)}, not {name!r}")
    return AUTOENCODERS[name]()


def load_autoencoder(
    path: str | os.PathLike,
) -> tuple[Autoencoder, dict[str, Any], Mapping[str, Any]]:
    """Loads (autoencoder, {"params", "statistics"}, facts) from a checkpoint.

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
    update = _Update(_build_model(facts["model"]))
    rule = Denoising(optimizer=facts["optimizer"]).rule
    like = jax.eval_shape(update.init, jax.random.key(0), rule)
    state = restore(path, like).state
    return update.model, {n: state[n] for n in ("params", "statistics")}, facts


def decoder_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the decoder, as `jaxvis.methods.coupled.generate.generate` takes it.

    Args:
      state: {"params", "statistics"} of an autoencoder.
    """
    decoder = {name: state[name]["decoder"] for name in ("params", "statistics")}
    return {**decoder, "code": state["statistics"]["code"]}


@jit(static_argnums=0)
def reconstruct_images(model: Autoencoder, state: Mapping[str, Any], images: Array) -> Array:
    """Computes what an autoencoder makes of images, `[B, H, W, 3]`, not clipped to [0, 1].

    Args:
      model, state: as `load_autoencoder` gives them.
      images: `[B, H, W, 3]` in [0, 1].
    """
    return model.reconstruct(state["params"], state["statistics"], images)[0]
