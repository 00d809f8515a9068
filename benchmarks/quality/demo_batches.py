"""The batches that the demo network is trained on.

A class must be whole and must fill its picture. So each batch also has images that
belong to no class: images that only resemble one, noise, and images cut from two others.
"""

import jax
import jax.numpy as jnp
from jax import random

from jaxvis.nets.demo.images import FIGURES, HUES, SIDE, draw
from jaxvis.nets.demo.net import CLASSES
from jaxvis.types import Array, Image, Key

GRADIENTS = ("horizontal gradient", "vertical gradient")
SMOOTH = (*HUES, *GRADIENTS)
"""Classes that roughness spoils."""
WHOLE = ("rings", *FIGURES, *GRADIENTS)
"""Classes that are more than their parts."""
REACHES = jnp.array([1.0 if c in FIGURES else 4.0 if c in HUES else 2.0 for c in CLASSES])
"""How far an image of each class may be pushed, in epsilons."""


def draw_batch(key: Key, per_class: int) -> tuple[Array, Array, Array]:
    """Draws images to train on, targets in [0, 1] `[N, classes]`, and reaches `[N]`.

    The batch has every class `per_class` times, the images of `draw_spoilt`, a tenth as
    many images of noise as of classes, and an eighth as many cut from two of all these.
    An image's reach times epsilon is how far it may be pushed: what shows everywhere
    can bear more than the outline of a figure.

    Args:
      key: of all draws.
      per_class: images of every class.
    """
    keys = random.split(key, 6)
    images, labels = draw_classes(keys[0], per_class)
    images = jnp.concatenate([images, draw_spoilt(keys[1])])
    images = jax.vmap(augment)(random.split(keys[2], len(images)), images)
    none = jax.vmap(draw_nothing)(random.split(keys[3], len(labels) // 10))
    images = jnp.concatenate([images, none])
    more = (0, len(images) - len(labels))
    targets = jnp.pad(jax.nn.one_hot(labels, len(CLASSES)), (more, (0, 0)))
    reaches = jnp.pad(REACHES[labels], more, constant_values=2.0)
    some = random.permutation(keys[4], len(images))[: len(labels) // 8]
    cut, halves = join_halves(keys[5], images[some], targets[some])
    return (
        jnp.concatenate([images, cut]),
        jnp.concatenate([targets, halves]),
        jnp.concatenate([reaches, jnp.ones(len(cut))]),
    )


def draw_classes(key: Key, per_class: int) -> tuple[Array, Array]:
    """Draws images of every class, `[N, 64, 64, 3]`, and their labels `[N]`.

    Args:
      key: of all draws.
      per_class: images of every class.
    """
    labels = jnp.tile(jnp.arange(len(CLASSES)), per_class)
    return jax.vmap(draw)(random.split(key, len(labels)), labels), labels


def draw_spoilt(key: Key) -> Array:
    """Draws images `[N, 64, 64, 3]` that only resemble a class: rough, in parts, pale.

    Args:
      key: of all draws.
    """
    labels = [CLASSES.index(name) for name in (*SMOOTH, *WHOLE, *HUES)]
    keys = random.split(key, (2, len(labels)))
    images = jax.vmap(draw)(keys[0], jnp.array(labels))
    rough, parts = len(SMOOTH), len(SMOOTH) + len(WHOLE)
    return jnp.concatenate(
        [
            jax.vmap(roughen)(keys[1, :rough], images[:rough]),
            jax.vmap(swap_quarters)(images[rough:parts]),
            jax.vmap(fade)(keys[1, parts:], images[parts:]),
        ]
    )


def augment(key: Key, image: Image) -> Image:
    """Blurs an image, or not, and changes its contrast and brightness.

    Args:
      key: of the draws.
      image: `[64, 64, 3]`.
    """
    keys = random.split(key, 3)
    smooth = image
    for axis in (0, 1):
        before, after = jnp.roll(smooth, 1, axis), jnp.roll(smooth, -1, axis)
        smooth = smooth / 2 + (before + after) / 4
    image = image + random.uniform(keys[0]) * (smooth - image)
    contrast = random.uniform(keys[1], minval=0.7, maxval=1.1)
    brightness = random.uniform(keys[2], minval=-0.05, maxval=0.05)
    return jnp.clip(0.5 + contrast * (image - 0.5) + brightness, 0.0, 1.0)


def draw_noise(key: Key) -> Image:
    """Draws noise of mean 0 and deviation 1, white or not, coloured or not.

    Args:
      key: of the draws.
    """
    keys = random.split(key, 4)
    fy, fx = jnp.fft.fftfreq(SIDE)[:, None], jnp.fft.rfftfreq(SIDE)
    falloff = jnp.hypot(fy, fx).at[0, 0].set(1.0) ** random.uniform(keys[0], maxval=1.5)
    grey = random.normal(keys[1], (SIDE, SIDE, 1))
    colour = random.uniform(keys[2]) * random.normal(keys[3], (SIDE, SIDE, 3))
    waves = jnp.fft.rfft2(grey + colour, axes=(0, 1)) / falloff[..., None]
    noise = jnp.fft.irfft2(waves.at[0, 0].set(0.0), (SIDE, SIDE), axes=(0, 1))
    return noise / noise.std()


def draw_nothing(key: Key) -> Image:
    """Draws noise of any brightness and contrast, tinted where it is strong.

    Args:
      key: of the draws.
    """
    keys = random.split(key)
    sigma, grey, *tint = random.uniform(keys[0], (5,))
    tint = (0.2 + sigma) * (jnp.stack(tint) - 0.5)
    return jnp.clip(grey + tint + 0.5 * sigma * draw_noise(keys[1]), 0.0, 1.0)


def roughen(key: Key, image: Image) -> Image:
    """Adds so much noise to an image that it is no longer smooth.

    Args:
      key: of the draws.
      image: `[64, 64, 3]`.
    """
    keys = random.split(key)
    sigma = random.uniform(keys[0], minval=0.12, maxval=0.3)
    return jnp.clip(image + sigma * draw_noise(keys[1]), 0.0, 1.0)


def swap_quarters(image: Image) -> Image:
    """Exchanges an image's quarters, which keeps the parts and spoils the whole.

    Args:
      image: `[64, 64, 3]`.
    """
    return jnp.roll(image, (SIDE // 2, SIDE // 2), axis=(0, 1))


def fade(key: Key, image: Image) -> Image:
    """Mixes an image with grey until it is too pale for its colour's name.

    Args:
      key: of the draws.
      image: `[64, 64, 3]`.
    """
    keys = random.split(key)
    share = random.uniform(keys[0], minval=0.5, maxval=1.0)
    return image + share * (random.uniform(keys[1]) - image)


def join_halves(key: Key, images: Array, targets: Array) -> tuple[Array, Array]:
    """Cuts every image along a line and joins it with the next one's other half.

    Args:
      key: of the draws.
      images: `[N, 64, 64, 3]`.
      targets: `[N, classes]`.
    """
    angle = random.uniform(key, (len(images), 1, 1, 1), maxval=2 * jnp.pi)
    y, x = jnp.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    x, y = x[..., None], y[..., None]
    side = x * jnp.cos(angle) + y * jnp.sin(angle) > 0
    mixed = jnp.where(side, images, jnp.roll(images, 1, 0))
    return mixed, (targets + jnp.roll(targets, 1, 0)) / 2
