"""Attacks that survive the world between a picture and a camera: random views of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.losses import is_fooled
from jaxvis.attacks.rows import Classes, choose_victims
from jaxvis.compiler import jit
from jaxvis.loss.views import Blur, ColourShift, InOrder, Noise, Rotate, Scale, in_order
from jaxvis.network import Network
from jaxvis.optimize.check import check_counts
from jaxvis.optimize.keys import keys_of_places, unroll_draws
from jaxvis.types import Array, Image, ImageLike, Key, Params, View, as_key


@dataclass(frozen=True)
class SoftFocus:
    """A view that is out of focus by a random part: (1 - t) x + t blur(x), t uniform in [0, 1].

    Args:
      sigma: of the blur in pixels, above 0.
    """

    sigma: float

    def __call__(self, key: Key, image: Image) -> Image:
        """Blurs the image, `[H, W, C]`."""
        for_part, for_blur = jax.random.split(key)
        part = jax.random.uniform(for_part, ())
        return image + part * (Blur(self.sigma)(for_blur, image) - image)


@dataclass(frozen=True)
class Clip:
    """A view as a camera records it: values beyond [0, 1] are black or white."""

    def __call__(self, key: Key, image: Image) -> Image:
        """Clips the image, `[H, W, C]`."""
        del key
        return jnp.clip(image, 0.0, 1.0)


def physical_view(
    *,
    scale: tuple[float, float] = (0.8, 1.2),
    degrees: float = 15.0,
    light: float = 0.05,
    contrast: float = 0.1,
    fade: float = 0.2,
    blur: float = 1.0,
    noise: float = 0.02,
) -> InOrder:
    """Makes the view that stands for printing a picture and photographing it.

    In this order: scale and angle, light and colour of each channel, focus, noise of print and
    sensor, and the range of a camera.

    Args:
      scale: the smallest and the largest factor, above 0.
      degrees: the largest angle either way.
      light: standard deviation of the channels' offsets, in [0, 1] units.
      contrast: standard deviation of the logarithm of the channels' gains.
      fade: the largest share of colour that is lost, from 0 to 1.
      blur: standard deviation of the largest blur in pixels; 0 leaves it out.
      noise: standard deviation of the noise of single values.

    Returns:
      View: `(key, image) -> image`, for `view=` of `jaxvis.attacks.pgd` and others.

    Raises:
      ValueError: for a scale that is not above 0 or in the wrong order, and negative numbers.

    Source: Athalye et al., Synthesizing robust adversarial examples (ICML 2018), table 1 and
    the appendix; Kurakin et al., Adversarial examples in the physical world (2017).

    >>> import jax
    >>> import jax.numpy as jnp
    >>> import jax
    >>> import jaxvis
    >>> view = jaxvis.attacks.physical_view(degrees=30)
    >>> jax.jit(view)(jax.random.key(0), jnp.full((32, 32, 3), 0.5)).shape
    (32, 32, 3)
    """
    low, high = scale
    if not 0 < low <= high:
        raise ValueError(f"scale goes from a factor above 0 to a larger one, got {scale}")
    numbers = {"degrees": degrees, "light": light, "contrast": contrast, "fade": fade}
    for name, value in {**numbers, "blur": blur, "noise": noise}.items():
        if value < 0:
            raise ValueError(f"{name} must be 0 or more, got {value}")
    views: list[View] = [Scale(low, high), Rotate(degrees), ColourShift(light, contrast, fade)]
    if blur:
        views.append(SoftFocus(blur))
    return in_order(*views, Noise(noise), Clip())


def survival_rate(
    net: Network,
    params: Params,
    pictures: ImageLike | Sequence[ImageLike],
    labels: Classes,
    *,
    view: View | None = None,
    samples: int = 64,
    targets: Classes = None,
    names: Sequence[str] | None = None,
    key: Key | int = 1,
) -> np.ndarray:
    """Measures in how many random views adversarial pictures still fool a network.

    Args:
      net, params: the network.
      pictures: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`, such as the `image` of a Run.
      labels: the true classes of the originals, by number or name.
      view: `(key, image) -> image`; None takes `physical_view()`.
      samples: how many views of every picture there are.
      targets: the classes that are wanted; None for any but the label.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key: another one than the attack's, so that the views
        are new ones.

    Returns:
      numpy.ndarray: `[N]` in [0, 1]; `[]` for one picture.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, and samples below 1.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> float(jaxvis.attacks.survival_rate(net, params, photo, 7, samples=4))
    1.0
    """
    check_counts(samples=samples)
    victims = choose_victims(
        net, params, pictures, labels, norm="linf", epsilon=None, targets=targets, names=names
    )
    keys = keys_of_places(as_key(key), samples)
    chosen = physical_view() if view is None else view
    rows = zip(victims.images, victims.labels, victims.targets)
    rates = [float(_survive(net, chosen, params, *row, keys)) for row in rows]
    return np.array(rates, np.float32).reshape(victims.lead)


@partial(jit, static_argnums=(0, 1))
def _survive(
    net: Network, view: View, params: Params, image: Array, label: Array, target: Array, keys: Array
) -> Array:
    name = net.scores or ""

    def fools(key: Key) -> Array:
        scores = net.apply(params, view(unroll_draws(key), image), stop=name)[name].ravel()
        return is_fooled(scores, label, target)

    return jnp.mean(jax.vmap(fools)(keys))
