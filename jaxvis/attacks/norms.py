"""The norms that measure a perturbation: distance, steepest direction, ball, random draws.

A perturbation is delta `[H, W, C]`, image values in [0, 1]. Written for one image;
`jax.vmap` gives it an axis.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.types import Array, Key

Norm = Literal["linf", "l2", "l1", "l0"]
"""How a perturbation is measured: its largest value, its Euclidean length, the sum of its
absolute values, or how many pixels it changes."""

DUAL: dict[Norm, Norm] = {"linf": "l1", "l2": "l2", "l1": "linf"}
"""What measures a gradient, where a norm measures the step along it."""

TINY = 1e-12
"""What a length is at least, where something is divided by it."""

LEAST = float(np.finfo(np.float32).tiny)
"""The least number that no processor rounds to 0."""


class Geometry(NamedTuple):
    """What a norm's ball looks like.

    Attributes:
      measure: `delta -> []`, its norm.
      point: `gradient -> delta`, the direction of norm 1 along which the loss rises fastest.
      project: `(delta, epsilon) -> delta`, the nearest one of norm at most epsilon.
      draw: `(key, shape, epsilon) -> delta`, a random one of norm at most epsilon.
    """

    measure: Callable[[Array], Array]
    point: Callable[[Array], Array]
    project: Callable[[Array, Array], Array]
    draw: Callable[[Key, tuple[int, ...], Array], Array]


def check_norm(norm: str, *, known: tuple[str, ...] = get_args(Norm)) -> None:
    """Checks the name of a norm.

    Args:
      norm: such as "linf".
      known: those that an attack can use.

    Raises:
      ValueError: for another one; names those that there are.
    """
    if norm not in known:
        raise ValueError(f"norm={norm!r} is not known here: choose one of {', '.join(known)}")


def geometry_of(norm: Norm) -> Geometry:
    """Finds what the ball of a norm looks like.

    Args:
      norm: its name.

    Raises:
      ValueError: for an unknown one.
    """
    check_norm(norm)
    return _GEOMETRIES[norm]


def _measure_linf(delta: Array) -> Array:
    return jnp.max(jnp.abs(delta))


def _project_linf(delta: Array, epsilon: Array) -> Array:
    return jnp.clip(delta, -epsilon, epsilon)


def _draw_linf(key: Key, shape: tuple[int, ...], epsilon: Array) -> Array:
    return epsilon * jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


def _measure_l2(delta: Array) -> Array:
    return jnp.sqrt(jnp.sum(delta * delta))


def _point_l2(gradient: Array) -> Array:
    # Divided by the largest value first: the square of a small gradient is zero in float32.
    scaled = gradient / jnp.maximum(jnp.max(jnp.abs(gradient)), LEAST)
    return scaled / jnp.maximum(_measure_l2(scaled), TINY)


def _project_l2(delta: Array, epsilon: Array) -> Array:
    return delta * jnp.minimum(1.0, epsilon / jnp.maximum(_measure_l2(delta), TINY))


def _draw_l2(key: Key, shape: tuple[int, ...], epsilon: Array) -> Array:
    for_direction, for_radius = jax.random.split(key)
    direction = _point_l2(jax.random.normal(for_direction, shape))
    # The volume within a radius grows with its power of the number of values.
    count = float(jnp.size(direction))
    return epsilon * jax.random.uniform(for_radius) ** (1.0 / count) * direction


def _measure_l1(delta: Array) -> Array:
    return jnp.sum(jnp.abs(delta))


def _point_l1(gradient: Array) -> Array:
    """Returns the sign of the largest entries, a twentieth of all, that share a norm of 1.

    The steepest direction alone would change one value a step.
    Source: Tramer & Boneh (2019), the sparse L1 descent attack.
    """
    size = jnp.abs(gradient)
    least = jnp.quantile(size, 0.95)
    chosen = jnp.where((size >= least) & (size > 0), jnp.sign(gradient), 0.0)
    return chosen / jnp.maximum(_measure_l1(chosen), 1.0)


def _project_l1(delta: Array, epsilon: Array) -> Array:
    """Projects onto the L1 ball. Source: Duchi et al. (ICML 2008)."""
    size = jnp.abs(delta).ravel()
    ordered = jnp.sort(size)[::-1]
    above = (jnp.cumsum(ordered) - epsilon) / jnp.arange(1, size.size + 1)
    # The largest count whose smallest entry stays above its threshold.
    count = jnp.sum(ordered > above)
    threshold = jnp.maximum(above[jnp.maximum(count - 1, 0)], 0.0)
    shrunk = jnp.sign(delta) * jnp.maximum(jnp.abs(delta) - threshold, 0.0)
    return jnp.where(jnp.sum(size) <= epsilon, delta, jnp.where(epsilon > 0, shrunk, 0.0))


def _draw_l1(key: Key, shape: tuple[int, ...], epsilon: Array) -> Array:
    delta = jax.random.laplace(key, shape)
    for_radius = jax.random.fold_in(key, 1)
    count = float(jnp.size(delta))
    radius = epsilon * jax.random.uniform(for_radius) ** (1.0 / count)
    return radius * delta / jnp.maximum(_measure_l1(delta), TINY)


def _sizes_of_pixels(delta: Array) -> Array:
    return jnp.max(jnp.abs(delta), axis=-1)


def _measure_l0(delta: Array) -> Array:
    return jnp.sum(_sizes_of_pixels(delta) > 0).astype(jnp.float32)


def _project_l0(delta: Array, epsilon: Array) -> Array:
    """Keeps the `epsilon` pixels that change most."""
    size = _sizes_of_pixels(delta)
    order = jnp.argsort(-size.ravel(), stable=True)
    rank = jnp.zeros(size.size, jnp.int32).at[order].set(jnp.arange(size.size))
    return jnp.where((rank < epsilon).reshape(size.shape)[..., None], delta, 0.0)


def _draw_l0(key: Key, shape: tuple[int, ...], epsilon: Array) -> Array:
    for_values, for_pixels = jax.random.split(key)
    values = jax.random.uniform(for_values, shape, minval=-1.0, maxval=1.0)
    order = jax.random.uniform(for_pixels, shape[:-1])
    rank = jnp.argsort(jnp.argsort(order.ravel())).reshape(shape[:-1])
    return jnp.where((rank < epsilon)[..., None], values, 0.0)


_GEOMETRIES = {
    "linf": Geometry(_measure_linf, jnp.sign, _project_linf, _draw_linf),
    "l2": Geometry(_measure_l2, _point_l2, _project_l2, _draw_l2),
    "l1": Geometry(_measure_l1, _point_l1, _project_l1, _draw_l1),
    "l0": Geometry(_measure_l0, _point_l2, _project_l0, _draw_l0),
}
