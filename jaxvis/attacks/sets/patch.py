"""Adversarial patches: a sticker that makes a network see one class wherever it lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.losses import cross_entropy
from jaxvis.attacks.minimal.smallest import check_above
from jaxvis.attacks.rows import Classes, choose_victims
from jaxvis.attacks.sets.shared import Shared, climb_together, count_fooled
from jaxvis.compiler import jit
from jaxvis.images import check_image, check_images
from jaxvis.loss.between import interpolate
from jaxvis.network import Network
from jaxvis.optimize.keys import keys_of_places
from jaxvis.optimize.rules import adam
from jaxvis.types import Array, Image, ImageLike, Interrupted, Key, Params, Run, Status, as_key


class Place(NamedTuple):
    """Where a patch lies.

    Attributes:
      centre: `[2]`, (y, x) in pixels of the image, from its upper left corner.
      side: `[]`, the patch's diameter in pixels of the image.
      angle: `[]`, by which it is turned, in radians.
    """

    centre: Array
    side: Array
    angle: Array


@dataclass(frozen=True)
class Placement:
    """Where a patch may lie: anywhere within the image, of a random size and angle.

    Args:
      low, high: the range of its diameter, in parts of the image's shorter side.
      degrees: the largest angle either way.

    >>> import jax
    >>> import jaxvis
    >>> put = jaxvis.attacks.Placement(low=0.5, high=0.5, degrees=0)
    >>> image = put(jax.numpy.ones((8, 8, 3)), jax.numpy.zeros((32, 32, 3)), jax.random.key(0))
    >>> image.shape, bool(image.max() > 0.9)
    ((32, 32, 3), True)
    """

    low: float = 0.3
    high: float = 0.5
    degrees: float = 20.0

    def __post_init__(self) -> None:
        """Raises ValueError where a patch does not fit."""
        if not 0 < self.low <= self.high <= 1:
            raise ValueError(
                f"a patch takes from above 0 to 1 of the image's shorter side, got {self.low:g} "
                f"to {self.high:g}"
            )

    def __call__(self, patch: Array, image: Image, key: Key) -> Image:
        """Puts a patch `[S, S, C]` on an image `[H, W, C]`."""
        return stick(patch, image, self.draw(key, image.shape[:2]))

    def draw(self, key: Key, size: tuple[int, ...]) -> Place:
        """Draws a place in an image of `size` (H, W); the whole patch lies inside."""
        for_side, for_angle, for_centre = jax.random.split(key, 3)
        share = jax.random.uniform(for_side, (), minval=self.low, maxval=self.high)
        side = share * min(size)
        limit = np.deg2rad(self.degrees)
        angle = jax.random.uniform(for_angle, (), minval=-limit, maxval=limit)
        spare = jnp.asarray(size, jnp.float32) - side
        centre = side / 2 + jax.random.uniform(for_centre, (2,)) * spare
        return Place(centre, side, angle)


def stick(patch: Array, image: Image, place: Place) -> Image:
    """Puts a round patch on an image, interpolated bilinearly, with a soft edge of one pixel.

    Args:
      patch: `[S, S, C]`, of which the inscribed circle is seen.
      image: `[H, W, C]`.
      place: where it lies.
    """
    size = patch.shape[0]
    y = jnp.arange(image.shape[0])[:, None] + 0.5 - place.centre[0]
    x = jnp.arange(image.shape[1])[None, :] + 0.5 - place.centre[1]
    cos, sin = jnp.cos(place.angle), jnp.sin(place.angle)
    scale = size / place.side
    at_y = scale * (cos * y - sin * x) + size / 2 - 0.5
    at_x = scale * (sin * y + cos * x) + size / 2 - 0.5
    # Beyond its edge a patch goes on in the colour of the edge.
    wide = jnp.pad(patch, ((1, 1), (1, 1), (0, 0)), mode="edge")
    seen = interpolate(wide, at_y + 1, at_x + 1)
    cover = jnp.clip(place.side / 2 - jnp.hypot(y, x) + 0.5, 0.0, 1.0)[..., None]
    return image + cover * (seen - image)


def apply_patch(
    images: ImageLike | Sequence[ImageLike],
    patch: ImageLike,
    *,
    placement: Placement | None = None,
    key: Key | int = 0,
) -> Array:
    """Puts a patch on images, at a random place, size and angle on each.

    Args:
      images: `[H, W, C]` in [0, 1], or several `[N, H, W, C]`.
      patch: `[S, S, C]`, such as the `image` of `adversarial_patch`.
      placement: where it may lie; None takes the default of `Placement`.
      key: a seed, or a typed random key; image i draws its place from `fold_in(key, i)`.

    Returns:
      jax.Array: of the images' shape.

    Raises:
      ValueError: for what is no image, and a patch that is not square.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> red = jnp.zeros((8, 8, 3)).at[..., 0].set(1)
    >>> jaxvis.attacks.apply_patch(jnp.zeros((2, 32, 32, 3)), red).shape
    (2, 32, 32, 3)
    """
    channels = np.shape(patch)[-1]
    sticker = check_image(patch, "the patch", channels=channels)
    if sticker.shape[0] != sticker.shape[1]:
        raise ValueError(f"a patch is square, got {sticker.shape[:2]}")
    several = isinstance(images, list | tuple) or np.ndim(images) == 4
    if several:
        batch = check_images(images, "the images", channels=channels)
    else:
        batch = check_image(images, "the image", channels=channels)[None]
    keys = keys_of_places(as_key(key), len(batch))
    found = _stick_all(placement or Placement(), sticker, batch, keys)
    return found if several else found[0]


@partial(jit, static_argnums=0)
def _stick_all(placement: Placement, patch: Array, images: Array, keys: Array) -> Array:
    found = jax.vmap(placement, (None, 0, 0))(patch, images, keys)
    return jnp.clip(found, 0.0, 1.0)


def _clip(patch: Array) -> Array:
    return jnp.clip(patch, 0.0, 1.0)


def adversarial_patch(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    targets: Classes,
    placement: Placement | None = None,
    size: int | None = None,
    held_out: ImageLike | Sequence[ImageLike] | None = None,
    steps: int = 300,
    step_size: float = 0.05,
    batch: int = 8,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    progress: bool = False,
) -> Run:
    """Trains a patch that makes the network say one class of any image on which it lies.

    patch <- clip(patch + Adam(mean over a batch of the gradient of log p(target))), of images
    with the patch at a random place, size and angle.

    Args:
      net, params: the network.
      images: `[N, H, W, C]` in [0, 1], or a list, of one size: what the patch is put on.
      labels: the true classes, by number or name; None takes what the network says.
      targets: the class that is wanted, by number or name.
      placement: where the patch may lie; None takes the default of `Placement`.
      size: S, pixels of the patch's side; None takes those of its largest appearance.
      held_out: images that are not trained on, whose rate is a fact of its own.
      steps: batches.
      step_size: about how far a step moves a value of the patch.
      batch: images of a step.
      names: of the classes, where they are not ImageNet's.
      key: a seed, or a typed random key.
      progress: whether to show a bar.

    Returns:
      Run without an axis: `z` and `image` are the patch `[S, S, C]`, of which the inscribed
      circle is seen; `trace["loss"]` is the mean log p(target) of every batch; facts
      "success" and "held_out_success" (NaN without images): the share of images, with
      the patch at a random place, of which the network says the target.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, such as an image of the
        target class, and numbers below 1.
      Interrupted: on Ctrl-C; it carries what there is.

    Source: Brown et al., Adversarial patch (2017).

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> draw = jaxvis.nets.demo.images.draw
    >>> photos = [draw(jax.random.key(i), "disc") for i in range(2)]
    >>> run = jaxvis.attacks.adversarial_patch(net, params, photos, targets=2, steps=3, batch=2)
    >>> run.image.shape, run.trace["loss"].shape
    ((32, 32, 3), (3,))
    """
    check_above(0, steps=steps, step_size=step_size, batch=batch, size=1 if size is None else size)
    choose = partial(choose_victims, net, params, norm="linf", epsilon=None, names=names)
    victims = choose(images, labels, targets=targets)
    others = None if held_out is None else choose(held_out, None, targets=targets)
    place = placement or Placement()
    side = size or max(round(place.high * min(victims.images.shape[1:3])), 1)
    shared = Shared(net, cross_entropy, place, _clip, adam(step_size))
    key = as_key(key)
    start = np.full((side, side, victims.images.shape[-1]), 0.5, np.float32)
    found = climb_together(
        shared, params, start, victims, steps=steps, batch=batch, key=key, progress=progress
    )
    # Other places than those of the training.
    judge = partial(count_fooled, shared, params, found.z, key=jax.random.fold_in(key, steps))
    facts = {
        "success": np.mean(judge(victims), dtype=np.float32),
        "held_out_success": np.float32(np.nan if others is None else np.mean(judge(others))),
    }
    run = Run(found.z, found.z, {"loss": found.loss}, np.int8(found.status), facts)
    if found.status == Status.UNFINISHED:
        raise Interrupted(run)
    return run
