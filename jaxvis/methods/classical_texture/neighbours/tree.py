"""Tree-structured vector quantisation: the nearest of many vectors, in a few steps."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvis.compiler import jit
from jaxvis.types import Array

ITERATIONS = 6
"""Of Lloyd's algorithm, for each split."""


class Tree(NamedTuple):
    """A binary tree over N vectors; the root is node 0.

    It always has M = 2 N - 1 nodes, the most that N vectors can need. The last ones are
    leaves that nothing leads to. So trees of equally many vectors have the same shapes,
    and a search compiles once for all of them.

    Attributes:
      vectors: `[N, D]` float32, what the tree was built of.
      centroids: `[M, D]`, the mean of each node's vectors.
      left: `[M]` int32, the left child; the node itself for a leaf.
      right: `[M]` int32, the right child; M, which is nowhere, for a leaf.
      members: `[M, leaf]` int32, the vectors of a leaf, the first one repeated to fill
        up; zeros for other nodes.
      depth: `[]` int32, the most steps from the root to a leaf.
    """

    vectors: np.ndarray | Array
    centroids: np.ndarray | Array
    left: np.ndarray | Array
    right: np.ndarray | Array
    members: np.ndarray | Array
    depth: np.int32 | Array


def build_tree(vectors: np.ndarray, *, leaf: int = 16) -> Tree:
    """Builds the tree whose nodes are split in two by k-means, down to small leaves.

    A split starts from the halves along the coordinate of largest variance and runs
    Lloyd's algorithm; where that leaves one side empty (equal vectors), the node is
    cut in halves as it lies.

    Args:
      vectors: `[N, D]` float32, at least one.
      leaf: the most vectors of a leaf.

    Raises:
      ValueError: if there is no vector, or leaf is below 1.

    Source: Gersho & Gray, Vector quantization and signal compression (1992), chapter
      12; Wei & Levoy (2000), section 4. Departures: a leaf has several vectors, and a
      search compares them all; with leaf=1 it is theirs.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or not len(vectors) or leaf < 1:
        raise ValueError(
            f"a tree is of vectors [N, D] and leaves of at least 1, not of "
            f"{vectors.shape} and {leaf}"
        )
    groups, depths = [np.arange(len(vectors))], [0]
    for node, group in enumerate(groups):
        if len(group) > leaf:
            # The list grows while it is walked: children stand behind all before them.
            groups += _split(vectors, group)
            depths += [depths[node] + 1] * 2
    count = 2 * len(vectors) - 1
    centroids = np.zeros((count, vectors.shape[1]), np.float32)
    left, right = np.arange(count), np.full(count, count)
    members = np.zeros((count, leaf), int)
    child = 1
    for node, group in enumerate(groups):
        centroids[node] = vectors[group].mean(0)
        if len(group) > leaf:
            left[node], right[node], child = child, child + 1, child + 2
        else:
            members[node] = np.append(group, [group[0]] * leaf)[:leaf]
    return Tree(
        vectors,
        centroids,
        left.astype(np.int32),
        right.astype(np.int32),
        members.astype(np.int32),
        np.int32(max(depths)),
    )


def _split(vectors: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """Splits a group of vectors into two clusters."""
    points = vectors[group]
    axis = points[:, np.argmax(points.var(0))]
    side = axis > np.median(axis)
    for _ in range(ITERATIONS):
        if side.all() or not side.any():
            break
        one, two = points[~side].mean(0), points[side].mean(0)
        # |x - two|^2 < |x - one|^2, the squares of x on both sides left out.
        nearer = points @ (two - one) > (two @ two - one @ one) / 2
        if np.array_equal(nearer, side):
            break
        side = nearer
    if side.all() or not side.any():
        side = np.arange(len(group)) >= len(group) // 2
    return [group[~side], group[side]]


@jit(static_argnames="beam")
def search_tree(tree: Tree, queries: Array, *, beam: int = 4) -> Array:
    """Finds the nearest vectors that a walk down the tree meets, by index.

    At every level the `beam` nodes whose centroids are nearest stay; leaves wait until
    all are leaves. Of those leaves' vectors the nearest one is found: with beam 1, the
    plain search of tree-structured quantisation, which often misses the nearest.

    Args:
      tree: of `build_tree`.
      queries: `[Q, D]`.
      beam: how many nodes stay.

    Returns:
      Array: `[Q]` int32 indices into `tree.vectors`.
    """
    count = len(tree.centroids)
    first = jnp.full((len(queries), beam), count, jnp.int32).at[:, 0].set(0)

    def step(_, nodes: Array) -> Array:
        # Beyond the last node is nowhere, and stays so.
        left = jnp.where(nodes < count, tree.left[nodes], count)
        right = jnp.where(nodes < count, tree.right[nodes], count)
        nodes = jnp.concatenate([left, right], axis=1)
        far = _square_distances(tree.centroids[nodes], queries)
        _, order = lax.top_k(-jnp.where(nodes < count, far, jnp.inf), beam)
        return jnp.take_along_axis(nodes, order, axis=1)

    nodes = lax.fori_loop(0, tree.depth, step, first)
    # Where fewer leaves than `beam` were found, others fill their places harmlessly.
    found = tree.members[jnp.minimum(nodes, count - 1)].reshape(len(queries), -1)
    best = jnp.argmin(_square_distances(tree.vectors[found], queries), axis=1)
    return jnp.take_along_axis(found, best[:, None], axis=1)[:, 0]


def _square_distances(vectors: Array, queries: Array) -> Array:
    """Computes squared distances `[Q, K]` of `[Q, K, D]` to `[Q, D]`."""
    return jnp.sum((vectors - queries[:, None]) ** 2, axis=-1)


def search_all(vectors: Array, queries: Array) -> Array:
    """Finds the nearest vectors by comparing all of them, in a matrix product.

    Args:
      vectors: `[N, D]`, best of mean zero (the squares cancel).
      queries: `[Q, D]`.

    Returns:
      Array: `[Q]` int32, the first of equally near ones.
    """
    square = jnp.sum(vectors * vectors, axis=1)
    product = jnp.matmul(queries, vectors.T, precision=lax.Precision.HIGHEST)
    return jnp.argmin(square - 2 * product, axis=1).astype(jnp.int32)
