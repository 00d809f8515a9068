"""Components, clusters and outliers of points whose answers are known."""

import importlib.util
import warnings

import numpy as np
import pytest

from jaxvis.analysis.clusters import kmeans, outlier_scores
from jaxvis.analysis.embed import pca, tsne, umap
from jaxvis.output.embedding import draw_embedding, snap_to_grid


def draw_blobs(each=20, seed=0):
    """Returns points `[3 each, 8]` in three clusters, and their labels."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(3, 8)) * 10
    labels = np.repeat(np.arange(3), each)
    return (centres[labels] + draw.normal(size=(3 * each, 8))).astype(np.float32), labels


@pytest.mark.parametrize("shape", [(60, 8), (12, 40)])
def test_pca_agrees_with_a_decomposition_in_float64(shape):
    codes = np.random.default_rng(0).normal(size=shape) * np.linspace(3, 1, shape[1]) + 5
    codes = codes.astype(np.float32)
    found = pca(codes, components=4)
    left = codes.astype(float) - codes.astype(float).mean(0)
    _, size, v = np.linalg.svd(left, full_matrices=False)
    v *= np.sign(np.take_along_axis(v, np.abs(v).argmax(1)[:, None], 1))
    variance = size**2 / (shape[0] - 1)
    np.testing.assert_allclose(found.directions, v[:4], atol=1e-5)
    np.testing.assert_allclose(found.points, left @ v[:4].T, atol=1e-4)
    np.testing.assert_allclose(found.variance, variance[:4], rtol=1e-5)
    np.testing.assert_allclose(found.share, variance[:4] / variance.sum(), rtol=1e-5)
    np.testing.assert_allclose(found.project(codes), found.points, atol=1e-4)
    with pytest.raises(ValueError, match="components"):
        pca(codes, components=100)
    assert not pca(np.ones(shape), components=4).points.any()


def test_pca_is_that_of_scikit_learn():
    peer = pytest.importorskip("sklearn.decomposition", reason="needs jaxvis[analysis]")
    codes = draw_blobs()[0]
    wanted = peer.PCA(4, svd_solver="full").fit(codes.astype(float))
    found = pca(codes, components=4)
    np.testing.assert_allclose(found.directions, wanted.components_, atol=1e-5)
    np.testing.assert_allclose(found.variance, wanted.explained_variance_, rtol=1e-5)
    np.testing.assert_allclose(found.share, wanted.explained_variance_ratio_, rtol=1e-5)


def test_kmeans_finds_blobs_and_updates_as_lloyd_does():
    codes, labels = draw_blobs()
    found = kmeans(codes, 3)
    for own in range(3):
        (label,) = set(found.labels[labels == own])
        np.testing.assert_allclose(found.centres[label], codes[labels == own].mean(0), atol=1e-4)
    assert found.spread == pytest.approx(((codes - found.centres[found.labels]) ** 2).sum(), 1e-4)
    again = kmeans(codes, 3)
    np.testing.assert_array_equal(again.labels, found.labels)

    centres = codes[:3].astype(float)  # a poor start, in one blob
    begun = centres.astype(np.float32)
    for _ in range(50):
        near = ((codes[:, None] - centres) ** 2).sum(-1).argmin(1)
        centres = np.stack([codes[near == i].mean(0) for i in range(3)])
    np.testing.assert_allclose(kmeans(codes, 3, centres=begun).centres, centres, atol=1e-4)
    assert kmeans(np.ones((60, 8)), 3).spread == 0
    with pytest.raises(ValueError, match="clusters"):
        kmeans(codes, 0)


def test_outliers_are_far_from_the_others():
    codes = draw_blobs()[0]
    strange = np.concatenate([codes[:-1], codes.mean(0, keepdims=True) + 200])
    for way in ("neighbour", "mahalanobis"):
        assert outlier_scores(strange, way=way).argmax() == len(codes) - 1
        assert not outlier_scores(np.ones((60, 8)), way=way).any()
    wanted = np.sort(np.linalg.norm(codes[:, None] - codes, axis=-1), axis=1)[:, 5]
    np.testing.assert_allclose(outlier_scores(codes), wanted, rtol=1e-5)
    left = codes.astype(float) - codes.mean(0, dtype=float)
    square = np.einsum("ni,ij,nj->n", left, np.linalg.inv(np.cov(left.T)), left)
    np.testing.assert_allclose(outlier_scores(codes, way="mahalanobis"), square**0.5, rtol=1e-3)
    with pytest.raises(ValueError, match="neighbour or mahalanobis"):
        outlier_scores(codes, way="forest")


def share_of_near(points, labels):
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distance, np.inf)
    return np.mean(labels[distance.argmin(1)] == labels)


@pytest.mark.parametrize("place, package", [(tsne, "openTSNE"), (umap, "umap")])
def test_planes_keep_blobs_apart_or_say_what_is_missing(place, package, monkeypatch):
    codes, labels = draw_blobs()
    with pytest.raises(ValueError, match="at least 4"):
        place(codes[:3])
    if importlib.util.find_spec(package) is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the packages' own
            points = place(codes)
        assert points.shape == (60, 2) and share_of_near(points, labels) > 0.9
    monkeypatch.setitem(__import__("sys").modules, package, None)
    monkeypatch.setitem(__import__("sys").modules, "sklearn.manifold", None)
    with pytest.raises(ValueError, match=r"jaxvis\[analysis\]"):
        place(codes)


def test_pictures_stand_at_their_points_and_none_covers_another():
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float)
    colours = np.linspace(0.1, 0.9, 4).astype(np.float32)
    pictures = np.broadcast_to(colours[:, None, None, None], (4, 6, 9, 3))
    page = draw_embedding(corners, pictures, cell=4, columns=3)
    assert page.shape == (12, 12, 3)
    for (y, x), colour in zip([(11, 0), (11, 11), (0, 0), (0, 11)], colours):
        np.testing.assert_allclose(page[y, x], colour, atol=1e-6)
    assert page[5, 5, 0] == 1
    cells = snap_to_grid(np.zeros((9, 2)), 3)
    assert len({tuple(cell) for cell in cells}) == 9
    with pytest.raises(ValueError, match="more columns"):
        draw_embedding(corners, pictures, columns=1)
    with pytest.raises(ValueError, match="one finite point"):
        draw_embedding(corners[:3], pictures)
