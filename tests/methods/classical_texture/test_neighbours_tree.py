"""The tree against exhaustive search, and what a tree is."""

import numpy as np
import pytest

from jaxvis.methods.classical_texture.neighbours.tree import (
    build_tree,
    search_all,
    search_tree,
)


def cloud(count=600, dimensions=12, *, seed=0):
    """Returns vectors near a surface of three dimensions, as neighbourhoods are."""
    rng = np.random.default_rng(seed)
    inner = rng.normal(size=(count, 3))
    lifted = np.sin(inner @ np.random.default_rng(9).normal(size=(3, dimensions)))
    return (lifted + 0.05 * rng.normal(size=lifted.shape)).astype(np.float32)


def by_loops(vectors, queries):
    """Returns the nearest vector's index for each query, one by one."""
    return np.array(
        [
            min(range(len(vectors)), key=lambda i: np.sum((vectors[i] - query) ** 2))
            for query in queries
        ]
    )


def leaves(tree, node=0, depth=0):
    """Yields the (node, depth) of every leaf below a node."""
    left, right = int(tree.left[node]), int(tree.right[node])
    if left == node:
        yield node, depth
        return
    yield from leaves(tree, left, depth + 1)
    yield from leaves(tree, right, depth + 1)


@pytest.mark.parametrize("leaf", [1, 5])
def test_every_vector_is_in_one_leaf_and_centroids_are_means(leaf):
    vectors = cloud(100)
    tree = build_tree(vectors, leaf=leaf)
    found, deepest = [], 0
    for node, depth in leaves(tree):
        members = sorted(set(np.asarray(tree.members[node]).tolist()))
        assert 1 <= len(members) <= leaf
        np.testing.assert_allclose(tree.centroids[node], vectors[members].mean(0), atol=1e-5)
        found += members
        deepest = max(deepest, depth)
    assert sorted(found) == list(range(100))
    assert deepest == tree.depth
    np.testing.assert_allclose(tree.centroids[0], vectors.mean(0), atol=1e-5)


def test_splits_put_each_vector_on_the_side_of_the_nearer_mean():
    rng = np.random.default_rng(3)
    two = np.concatenate([rng.normal(-5, 1, (30, 4)), rng.normal(5, 1, (10, 4))])
    tree = build_tree(two.astype(np.float32), leaf=30)
    sides = [set(np.asarray(tree.members[i]).tolist()) for i in (1, 2)]
    assert sorted(sides, key=len) == [set(range(30, 40)), set(range(30))]


def test_nearest_of_all_equals_the_loops():
    vectors, queries = cloud(200), cloud(40, seed=1)
    np.testing.assert_array_equal(search_all(vectors, queries), by_loops(vectors, queries))


def test_search_agrees_with_exhaustive_search_more_often_with_more_nodes():
    vectors, queries = cloud(), cloud(300, seed=1)
    best = np.asarray(search_all(vectors, queries))
    tree = build_tree(vectors, leaf=4)
    rates = [
        np.mean(np.asarray(search_tree(tree, queries, beam=beam)) == best) for beam in (1, 4, 16)
    ]
    # Measured: 0.55, 0.92, 1.0.
    assert rates[0] > 0.4 and rates[1] > 0.85 and rates[2] > 0.99
    assert rates[0] < rates[1] <= rates[2]


def test_what_is_found_is_never_far_beyond_the_nearest():
    vectors, queries = cloud(), cloud(300, seed=2)
    tree = build_tree(vectors)
    found, best = search_tree(tree, queries), search_all(vectors, queries)
    away, least = (
        np.linalg.norm(vectors[np.asarray(index)] - queries, axis=1) for index in (found, best)
    )
    assert np.mean(away) < 1.05 * np.mean(least)
    assert np.all(away >= least - 1e-5)


def test_vectors_of_the_tree_are_found_themselves():
    vectors = cloud(300)
    found = np.asarray(search_tree(build_tree(vectors, leaf=4), vectors, beam=4))
    assert np.mean(found == np.arange(300)) > 0.99


def test_a_beam_wider_than_the_tree_is_exhaustive_search():
    vectors, queries = cloud(50), cloud(50, seed=1)
    found = search_tree(build_tree(vectors, leaf=1), queries, beam=64)
    np.testing.assert_array_equal(found, search_all(vectors, queries))


@pytest.mark.parametrize("count", [1, 7, 40])
def test_equal_vectors_make_a_tree_all_the_same(count):
    vectors = np.ones((count, 3), np.float32)
    tree = build_tree(vectors, leaf=2)
    members = {int(i) for node, _ in leaves(tree) for i in tree.members[node]}
    assert members == set(range(count))
    assert 0 <= int(search_tree(tree, np.zeros((1, 3), np.float32), beam=4)[0]) < count


@pytest.mark.parametrize(
    ("vectors", "leaf"),
    [(np.zeros((0, 3)), 4), (np.zeros(3), 4), (np.zeros((4, 3)), 0)],
    ids=["none", "rank", "leaf"],
)
def test_what_makes_no_tree_is_refused(vectors, leaf):
    with pytest.raises(ValueError, match="leaves of at least 1"):
        build_tree(vectors, leaf=leaf)
