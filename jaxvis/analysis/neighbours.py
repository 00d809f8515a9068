"""The images whose codes are nearest: exact, by one matrix product a block."""

from typing import Any, Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.analysis.codes import Codes
from jaxvis.compiler import jit
from jaxvis.types import Array, ArrayLike

Metric = Literal["l2", "cosine"]
"""How far codes are apart: |a - b|, or 1 - cos(a, b)."""
BLOCK, QUERIES = 8192, 512
"""Codes and queries of one matrix product, at most."""
NUMBERS = 2**26
"""Numbers in the codes of one block, at most."""
SPARE = 8
"""Candidates beyond those wanted, among which the distances are computed again."""


class Neighbours(NamedTuple):
    """The nearest codes of some queries, the nearest first.

    Attributes:
      numbers: `[q, k]` int, those of the codes.
      distance: `[q, k]` float32.
    """

    numbers: np.ndarray
    distance: np.ndarray


def neighbours(
    codes: Codes | ArrayLike,
    query: Codes | ArrayLike | None,
    k: int,
    *,
    metric: Metric = "l2",
) -> Neighbours:
    """Finds the nearest codes of queries; every code is compared.

    The candidates come from matrix products in blocks, so that the memory does not grow with
    the number of codes; the distances that are returned are those of float64.

    Args:
      codes: `[N, d]`.
      query: `[q, d]`, or one, `[d]`; None asks for each code's neighbours among the others.
      k: how many.
      metric: "l2" or "cosine". A code of zeros is at cosine distance 1 from everything.

    Returns:
      Neighbours: numbers and distance, `[q, k]`; `[k]` for one query. Of equal distances the
      lower number comes first.

    Raises:
      ValueError: for another metric, codes of another length, or a k that is not from 1 to
        the number of codes.

    Source: Lecture 21, 21.2: neighbours in pixels and in the space of the last hidden layer.

    >>> import numpy as np
    >>> import jaxvis
    >>> codes = np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]])
    >>> jaxvis.neighbours(codes, codes[0], 2)
    Neighbours(numbers=array([0, 2]), distance=array([0., 1.], dtype=float32))
    """
    values = as_values(codes)
    alone = query is None
    asked = values if query is None else as_values(query, width=values.shape[1])
    one = query is not None and not isinstance(query, Codes) and np.ndim(query) == 1
    if metric not in get_args(Metric):
        raise ValueError(f"metric is {' or '.join(get_args(Metric))}, not {metric!r}")
    most = len(values) - alone
    if not 1 <= k <= most:
        raise ValueError(f"k is from 1 to {most}, the number of codes to choose from, not {k}")
    # The mean is taken away, because the product would lose what is small beside it.
    shift = values.mean(axis=0) if metric == "l2" else np.zeros(values.shape[1], np.float32)
    near = [
        _search(values, asked[start : start + QUERIES], start if alone else None, k, metric, shift)
        for start in range(0, len(asked), QUERIES)
    ]
    found = Neighbours(*(np.concatenate(part) for part in zip(*near)))
    return Neighbours(found.numbers[0], found.distance[0]) if one else found


def as_values(codes: Codes | ArrayLike, *, width: int | None = None) -> np.ndarray:
    """Returns codes as numbers, `[N, d]` float32.

    Args:
      codes: `[N, d]`, or one, `[d]`.
      width: the d that is expected.

    Raises:
      ValueError: for another shape, or numbers that are not finite.
    """
    values = np.asarray(codes.values if isinstance(codes, Codes) else codes, np.float32)
    values = values[None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise ValueError(f"codes are [N, d], not of shape {values.shape}")
    if width is not None and values.shape[1] != width:
        raise ValueError(
            f"the query's codes have {values.shape[1]} entries, and those searched {width}: take "
            "the same tap, pool and size"
        )
    if not np.isfinite(values).all():
        raise ValueError("codes have entries that are NaN or infinite")
    return values


def measure_distances(codes: np.ndarray, query: np.ndarray, metric: Metric) -> np.ndarray:
    """Measures distances between pairs in float64, `[...]`.

    Args:
      codes, query: `[..., d]`, broadcast against each other.
      metric: "l2" or "cosine".
    """
    codes, query = codes.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        return np.linalg.norm(codes - query, axis=-1)
    size = np.linalg.norm(codes, axis=-1) * np.linalg.norm(query, axis=-1)
    product = np.sum(codes * query, axis=-1)
    return 1 - np.divide(product, size, out=np.zeros_like(product), where=size > 0)


def _search(
    values: np.ndarray,
    query: np.ndarray,
    first: int | None,
    k: int,
    metric: Metric,
    shift: np.ndarray,
) -> Neighbours:
    """Searches for some queries; `first` is the number of the first where they are codes."""
    block = max(1, min(BLOCK, len(values), NUMBERS // values.shape[1]))
    kept = min(k + SPARE + 1, len(values))
    own = np.full(len(query), -1) if first is None else first + np.arange(len(query))
    near: Any = (jnp.full((len(query), kept), -jnp.inf), jnp.zeros((len(query), kept), jnp.int32))
    for start in range(0, len(values), block):
        part = values[start : start + block]
        part = np.pad(part, ((0, block - len(part)), (0, 0)))
        near = _merge(metric, near, query, part, shift, own, start, len(values))
    index = np.asarray(near[1])
    rows = max(1, 2**24 // (kept * values.shape[1]))  # of float64 at a time
    distance = np.concatenate(
        [
            measure_distances(values[index[at : at + rows]], query[at : at + rows, None], metric)
            for at in range(0, len(query), rows)
        ]
    )
    distance = np.where(np.isfinite(np.asarray(near[0])), distance, np.inf)
    order = np.lexsort((index, distance), axis=-1)[:, :k]
    index, distance = (np.take_along_axis(one, order, axis=1) for one in (index, distance))
    return Neighbours(index.astype(int), distance.astype(np.float32))


@jit(static_argnums=0)
def _merge(
    metric: str,
    near: tuple[Array, Array],
    query: Array,
    block: Array,
    shift: Array,
    own: Array,
    start: Array,
    count: Array,
) -> tuple[Array, Array]:
    """Merges a block of codes into what is nearest so far: (nearness, numbers)."""
    query, block = query - shift, block - shift
    if metric == "l2":
        # Of the squared distance what depends on the code, halved and negated.
        score = query @ block.T - 0.5 * jnp.sum(block**2, axis=1)
    else:
        size = jnp.linalg.norm(block, axis=1)
        score = query @ (block / jnp.where(size > 0, size, 1)[:, None]).T
    numbers = start + jnp.arange(len(block), dtype=jnp.int32)
    hidden = (numbers >= count)[None] | (numbers[None] == own[:, None])
    score = jnp.where(hidden, -jnp.inf, score)
    both = jnp.concatenate([near[0], score], axis=1)
    numbers = jnp.concatenate([near[1], jnp.broadcast_to(numbers, score.shape)], axis=1)
    best, at = lax.top_k(both, near[0].shape[1])
    return best, jnp.take_along_axis(numbers, at, axis=1)
