"""Multifaceted visualization: clusters, means, pictures started from them."""

import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net

from jaxvis.methods.facets import (
    CentreWeighted,
    find_facets,
    kmeans,
    principal,
    visualize_facets,
)


def test_kmeans_finds_clusters_that_are_there():
    random = np.random.default_rng(0)
    middles = np.array([[0.0, 0], [9, 0], [0, 9]])
    points = np.concatenate([m + random.normal(size=(n, 2)) for m, n in zip(middles, (5, 12, 8))])
    cluster, centres = kmeans(points, 3, key=1)
    assert [*np.bincount(cluster)] == [12, 8, 5]
    for part in (slice(0, 5), slice(5, 17), slice(17, 25)):
        assert len(set(cluster[part])) == 1
    np.testing.assert_allclose(centres[0], points[5:17].mean(0), rtol=1e-5)
    with pytest.raises(ValueError, match="2 points cannot be 3 clusters"):
        kmeans(points[:2], 3)
    same, _ = kmeans(np.ones((4, 2)), 2)
    assert set(same) == {0, 1}


def test_principal_components_keep_the_distances():
    codes = np.random.default_rng(1).normal(size=(6, 50))
    found = principal(codes, components=6)
    wanted = np.linalg.norm(codes[:, None] - codes, axis=-1)
    distances = np.linalg.norm(found[:, None] - found, axis=-1)
    np.testing.assert_allclose(distances, wanted, atol=1e-8)
    spread = principal(codes, components=2).var(0)
    assert spread[0] >= spread[1] > 0


def test_the_middle_is_free_and_the_corners_are_not():
    image = np.full((5, 5, 3), 0.5, np.float32)
    middle, corner = image.copy(), image.copy()
    middle[2, 2], corner[0, 0] = 1, 1
    prior = CentreWeighted()
    assert float(prior(jnp.asarray(middle))) == 0
    assert float(prior(jnp.asarray(corner))) > 0.005


@pytest.fixture(scope="module")
def two_kinds():
    """Returns images of two kinds, dark above or dark below, and which is which."""
    random = np.random.default_rng(2)
    kind = np.arange(12) % 2
    images = 0.5 + 0.02 * random.normal(size=(12, 16, 16, 3))
    images[kind == 0, :8] = 0.1
    images[kind == 1, 8:] = 0.1
    return images.astype(np.float32), kind


def test_each_facet_gets_its_picture_started_from_its_mean(two_kinds):
    net, params = conv_net()
    images, kind = two_kinds
    found = find_facets(net, params, images, index=3, features="pool1", facets=2, closest=3)
    assert np.all(np.diff(found.scores) <= 0) and len(found.top) == 12
    for k in (0, 1):
        assert len(set(kind[found.top[found.cluster == k]])) == 1
    for mean in found.mean:
        assert abs(mean[:8].mean() - mean[8:].mean()) > 0.3
    run = visualize_facets(net, params, found, index=3, steps=6)
    assert run.image.shape == (2, 16, 16, 3)
    assert np.all(run.trace["objective"][:, -1] < run.trace["objective"][:, 0])
    near = np.abs(run.image[:, None] - found.mean[None]).mean((2, 3, 4))
    assert [*near.argmin(1)] == [0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": 9}, "has 5 channels, not 9"),
        ({"index": 0, "facets": 13}, "12 images cannot have 13 facets"),
        ({"index": 0, "tap": "x"}, "no tap 'x'"),
    ],
)
def test_what_has_no_facets_is_refused(two_kinds, options, message):
    net, params = conv_net()
    with pytest.raises(ValueError, match=message):
        find_facets(net, params, two_kinds[0], **options)
