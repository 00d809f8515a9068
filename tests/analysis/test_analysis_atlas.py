"""Activation grids and atlases of a network whose map is the image."""

import numpy as np
import pytest

from jaxvis.analysis.atlas import activation_cells, activation_grid, atlas
from jaxvis.nets.adapters import from_function

SIDE = 8


@pytest.fixture(scope="module")
def mirror():
    def forward(params, image):
        return {"map": image * params["one"]["gain"], "mean": image.mean((0, 1))}

    params = {"one": {"gain": np.ones((), np.float32)}}
    return from_function(forward, params, input_size=(SIDE, SIDE))


def paint(seed=0):
    labels = np.random.default_rng(seed).integers(0, 3, (SIDE, SIDE))
    return np.eye(3, dtype=np.float32)[labels], labels


def test_groups_of_an_image_have_a_colour_each(mirror):
    image, labels = paint()
    found = activation_grid(*mirror, image, "map", groups=3)
    assert found.picture.min() >= 0 and found.picture.max() == 1
    for label in range(3):
        part = found.picture[labels == label]
        own = found.colours[found.concepts.directions[:, label].argmax()]
        np.testing.assert_allclose(part, np.broadcast_to(own, part.shape), atol=0.03)
    assert not activation_grid(*mirror, 0 * image, "map", groups=3).picture.any()
    with pytest.raises(ValueError, match="no positions"):
        activation_grid(*mirror, image, "mean")
    with pytest.raises(ValueError, match="1 to 3 groups"):
        activation_grid(*mirror, image, "map", groups=4)


def test_cells_of_an_image_are_means_of_its_positions(mirror):
    image = np.random.default_rng(0).random((SIDE, SIDE, 3)).astype(np.float32)
    found = activation_cells(*mirror, image, "map", grid=3)
    assert found.grid == 3 and found.counts.tolist() == [9, 9, 6, 9, 9, 6, 6, 6, 4]
    whole = found.concepts.directions.reshape(3, 3, 3)
    np.testing.assert_allclose(whole[0, 2], image[:3, 6:].mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(whole[2, 1], image[6:, 3:6].mean((0, 1)), rtol=1e-5)
    # As fine as the layer, they are the layer, and `arrange` puts them back.
    found = activation_cells(*mirror, image, "map", grid=99)
    np.testing.assert_allclose(found.arrange(found.concepts.directions[:, None, None]), image)
    with pytest.raises(ValueError, match="no positions"):
        activation_cells(*mirror, image, "mean")
    with pytest.raises(ValueError, match="at least 1"):
        activation_cells(*mirror, image, "map", grid=0)


def test_cells_of_an_atlas_average_what_falls_into_them(mirror):
    images = np.stack([paint(seed)[0] for seed in range(4)])
    found = atlas(*mirror, images, "map", grid=5, plane="pca", samples=SIDE**2, whiten=False)
    # Only three activations exist, and each has a cell of its own.
    order = found.concepts.directions.argmax(axis=1)
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(found.concepts.directions, np.eye(3)[order], atol=1e-6)
    np.testing.assert_array_equal(found.counts, images.sum((0, 1, 2))[order])
    whitened = atlas(*mirror, images, "map", grid=5, plane="pca", samples=SIDE**2)
    np.testing.assert_allclose(whitened.concepts.directions, np.eye(3)[order], atol=1e-5)

    page = found.arrange(np.zeros((3, 2, 4, 3)))
    assert page.shape == (10, 20, 3) and (page == 0).sum() == 3 * 2 * 4 * 3
    (row, column) = found.cells[0]
    assert not page[2 * row : 2 * row + 2, 4 * column : 4 * column + 4].any()
    with pytest.raises(ValueError, match="3 cells"):
        found.arrange(np.zeros((2, 2, 2, 3)))
    with pytest.raises(ValueError, match="no cell"):
        atlas(*mirror, images, "map", plane="pca", least=10**6)
    with pytest.raises(ValueError, match="pca, tsne, umap"):
        atlas(*mirror, images, "map", plane="mds")
