"""Multifaceted visualization: clusters, means, pictures started from them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import compilations, conv_net

from jaxvis.methods.facets.find import find_clusters, find_facets, project_codes
from jaxvis.methods.facets.visualize import CentreBias, facets, visualize_facets
from jaxvis.types import Status


def test_kmeans_finds_clusters_that_are_there():
    random = np.random.default_rng(0)
    middles = np.array([[0.0, 0], [9, 0], [0, 9]])
    points = np.concatenate([m + random.normal(size=(n, 2)) for m, n in zip(middles, (5, 12, 8))])
    cluster, centres = find_clusters(points, 3, key=1)
    assert [*np.bincount(cluster)] == [12, 8, 5]
    for part in (slice(0, 5), slice(5, 17), slice(17, 25)):
        assert len(set(cluster[part])) == 1
    np.testing.assert_allclose(centres[0], points[5:17].mean(0), rtol=1e-5)
    with pytest.raises(ValueError, match="2 points cannot be 3 clusters"):
        find_clusters(points[:2], 3)
    same, _ = find_clusters(np.ones((4, 2)), 2)
    assert set(same) == {0, 1}


def test_principal_components_keep_the_distances():
    codes = np.random.default_rng(1).normal(size=(6, 50))
    found = project_codes(codes, components=6)
    wanted = np.linalg.norm(codes[:, None] - codes, axis=-1)
    distances = np.linalg.norm(found[:, None] - found, axis=-1)
    np.testing.assert_allclose(distances, wanted, atol=1e-8)
    spread = project_codes(codes, components=2).var(0)
    assert spread[0] >= spread[1] > 0


def test_the_middle_is_free_and_the_corners_are_not():
    image = np.full((5, 5, 3), 0.5, np.float32)
    middle, corner = image.copy(), image.copy()
    middle[2, 2], corner[0, 0] = 1, 1
    prior = CentreBias()
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


@pytest.fixture(scope="module")
def found(two_kinds):
    """Returns the two facets of a class."""
    net, params = conv_net()
    options = {"index": 3, "features": "pool1", "facets": 2, "closest": 3}
    return find_facets(net, params, two_kinds[0], **options)


def _objective(net, params, image, found):
    """Returns what a picture of class 3 minimises, as it is shown whole."""
    scores = net.apply(params, jnp.asarray(image), stop="fc")["fc"]
    return float(-scores[3] / found.scores[0] - jax.nn.log_softmax(scores)[3])


@pytest.mark.slow
def test_each_facet_gets_its_picture_started_from_its_mean(two_kinds, found):
    net, params = conv_net()
    _, kind = two_kinds
    assert np.all(np.diff(found.scores) <= 0) and len(found.top) == 12
    for k in (0, 1):
        assert len(set(kind[found.top[found.cluster == k]])) == 1
    for mean in found.mean:
        assert abs(mean[:8].mean() - mean[8:].mean()) > 0.3
    run = visualize_facets(net, params, found, index=3, steps=6, chunk=1)
    assert run.image.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(run.status, [Status.DONE, Status.DONE])
    np.testing.assert_array_equal(run.facts["steps"], [6, 6])
    before, after = (
        [_objective(net, params, image, found) for image in images]
        for images in (found.mean, run.image)
    )
    # The trace is of random views; of the whole images 0.24 and 0.28 less were measured.
    assert np.all(np.array(after) < np.array(before) - 0.1)
    near = np.abs(run.image[:, None] - found.mean[None]).mean((2, 3, 4))
    assert [*near.argmin(1)] == [0, 1]


@pytest.mark.slow
def test_a_facet_is_the_same_alone_and_beside_another(found):
    net, params = conv_net()
    alone = found._replace(mean=found.mean[1:])
    both, first, second = (
        visualize_facets(net, params, part, index=3, steps=2, chunk=1)
        for part in (found, found._replace(mean=found.mean[:1]), alone)
    )
    # The same program, at the same place in its batch of one.
    np.testing.assert_array_equal(first.image[0], both.image[0])
    # Facet 1 alone is facet 0 of its call, so it draws other views.
    assert np.abs(second.trace["loss"] - both.trace["loss"][1:]).max() > 0.01


@pytest.mark.slow
def test_one_call_finds_and_draws_the_facets(two_kinds):
    net, params = conv_net()
    options = {"index": 3, "features": "pool1"}
    both = find_facets(net, params, two_kinds[0], **options, facets=2)
    wanted = visualize_facets(net, params, both, index=3, steps=2)
    run = facets(net, params, two_kinds[0], **options, count=2, steps=2)
    np.testing.assert_array_equal(run.image, wanted.image)  # the same program twice


def test_images_of_8_bits_are_found_alike(two_kinds, found):
    net, params = conv_net()
    bytes_ = np.round(255 * two_kinds[0]).astype(np.uint8)
    again = find_facets(net, params, bytes_, index=3, features="pool1", facets=2, closest=3)
    # A grey level is rounded by at most half of 1/255.
    np.testing.assert_allclose(again.mean, found.mean, atol=0.5 / 255 + 1e-6)


@pytest.mark.slow
def test_a_second_call_compiles_nothing(two_kinds):
    net, params = conv_net()

    def call(index, key, steps, rate, centre):
        images = two_kinds[0] * (1 - 0.1 * key)
        found = find_facets(net, params, images, index=index, facets=2, key=key)
        options = {"steps": steps, "learning_rate": rate, "centre": centre, "key": key, "chunk": 1}
        visualize_facets(net, params, found, index=index, **options)

    call(3, 0, 2, 0.05, 10.0)
    assert compilations(lambda: call(1, 1, 3, 0.1, 3.0)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": 9}, "has 5 channels, not 9"),
        ({"index": 0, "facets": 13}, "12 images cannot have 13 facets"),
        ({"index": 0, "most": 2}, "2 images cannot have 4 facets"),
        ({"index": 0, "tap": "x"}, "no tap 'x'"),
    ],
)
def test_what_has_no_facets_is_refused(two_kinds, options, message):
    net, params = conv_net()
    with pytest.raises(ValueError, match=message):
        find_facets(net, params, two_kinds[0], **options)


def test_what_is_no_image_is_refused(two_kinds):
    net, params = conv_net()
    with pytest.raises(ValueError, match="the images .*values from 51 to 171.*: divide by 255"):
        find_facets(net, params, 255 * (0.1 + two_kinds[0]), index=0)
