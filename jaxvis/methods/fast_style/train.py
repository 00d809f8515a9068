"""Fast style: a network is trained to paint every photograph in the style of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from jaxvis.loss.matching.transfer import StyleRecipe, adjust_style
from jaxvis.methods.fast_style.perceptual import PerceptualLoss, build_given
from jaxvis.nets.random import random_params
from jaxvis.nets.zoo.style_net import build_style_net
from jaxvis.network import Network
from jaxvis.recipes.named import look_up
from jaxvis.recipes.styles import FAST_STYLES
from jaxvis.train.images import Images
from jaxvis.train.loop import CheckpointFile, Training, Validation, train
from jaxvis.types import Array, ImageLike, Interrupted, Key, Params, Terms, as_key

CONTRAST = 0.3
"""First scale of the last norm, with which pictures begin with the contrast of
photographs. With 1, tanh saturates, and what is white in the first steps has no gradient
and stays white."""


class FastStyle(NamedTuple):
    """A style network and the training that made it.

    Attributes:
      net: the network; its tap `image` is the picture.
      params: with a style axis in the norms, `[styles, c]`, where there are several.
      training: state, curves and whether all steps were taken.
    """

    net: Network
    params: Params
    training: Training


@dataclass(frozen=True)
class Schedule:
    """How long a style network is trained, and on how much at a time.

    Args:
      steps: updates in all.
      batch: photographs of each update.
      learning_rate: Adam's.
      validate_every: steps between two measurements of photographs that are held out.
      seed: of the order of the photographs.

    Raises:
      ValueError: for numbers below 1, or a learning rate that is not above 0.
    """

    steps: int = 2000
    batch: int = 4
    learning_rate: float = 1e-3
    validate_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name in ("steps", "batch", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be above 0 and finite, not {self.learning_rate}")


@dataclass(frozen=True)
class Update:
    """One update of Adam, a step of the training loop.

    Args:
      loss: computes the losses.
    """

    loss: PerceptualLoss

    def __call__(
        self, state: Any, images: Array, key: Key, given: Mapping[str, Any]
    ) -> tuple[Any, Terms]:
        """Computes the state after the update, and the terms before it.

        Args:
          state: {"params", "optimizer"}.
          images: `[B, H, W, 3]` in [0, 1].
          key: draws the style of each image.
          given: what the loss reads, and "learning_rate".
        """

        def loss(params: Params) -> tuple[Array, Terms]:
            terms = self.loss(params, images, key, given)
            return terms["loss"], terms

        gradient, terms = jax.grad(loss, has_aux=True)(state["params"])
        optimizer = optax.adam(given["learning_rate"])
        change, kept = optimizer.update(gradient, state["optimizer"])
        params = optax.apply_updates(state["params"], change)
        return {"params": params, "optimizer": kept}, terms


@dataclass(frozen=True)
class Measurement:
    """The terms of photographs that are held out.

    Args:
      loss: computes them.
    """

    loss: PerceptualLoss

    def __call__(self, state: Any, images: Array, key: Key, given: Mapping[str, Any]) -> Terms:
        """Computes the terms; the arguments are those of `Update`."""
        return self.loss(state["params"], images, key, given)


def fast_style(
    net: Network,
    params: Params,
    images: Images,
    styles: Sequence[ImageLike],
    *,
    style_net: Network | None = None,
    recipe: str | StyleRecipe = "johnson",
    schedule: Schedule = Schedule(),
    held_out: Images | None = None,
    key: Key | int = 0,
    checkpoint: CheckpointFile | None = None,
    progress: bool = False,
) -> FastStyle:
    """Trains a network on photographs to paint them in the styles of `styles`.

    min over W of the mean over photographs x and styles s of
    alpha |F(f(x, s)) - F(x)|^2 + beta sum_l |G_l(f(x, s)) - G_l(s)|^2 + gamma TV.

    Args:
      net, params: the network whose activations are compared, such as vgg19.
      images: the photographs, of one size.
      styles: `[H', W', 3]` in [0, 1] each, of any sizes; several give one network that
        knows them all, with a scale and a bias of each in every norm.
      style_net: what is trained, from `jaxvis.nets.zoo.style_net.build_style_net` with
        as many `styles` (0 for one); None takes transform_reflect.
      recipe: "johnson", or a `jaxvis.recipes.StyleRecipe`: the layers, their weights,
        alpha, beta and gamma, and the side of the styles as a factor of the photographs'
        (of equal area). The rest of it is not used here.
      schedule: steps, batches and learning rate.
      held_out: photographs that are measured and not trained on; None measures none.
      key: a typed random key, or an integer seed, of weights and styles.
      checkpoint: the file that keeps the training; None writes none.
      progress: whether to show a bar.

    Raises:
      Interrupted: on Ctrl-C in the moment in which a step replaced the parameters; the
        checkpoint is there. On any other Ctrl-C the network so far is returned, and
        `training.done` is False.
      OSError: if a checkpoint cannot be written.
      ValueError: for unknown taps, no style, images that are none or too small for the
        taps, a network made for another number of styles, or a checkpoint of another.

    Source: Johnson, Alahi & Fei-Fei (2016), 3.2; Ulyanov et al. (2016), instance norm;
      Dumoulin, Shlens & Kudlur (2017), several styles.
    Departures: Gram matrices are means over positions; layers can be VGG-19's; the last
      norm's scale begins at `CONTRAST`.

    >>> from dataclasses import replace
    >>> import numpy as np
    >>> import jaxvis
    >>> from jaxvis.methods.fast_style.train import Schedule
    >>> from jaxvis.nets.zoo.style_net import build_style_net
    >>> from jaxvis.train.images import from_array
    >>> net, params = jaxvis.load("demo")
    >>> photos = from_array(np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8))
    >>> taps = {"content_taps": ("relu1_1",), "style_taps": ("relu1_1",)}
    >>> options = {
    ...     "recipe": replace(jaxvis.recipes.FAST_STYLES["johnson"], **taps),
    ...     "style_net": build_style_net("transform_same", width=2, blocks=1),
    ...     "schedule": Schedule(steps=2, batch=1),
    ... }
    >>> jaxvis.fast_style(net, params, photos, [np.ones((16, 16, 3))], **options).training.done
    True
    """
    how = adjust_style(net, look_up(recipe, FAST_STYLES, StyleRecipe))
    key = as_key(key)
    style_net = _check_style_net(style_net, len(styles))
    given = build_given(net, params, how, images.size, styles)
    start = draw_params(style_net, key)
    given |= {"input": start.pop("input"), "learning_rate": np.float32(schedule.learning_rate)}
    loss = PerceptualLoss(style_net, net, how.content_taps, how.style_taps, len(styles))
    training = train(
        Update(loss),
        {"params": start, "optimizer": optax.adam(schedule.learning_rate).init(start)},
        images,
        jax.random.fold_in(key, 1),
        given=given,
        steps=schedule.steps,
        batch=schedule.batch,
        seed=schedule.seed,
        validation=(
            Validation(held_out, Measurement(loss), schedule.validate_every) if held_out else None
        ),
        checkpoint=checkpoint,
        progress=progress,
    )
    if _is_lost(training.state):
        raise Interrupted
    learned = {**training.state["params"], "input": given["input"]}
    return FastStyle(style_net, jax.tree.map(np.asarray, learned), training)


def _check_style_net(net: Network | None, count: int) -> Network:
    """Returns the network to train, checked against the number of styles."""
    if not count:
        raise ValueError("name at least one style")
    wanted = count if count > 1 else 0
    net = net or build_style_net("transform_reflect", styles=wanted)
    made = {row.styles for row in net.rows if row.op == "inorm"}
    if made - {0, 1} != {wanted} - {0}:
        raise ValueError(
            f"{net.name} was made for {max(made) or 1} styles, {count} came: "
            f"build_style_net({net.name!r}, styles={wanted})"
        )
    return net


def _is_lost(state: Any) -> bool:
    """Says whether a step that was interrupted took the memory of the parameters."""
    leaves = jax.tree.leaves(state)
    return any(isinstance(leaf, jax.Array) and leaf.is_deleted() for leaf in leaves)


def draw_params(net: Network, key: Key) -> dict[str, Mapping[str, Array]]:
    """Draws the parameters that training begins with, kernels `[h, w, in, out]`.

    Args:
      net: a style network.
      key: a typed random key.
    """
    params = dict(random_params(net, key, preprocess="imagenet"))
    if [row.op for row in net.rows[-2:]] == ["inorm", "tanh"]:
        last = net.rows[-2].name
        params[last] = {**params[last], "scale": CONTRAST * params[last]["scale"]}
    return params
