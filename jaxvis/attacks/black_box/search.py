"""How attacks that see labels alone reach the boundary: a start, and a search along a line.

Both are phases of an attack: a step asks about one batch of pictures, of which the first
`asked` count. Nothing here is a loop around the network.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attacks.attack import Row
from jaxvis.attacks.norms import Norm, geometry_of
from jaxvis.types import Array, Image

START, LINE, BEYOND = 0, 1, 2
"""The phases: no adversarial picture is known; one is, and the boundary in front of it is
looked for; the boundary is reached, and the attack's own phases begin."""

BATCH = 32
"""Pictures that a step asks about."""
UNLIMITED = 2**30
"""The budget of an attack that may ask as often as it likes."""
PLACES = 15
"""Pictures of one step along a line: the boundary is found 16 times as exactly."""
ATTEMPTS = 32
"""Batches of noise, after which a start counts as not to be found."""
BLOCKS = (1, 4, 16)
"""Sides in pixels of the squares of noise; the whole picture in one colour is added."""
BEHIND = 1e-4
"""How far behind the boundary a result lies, as a part of its distance: on the boundary
itself the rounding of another program may turn it back."""
BATCHES_OF_LINE = 8
"""Steps along a line at most: 16^-8 is less than float32 can tell."""


class Search(NamedTuple):
    """How far the search for the boundary is.

    Attributes:
      phase: `[]` int32.
      point: `[H, W, C]`, a picture that fools the network; the image where none is known.
      low, high: `[]`, parts of the way from the image to the point: the boundary lies
        between them.
      tries: `[]` int32, batches that this phase has asked about.
      best: `[H, W, C]`, the nearest picture that is known to fool the network.
      size: `[]`, the norm of its perturbation; infinite where none is known.
      queries: `[]` int32, how many pictures the network has seen.
    """

    phase: Array
    point: Array
    low: Array
    high: Array
    tries: Array
    best: Array
    size: Array
    queries: Array


def begin_search(norm: Norm, row: Row) -> Search:
    """Begins at the start of a row, or looks for one.

    Args:
      norm: what measures the perturbation.
      row: what is attacked.
    """
    known = row.start is not None
    point = row.image if row.start is None else row.start
    size = geometry_of(norm).measure(point - row.image) if known else jnp.float32(jnp.inf)
    # One query is kept for the picture in the end.
    return Search(
        phase=jnp.int32(LINE if known else START),
        point=point,
        low=jnp.float32(0.0),
        high=jnp.float32(1.0),
        tries=jnp.int32(0),
        best=point,
        size=size,
        queries=jnp.int32(1),
    )


def make_normal(noise: Array) -> Array:
    """Makes standard normal noise of uniform noise from -1 to 1.

    Args:
      noise: of any shape.
    """
    # Nowhere quite 1, whose inverse error function is infinite.
    return np.float32(2**0.5) * jax.lax.erf_inv(0.999999 * noise)


def propose_starts(image: Image, noise: Array) -> Array:
    """Mixes an image with noise, from little to nothing but noise: `[k, H, W, C]`.

    Networks often see one class in all noise of single pixels, so that there are coarser
    kinds too.

    Args:
      image: `[H, W, C]`.
      noise: `[k, H, W, C]`, uniform from -1 to 1.
    """
    side = max(image.shape[:2])
    kinds = [block for block in BLOCKS if block < side] + [side]
    parts = []
    for i, block in enumerate(kinds):
        coarse = noise[i :: len(kinds), ::block, ::block]
        full = jnp.repeat(jnp.repeat(coarse, block, axis=1), block, axis=2)
        full = (full[:, : image.shape[0], : image.shape[1]] + 1.0) / 2.0
        share = np.linspace(1.0, 0.0, len(coarse), endpoint=False, dtype=np.float32)[::-1]
        parts.append(image + share[:, None, None, None] * (full - image))
    return jnp.concatenate(parts)


def take_start(norm: Norm, row: Row, search: Search, points: Array, fooled: Array) -> Search:
    """Takes the nearest picture that fools the network, where there is one.

    Args:
      norm: what measures the perturbation.
      row: what is attacked.
      search: how far it is.
      points: `[k, H, W, C]`.
      fooled: `[k]` bool.
    """
    found = remember_nearest(norm, row, search, points, fooled)
    success = jnp.isfinite(found.size)
    return found._replace(
        phase=jnp.where(success, LINE, START),
        point=found.best,
        tries=jnp.where(success, 0, search.tries + 1),
    )


def remember_nearest(norm: Norm, row: Row, search: Search, points: Array, fooled: Array) -> Search:
    """Keeps the nearest picture that fools the network, if it is nearer than the best.

    Args:
      norm, row, search: see `take_start`.
      points: `[k, H, W, C]`.
      fooled: `[k]` bool.
    """
    sizes = jax.vmap(geometry_of(norm).measure)(points - row.image)
    sizes = jnp.where(fooled, sizes, jnp.inf)
    nearest = jnp.argmin(sizes)
    nearer = sizes[nearest] < search.size
    return search._replace(
        best=jnp.where(nearer, points[nearest], search.best),
        size=jnp.where(nearer, sizes[nearest], search.size),
    )


def walk_line(norm: Norm, row: Row, point: Image, part: Array) -> Image:
    """Goes a part of the way from the image to a point.

    In L2 along the straight line; in Linf no value goes farther than that part of the
    largest change.

    Args:
      norm: "l2" or "linf".
      row: its image is where the way begins.
      point: `[H, W, C]`, where it ends.
      part: from 0 to 1.
    """
    delta = point - row.image
    if norm == "linf":
        return row.image + geometry_of(norm).project(delta, part * jnp.max(jnp.abs(delta)))
    return row.image + part * delta


def propose_line(norm: Norm, row: Row, search: Search, count: int) -> Array:
    """Makes pictures between the two ends of a search, `[count, H, W, C]`.

    Args:
      norm: what measures the perturbation.
      row: what is attacked.
      search: how far it is.
      count: how many; those from PLACES on are copies that nobody asks about.
    """
    parts = _divide(search, count)
    return jax.vmap(lambda part: walk_line(norm, row, search.point, part))(parts)


def _divide(search: Search, count: int) -> Array:
    places = min(PLACES, count)
    steps = np.minimum(np.arange(1, count + 1), places).astype(np.float32) / (places + 1)
    return search.low + (search.high - search.low) * steps


def take_line(norm: Norm, row: Row, search: Search, fooled: Array, asked: Array) -> Search:
    """Narrows the search to the first picture on the line that fools the network.

    Where that is exact enough the point moves there, and the search is over.

    Args:
      norm: what measures the perturbation.
      row: what is attacked.
      search: how far it is.
      fooled: `[k]` bool.
      asked: `[]`, how many of them count.
    """
    parts = _divide(search, len(fooled))
    found = jnp.any(fooled)
    first = jnp.where(found, jnp.argmax(fooled), asked)
    low = jnp.where(first > 0, parts[jnp.maximum(first - 1, 0)], search.low)
    high = jnp.where(found, parts[first], search.high)
    geometry = geometry_of(norm)
    whole = geometry.measure(search.point - row.image)
    exact = high - low <= resolution(norm, row.image.size, whole) / jnp.maximum(whole, 1e-12)
    over = exact | (search.tries + 1 >= BATCHES_OF_LINE)
    point = walk_line(norm, row, search.point, high)
    size = geometry.measure(point - row.image)
    nearer = over & (size < search.size)
    return search._replace(
        phase=jnp.where(over, BEYOND, LINE),
        point=jnp.where(over, point, search.point),
        low=jnp.where(over, 0.0, low),
        high=jnp.where(over, 1.0, high),
        tries=jnp.where(over, 0, search.tries + 1),
        best=jnp.where(nearer, point, search.best),
        size=jnp.where(nearer, size, search.size),
    )


def resolution(norm: Norm, values: int, distance: Array) -> Array:
    """Says how exactly the boundary is found, in units of the norm.

    It is distance / d^1.5 in L2 and distance / d^2 in Linf, and never less than what
    float32 and the rounding inside a network can tell apart.

    Args:
      norm: "l2" or "linf".
      values: d, how many values the image has.
      distance: `[]`, of the point from the image.
    """
    power, least = (2.0, 2e-7) if norm == "linf" else (1.5, 1e-5)
    finest = jnp.maximum(2e-7 * distance, least)
    return jnp.maximum(distance * float(values) ** -power, finest)


def give_best(row: Row, search: Search, fooled: Array, behind: Image) -> Image:
    """Gives the best picture: a little behind the boundary where that fools the network.

    Args:
      row: what is attacked.
      search: at its end.
      fooled: `[]` bool, whether `behind` does.
      behind: of `go_behind`.
    """
    best = jnp.where(fooled, behind, search.best)
    return jnp.where(jnp.isfinite(search.size), best, row.image)


def go_behind(row: Row, search: Search) -> Image:
    """Gives the best picture moved a little away from the image, `[H, W, C]`.

    Args:
      row: what is attacked.
      search: at its end.
    """
    return jnp.clip(row.image + (1.0 + BEHIND) * (search.best - row.image), 0.0, 1.0)
