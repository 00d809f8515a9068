"""Fast style: a network is trained to paint every photograph in the style of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvis.images import checked_image, resized
from jaxvis.loss.matching.statistics import Code
from jaxvis.loss.matching.terms import content_terms
from jaxvis.loss.matching.transfer import Preset, chosen, transfer_item
from jaxvis.loss.objectives import Sum
from jaxvis.loss.priors import TotalVariation
from jaxvis.nets.random import random_params
from jaxvis.nets.zoo.style_net import mixed, transform
from jaxvis.network import Network
from jaxvis.train.images import Images
from jaxvis.train.loop import Trained, train
from jaxvis.types import Array, Image, Key, Params, Terms, as_key

JOHNSON = Preset(("relu3_3",), ("relu1_2", "relu2_2", "relu3_3", "relu4_3"), beta=5.0, gamma=0.065)
"""Johnson et al.'s balance (their VGG-16; the layers are VGG-19's too): Gram matrices
over C H W and mean squares, in 0..255; gamma is their 1e-6 in [0, 1]."""

CONTRAST = 0.3
"""First scale of the last norm: pictures begin with the contrast of photographs. From 1
tanh saturates, and what is white in the first steps has no gradient and stays white."""


class FastStyle(NamedTuple):
    """A trained style network.

    Attributes:
      net: the network; its tap `image` is the picture.
      params: with a style axis in the norms, `[styles, c]`, where there are several.
      trained: state, curves and whether all steps were taken.
    """

    net: Network
    params: Params
    trained: Trained


@dataclass(frozen=True)
class Perceptual:
    """Returns the losses of styled photographs, by the activations of a network.

    Args:
      net: the network that is trained.
      judge: the network whose activations are compared.
      content_taps, style_taps: its layers.
      styles: how many styles there are.
      alpha, gamma: factors of content and total variation.
    """

    net: Network
    judge: Network
    content_taps: tuple[str, ...]
    style_taps: tuple[str, ...]
    styles: int
    alpha: float
    gamma: float

    def __call__(self, params: Params, images: Array, key: Key, given: Mapping[str, Any]) -> Terms:
        """Returns the means over a batch: "loss", "content", "style", "variation".

        Args:
          params: of the network that is trained.
          images: `[B, H, W, 3]` in [0, 1].
          key: draws the style of each image.
          given: "judge", its parameters; "content", a term of each content tap;
            "style", a sum of terms with the styles' axis in front.
        """
        index = jax.random.randint(key, (len(images),), 0, self.styles)
        terms = jax.vmap(lambda x, i: self._one(params, x, i, given))(images, index)
        terms = {name: jnp.mean(values) for name, values in terms.items()}
        return {"loss": sum(terms.values()), **terms}

    def _one(self, params: Params, image: Image, index: Array, given: Mapping[str, Any]) -> Terms:
        own = mixed(params, jax.nn.one_hot(index, self.styles))
        height, width = image.shape[:2]
        picture = self.net.apply(own, image)["image"][:height, :width]
        wanted = tuple(dict.fromkeys(self.content_taps + self.style_taps))
        taps = self.judge.apply(given["judge"], picture, stop=wanted)
        style = jax.tree.map(lambda leaf: leaf[index], given["style"])
        terms = {"style": style(taps)}
        if self.content_taps:
            codes = self.judge.apply(given["judge"], image, stop=self.content_taps)
            terms["content"] = self.alpha * sum(
                replace(term, target=codes[term.tap])(taps) for term in given["content"]
            )
        if self.gamma:
            variation = TotalVariation(beta=2.0, slope=1.0)
            terms["variation"] = self.gamma * height * width * variation(picture)
        return terms


@dataclass(frozen=True)
class Update:
    """Returns the state after one update of Adam, and the terms before it.

    Args:
      loss: the losses.
      learning_rate: Adam's.
    """

    loss: Perceptual
    learning_rate: float

    def __call__(
        self, state: Any, images: Array, key: Key, given: Mapping[str, Any]
    ) -> tuple[Any, Terms]:
        """Returns (state, terms); see `Step` of the loop; images `[B, H, W, 3]`."""

        def loss(params: Params) -> tuple[Array, Terms]:
            whole = {**params, "input": given["input"]}
            terms = self.loss(whole, images, key, given)
            return terms["loss"], terms

        gradient, terms = jax.grad(loss, has_aux=True)(state["params"])
        optimizer = optax.adam(self.learning_rate)
        change, kept = optimizer.update(gradient, state["optimizer"])
        params = optax.apply_updates(state["params"], change)
        return {"params": params, "optimizer": kept}, terms


@dataclass(frozen=True)
class Measured:
    """Returns the terms of images that are held out.

    Args:
      loss: the losses.
    """

    loss: Perceptual

    def __call__(self, state: Any, images: Array, key: Key, given: Mapping[str, Any]) -> Terms:
        """Returns the terms; images are `[B, H, W, 3]`."""
        whole = {**state["params"], "input": given["input"]}
        return self.loss(whole, images, key, given)


def fast_style(
    net: Network,
    params: Params,
    images: Images,
    styles: Sequence[Image],
    *,
    transform_net: Network | None = None,
    preset: Preset = JOHNSON,
    content_taps: Sequence[str] | None = None,
    style_taps: Sequence[str] | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    gamma: float | None = None,
    style_scale: float = 1.0,
    steps: int = 1000,
    batch: int = 4,
    learning_rate: float = 1e-3,
    held_out: Images | None = None,
    validate_every: int = 100,
    key: Key | int = 0,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    facts: Mapping[str, Any] | None = None,
    resume: bool = False,
    progress: bool = False,
) -> FastStyle:
    """Returns a network that paints in the styles of `styles`, trained on photographs.

    min over W of the mean over photographs x and styles s of
    alpha |F(f(x, s)) - F(x)|^2 + beta sum_l |G_l(f(x, s)) - G_l(s)|^2 + gamma TV.

    Args:
      net, params: the network whose activations are compared, such as vgg19.
      images: the photographs, of one size.
      styles: `[H', W', 3]` in [0, 1] each, of any sizes; several give one network that
        knows them all, with a scale and a bias of each in every norm.
      transform_net: what is trained, from `jaxvis.nets.zoo.style_net.transform` with as
        many `styles` (0 for one); None takes transform_reflect.
      preset: the layers and the balance; a `jaxvis.loss.matching.transfer.Preset`.
      content_taps, style_taps, alpha, beta, gamma: replace the preset's.
      style_scale: side of the styles, as a factor of the photographs' (of equal area).
      steps, batch: updates, and photographs of each.
      learning_rate: Adam's.
      held_out, validate_every: photographs to measure, and how often.
      key: a typed random key, or an integer seed, of weights and styles.
      seed: of the photographs' order.
      checkpoint, facts, resume, progress: see `jaxvis.train.loop.train`.

    Raises:
      OSError: if a checkpoint cannot be written.
      ValueError: for unknown taps, no style, images that are none or too small for the
        taps, a network made for another number of styles, or a checkpoint of another.

    Source: Johnson, Alahi & Fei-Fei (2016), 3.2; Ulyanov et al. (2016), instance norm;
      Dumoulin, Shlens & Kudlur (2017), several styles.
    Departures: Gram matrices are means over positions; layers can be VGG-19's; the last
      norm's scale begins at `CONTRAST`.
    """
    recipe = chosen(
        net,
        preset,
        content_taps=content_taps,
        style_taps=style_taps,
        alpha=alpha,
        beta=beta,
        gamma=gamma,
    )
    drawn, key = _network(transform_net, len(styles)), as_key(key)
    whole = _begun(drawn, key)
    loss = Perceptual(
        drawn,
        net,
        recipe.content_taps,
        recipe.style_taps,
        max(len(styles), 1),
        recipe.alpha,
        recipe.gamma,
    )
    given = _given(net, params, recipe, images.size, styles, style_scale)
    given["input"] = whole.pop("input")
    state = {"params": whole, "optimizer": optax.adam(learning_rate).init(whole)}
    trained = train(
        Update(loss, learning_rate),
        state,
        images,
        jax.random.fold_in(key, 1),
        given=given,
        steps=steps,
        batch=batch,
        seed=seed,
        measure=Measured(loss),
        held_out=held_out,
        validate_every=validate_every,
        checkpoint=checkpoint,
        resume=resume,
        facts=facts,
        progress=progress,
    )
    found = {**trained.state["params"], "input": given["input"]}
    return FastStyle(drawn, jax.tree.map(np.asarray, found), trained)


def _network(net: Network | None, count: int) -> Network:
    """Returns the network to train, checked against the number of styles."""
    if not count:
        raise ValueError("name at least one style")
    wanted = count if count > 1 else 0
    net = net or transform("transform_reflect", styles=wanted)
    made = {row.styles for row in net.rows if row.op == "inorm"}
    if made - {0, 1} != {wanted} - {0}:
        raise ValueError(
            f"{net.name} was made for {max(made) or 1} styles, {count} came: "
            f"transform({net.name!r}, styles={wanted})"
        )
    return net


def _begun(net: Network, key: Key) -> dict[str, dict[str, Array]]:
    """Returns the parameters that training begins with."""
    params = dict(random_params(net, key, preprocess="imagenet"))
    if [row.op for row in net.rows[-2:]] == ["inorm", "tanh"]:
        last = net.rows[-2].name
        params[last] = {**params[last], "scale": CONTRAST * params[last]["scale"]}
    return params


def _given(
    net: Network,
    params: Params,
    recipe: Preset,
    size: tuple[int, int],
    styles: Sequence[Image],
    style_scale: float,
) -> dict[str, Any]:
    """Returns what every step reads: the judge, terms of contents and styles."""
    if not recipe.style_taps:
        raise ValueError("beta is 0, or no style tap is named: nothing is to be learned")
    alone = replace(recipe, alpha=0.0, content_taps=())
    sums: list[Sum] = []
    for i, image in enumerate(styles):
        style = checked_image(image, f"style image {i}")
        sums.append(
            transfer_item(
                net,
                params,
                alone,
                style,
                [style],
                size,
                mix=[1.0],
                style_scale=style_scale,
            )
        )
    content: tuple[Code, ...] = ()
    if recipe.content_taps:
        # Their weights do not depend on the image; the targets are every photograph's.
        grey = resized(jnp.full((1, 1, 3), 0.5), size)
        content = content_terms(
            net, params, grey, recipe.content_taps, weights=recipe.content_weights
        )
        content = tuple(replace(term, target=jnp.zeros(())) for term in content)
    return {
        "judge": net.prepare(params, size=size),
        "content": content,
        "style": jax.tree.map(lambda *leaves: jnp.stack(leaves), *sums),
    }
