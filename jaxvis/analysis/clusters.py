"""Which codes belong together, and which belong to none."""

from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.analysis.codes import Codes
from jaxvis.analysis.embed import pca
from jaxvis.analysis.neighbours import as_values, neighbours
from jaxvis.compiler import jit
from jaxvis.types import Array, ArrayLike, Key, as_key

STEPS = 300
"""Updates at most; most starts need a tenth of them."""
Way = Literal["neighbour", "mahalanobis"]
"""What an outlier is: one far from its neighbours, or far from the mean."""


class Clusters(NamedTuple):
    """Clusters of codes.

    Attributes:
      centres: `[k, d]`.
      labels: `[N]` int, the number of each code's nearest centre.
      spread: the sum of squared distances to the nearest centres.
    """

    centres: np.ndarray
    labels: np.ndarray
    spread: float


def kmeans(
    codes: Codes | ArrayLike,
    clusters: int,
    /,
    *,
    starts: int = 4,
    key: Key | int = 0,
    centres: ArrayLike | None = None,
) -> Clusters:
    """Finds clusters of codes: Lloyd's updates from centres that k-means++ draws, compiled.

    Args:
      codes: `[N, d]`.
      clusters: k, how many. A cluster that loses all its codes keeps its centre.
      starts: how many times to start; the one of least spread is returned.
      key: a typed random key, or an integer seed.
      centres: `[k, d]` to start from, once, instead of drawing them.

    Raises:
      ValueError: for what are no codes, more clusters than codes, or no start.

    Source: Lloyd (1982); Arthur & Vassilvitskii (2007).

    >>> import numpy as np
    >>> import jaxvis
    >>> found = jaxvis.kmeans(np.array([[0.0], [1.0], [9.0], [11.0]]), 2)
    >>> sorted(found.centres[:, 0].tolist())
    [0.5, 10.0]
    """
    values = as_values(codes)
    if not 1 <= clusters <= len(values) or starts < 1:
        raise ValueError(
            f"{len(values)} codes make 1 to {len(values)} clusters from 1 or more starts, not "
            f"{clusters} from {starts}"
        )
    mean = values.mean(axis=0)
    points = jnp.asarray(values - mean)
    if centres is None:
        begun = [_draw(clusters, one, points) for one in jax.random.split(as_key(key), starts)]
    else:
        given = as_values(centres, width=values.shape[1])
        if len(given) != clusters:
            raise ValueError(f"{clusters} clusters begin from as many centres, not {len(given)}")
        begun = [jnp.asarray(given - mean)]
    found = min((_update(points, one) for one in begun), key=lambda one: float(one[2]))
    return Clusters(np.asarray(found[0]) + mean, np.asarray(found[1]), float(found[2]))


def outlier_scores(
    codes: Codes | ArrayLike,
    *,
    way: Way = "neighbour",
    k: int = 5,
    components: int = 10,
) -> np.ndarray:
    """Says how far each code is from the others, `[N]`; larger is stranger.

    Args:
      codes: `[N, d]`.
      way: "neighbour" is the distance to the k-th nearest other code. "mahalanobis" is the
        distance to the mean in the space of the first principal components, each divided by
        its standard deviation; components without any variance are left out.
      k: of "neighbour"; at most N - 1 is used.
      components: of "mahalanobis"; at most N - 1 and d are used.

    Raises:
      ValueError: for what are no codes, fewer than 2, another way, or a count below 1.

    Source: Ramaswamy, Rastogi & Shim (2000); Mahalanobis (1936).

    >>> import numpy as np
    >>> import jaxvis
    >>> jaxvis.outlier_scores(np.array([[0.0], [1.0], [2.0], [9.0]]), k=1)
    array([1., 1., 1., 7.], dtype=float32)
    """
    values = as_values(codes)
    if way not in get_args(Way):
        raise ValueError(f"way is {' or '.join(get_args(Way))}, not {way!r}")
    if len(values) < 2 or k < 1 or components < 1:
        raise ValueError(
            f"outliers need 2 codes, and k and components of at least 1; got {len(values)} codes, "
            f"k {k} and {components} components"
        )
    if way == "neighbour":
        return neighbours(values, None, min(k, len(values) - 1)).distance[:, -1]
    found = pca(values, components=min(components, len(values) - 1, values.shape[1]))
    real = found.variance > 1e-10 * max(float(found.variance[0]), 1e-30)
    scaled = found.points[:, real] / np.sqrt(found.variance[real])
    return np.asarray(np.linalg.norm(scaled, axis=1), np.float32)


@jit(static_argnums=0)
def _draw(clusters: int, key: Key, points: Array) -> Array:
    """Draws centres `[k, d]`, each with a chance that grows as the squared distance."""
    keys = jax.random.split(key, clusters)
    first = points[jax.random.randint(keys[0], (), 0, len(points))]

    def add(i: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        centres, near = state
        # Where all distances are 0, every code is as good as another.
        chance = jnp.where(jnp.any(near > 0), jnp.log(near), 0.0)
        new = points[jax.random.categorical(keys[i], chance)]
        return centres.at[i].set(new), jnp.minimum(near, jnp.sum((points - new) ** 2, axis=1))

    begun = jnp.zeros((clusters, points.shape[1])).at[0].set(first)
    near = jnp.sum((points - first) ** 2, axis=1)
    return lax.fori_loop(1, clusters, add, (begun, near))[0]


@jit()
def _update(points: Array, centres: Array) -> tuple[Array, Array, Array]:
    """Updates centres until no code moves: (centres, labels, spread)."""

    def assign(centres: Array) -> Array:
        return jnp.argmax(points @ centres.T - 0.5 * jnp.sum(centres**2, axis=1), axis=1)

    def step(state: tuple) -> tuple:
        centres, labels, _, count = state
        ones = jax.nn.one_hot(labels, len(centres))
        sizes = jnp.sum(ones, axis=0)[:, None]
        centres = jnp.where(sizes > 0, ones.T @ points / jnp.maximum(sizes, 1), centres)
        new = assign(centres)
        return centres, new, jnp.any(new != labels), count + 1

    begun = (centres, assign(centres), jnp.bool_(True), jnp.int32(0))
    found = lax.while_loop(lambda state: state[2] & (state[3] < STEPS), step, begun)
    centres, labels = found[:2]
    return centres, labels, jnp.sum((points - centres[labels]) ** 2)
