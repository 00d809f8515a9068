"""What the Square attack tries next: squares of one colour, or of a pattern with two halves."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.norms import TINY
from jaxvis.types import Array, Key

FIRST_SHARE = 0.8
"""The part of the image that the first squares cover."""
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After so many of 10000 steps that share is halved."""
TILES = 5
"""Patterns along a side at the start, in L2."""


def plan_sides(steps: int, size: tuple[int, int], *, least: int, odd: bool) -> np.ndarray:
    """Plans the side of the square of every step, `[steps]` int32.

    Args:
      steps: how many there are.
      size: (H, W) of the images.
      least: the smallest side.
      odd: whether even sides grow by one.
    """
    when = (np.arange(steps) * 10000) // steps
    share = FIRST_SHARE / 2.0 ** (when[:, None] > np.array(HALVINGS)).sum(1)
    sides = np.maximum(np.round(np.sqrt(share * size[0] * size[1])).astype(np.int32), least)
    sides += odd & (sides % 2 == 0)
    return np.minimum(sides, min(size)).astype(np.int32)


def draw_corner(key: Key, side: Array, size: tuple[int, int]) -> Array:
    """Draws the upper left corner of a square inside an image, `[2]` int32.

    Args:
      key: a typed random key.
      side: `[]` int32.
      size: (H, W).
    """
    room = jnp.asarray(size, jnp.int32) - side + 1
    return jnp.minimum(jnp.int32(jax.random.uniform(key, (2,)) * room), room - 1)


def mark(corner: Array, side: Array, size: tuple[int, int]) -> Array:
    """Marks the pixels of a square, `[H, W]` bool.

    Args:
      corner, side: where it is, and how large.
      size: (H, W).
    """
    return _are_inside(_places(corner, size), side)


def draw_signs(key: Key, shape: tuple[int, ...]) -> Array:
    """Draws -1 or 1, equally often.

    Args:
      key: a typed random key.
      shape: of what is drawn.
    """
    return jax.random.rademacher(key, shape, jnp.float32)


def draw_stripes(key: Key, shape: tuple[int, ...]) -> Array:
    """Draws the start of the attack in Linf: a sign for every column and colour.

    Args:
      key: a typed random key.
      shape: `(H, W, C)`.
    """
    return jnp.broadcast_to(draw_signs(key, (1, *shape[1:])), shape)


def draw_tiles(key: Key, shape: tuple[int, ...]) -> Array:
    """Draws the start of the attack in L2: patterns side by side, of norm 1.

    Args:
      key: a typed random key.
      shape: `(H, W, C)`.
    """
    height, width, channels = shape
    side = max(height // TILES, 1)
    margin = (height - side * TILES) // 2 if height >= TILES else 0
    tiles = (height // side, width // side)
    for_sign, for_turn = jax.random.split(key)
    at = jnp.stack(jnp.indices((height, width))) - margin
    tile = at // side
    inside = (tile >= 0) & (tile < jnp.array(tiles)[:, None, None])
    row, column = jnp.clip(tile, 0, jnp.array(tiles)[:, None, None] - 1)
    upright = _draw_pattern(at % side, jnp.int32(side))
    turned = _draw_pattern((at % side)[::-1], jnp.int32(side))
    turn = jax.random.bernoulli(for_turn, shape=tiles)[row, column]
    signs = draw_signs(for_sign, (*tiles, channels))[row, column]
    pattern = jnp.where(turn, turned, upright) * jnp.all(inside, axis=0)
    return _scale(pattern[..., None] * signs)


def draw_pattern(key: Key, corner: Array, side: Array, size: tuple[int, int]) -> Array:
    """Draws the pattern of a square, of norm 1, `[H, W]`; it lies or stands.

    Args:
      key: a typed random key.
      corner, side: where it is, and how large.
      size: (H, W).
    """
    at = _places(corner, size)
    at = jnp.where(jax.random.bernoulli(key), at, at[::-1])
    return _scale(_draw_pattern(at, side))


def _places(corner: Array, size: tuple[int, int]) -> Array:
    """Returns where every pixel is, from the corner of a square, `[2, H, W]`."""
    return jnp.stack(jnp.indices(size)) - corner[:, None, None]


def _are_inside(at: Array, side: Array) -> Array:
    return jnp.all((at >= 0) & (at < side), axis=0)


def _draw_pattern(at: Array, side: Array) -> Array:
    """Draws two heaps, one up and one down, each of norm 1 where it fills the square once.

    Args:
      at: `[2, H, W]` int32, places from the corner.
      side: `[]` int32.
    """
    half = side // 2
    upper, lower = at[0] < half, at[0] >= half
    inside = _are_inside(at, side)
    first = _draw_heap(at[0], at[1], half, side) * (inside & upper)
    second = _draw_heap(at[0] - half, at[1], side - half, side) * (inside & lower)
    return _scale(first) - _scale(second)


def _draw_heap(row: Array, column: Array, height: Array, width: Array) -> Array:
    """Draws what falls off from the middle of a rectangle, by rings of one pixel.

    Its value is the sum of 1 / k^2 from the ring to the last one.
    """
    ring = jnp.maximum(jnp.abs(row - height // 2), jnp.abs(column - width // 2))
    last = jnp.maximum(height // 2, width // 2) + 1
    sums = jnp.cumsum(1.0 / jnp.square(jnp.arange(1.0, 1 + max(row.shape))))
    sums = jnp.concatenate([jnp.zeros(1), sums])
    top = sums.size - 1
    heap = sums[jnp.minimum(last, top)] - sums[jnp.clip(ring, 0, top)]
    return jnp.where(ring < last, heap, 0.0)


def _scale(pattern: Array) -> Array:
    return pattern / jnp.maximum(jnp.sqrt(jnp.sum(pattern * pattern)), TINY)
