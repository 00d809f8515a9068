"""Concepts of layers whose activations are known, and what they are used for."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.analysis.concepts import Concepts, find_concepts, make_bank, read_bank
from jaxvis.analysis.factors import factorize, solve_amounts
from jaxvis.analysis.importance import concept_importance
from jaxvis.nets.adapters import from_function
from tests.tiny_nets import conv_net

SIDE = 8


@pytest.fixture(scope="module")
def colours():
    """Returns (net, params) whose map is the image and whose score reads red and green."""

    def forward(params, image):
        means = jnp.mean(image, axis=(0, 1))
        scores = jnp.stack([3 * means[0] + means[1], means[2]])
        return {"map": image, "scores": scores * params["one"]["gain"]}

    net, params = from_function(
        forward, {"one": {"gain": jnp.ones(())}}, input_size=(SIDE, SIDE), scores="scores"
    )
    return net, params


def paint_halves():
    """Returns images whose pixels are red, green or blue: the map's three concepts."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, (4, SIDE, SIDE))
    return np.eye(3, dtype=np.float32)[labels] * draw.uniform(0.3, 1, (4, SIDE, SIDE, 1)).astype(
        "f"
    )


def test_factors_rebuild_what_parts_add_up_to():
    draw = np.random.default_rng(0)
    values = draw.gamma(1, size=(40, 3)) @ draw.gamma(0.5, size=(3, 12))
    amounts, parts = factorize(values, 3, steps=2000)
    assert (amounts >= 0).all() and (parts >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(parts, axis=1), 1, rtol=1e-5)
    assert np.linalg.norm(values - amounts @ parts) < 0.01 * np.linalg.norm(values)
    errors = [
        np.linalg.norm(values - np.matmul(*factorize(values, 3, steps=steps)))
        for steps in (1, 5, 20, 100)
    ]
    assert errors == sorted(errors, reverse=True)
    known = np.asarray(solve_amounts(jnp.asarray(amounts @ parts), jnp.asarray(parts), steps=2000))
    np.testing.assert_allclose(known @ parts, amounts @ parts, atol=0.02 * amounts.max())
    again = factorize(np.zeros((40, 12)), 3)
    assert np.isfinite(again[0]).all() and not (again[0] @ again[1]).any()
    with pytest.raises(ValueError, match="finite"):
        factorize(np.full((2, 2), np.nan), 1)


def test_nmf_is_as_good_as_that_of_scikit_learn():
    peer = pytest.importorskip("sklearn.decomposition", reason="needs jaxvis[analysis]")
    values = np.random.default_rng(1).gamma(1, size=(40, 12))
    theirs = peer.NMF(3, solver="mu", max_iter=2000, tol=0, init="random", random_state=0)
    error = np.linalg.norm(values - theirs.fit_transform(values) @ theirs.components_)
    amounts, parts = factorize(values, 3, steps=2000)
    assert np.linalg.norm(values - amounts @ parts) < 1.03 * error


def test_concepts_of_coloured_pixels_are_the_colours(colours):
    found = find_concepts(*colours, paint_halves(), "map", count=3, samples=64)
    order = found.directions.argmax(axis=1)
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(found.directions, np.eye(3)[order], atol=0.02)
    maps = found.locate(*colours, paint_halves())
    assert maps.shape == (4, 3, SIDE, SIDE)
    np.testing.assert_allclose(
        maps[:, np.argsort(order)], np.moveaxis(paint_halves(), -1, 1), atol=0.05
    )


def test_patches_lie_furthest_along_each_direction(colours):
    images = paint_halves()
    bank = make_bank(*colours, "map", [[1, 0, 0], [0, 0, -1]])
    found, pictures = bank.find_patches(*colours, images, top=2)
    best = np.sort(images[..., 0].max(axis=(1, 2)))[::-1][:2]
    np.testing.assert_allclose(found.values[0], best)
    y, x = found.units[0, 0]
    assert images[found.images[0, 0], y, x, 0] == best[0]
    assert found.images.shape == (2, 2) and len(pictures) == 2 and len(pictures[0]) == 2


def test_importance_is_the_share_of_the_variance(colours):
    bank = Concepts("map", np.eye(3, dtype=np.float32), "nmf")
    image = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    # The score is 3 red + green: shares 9/10, 1/10 and nothing.
    found = concept_importance(*colours, image, bank, index=0, samples=256)
    np.testing.assert_allclose(found, [0.9, 0.1, 0], atol=0.02)
    several = concept_importance(*colours, [image, image], bank, index=[0, 1], samples=64)
    assert several.shape == (2, 2, 3)
    np.testing.assert_allclose(several[0, 1], [0, 0, 1], atol=0.05)  # of 64 samples
    assert not concept_importance(*colours, 0 * image, bank, index=0, samples=4).any()
    with pytest.raises(ValueError, match="power of 2"):
        concept_importance(*colours, image, bank, samples=3)


def test_directions_come_from_crops_components_and_files(tmp_path):
    net, params = conv_net()
    images = np.random.default_rng(0).random((3, 16, 16, 3), np.float32)
    crops = find_concepts(net, params, images, "relu2", count=2, crops=2)
    assert crops.directions.shape == (2, 8) and (crops.directions >= 0).all()
    found = find_concepts(net, params, images, "relu2", count=2, way="pca")
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(2), atol=1e-5)
    values = net.code(params, images[0], "relu2")
    for objective, direction in zip(found.objectives(), found.directions):
        assert -objective({"relu2": values}) == pytest.approx(
            float(values.mean((0, 1)) @ direction), 1e-4
        )

    np.savez(tmp_path / "bank.npz", decoder=found.directions, bias=np.zeros(8))
    bank = read_bank(tmp_path / "bank.npz", net, params, "relu2", name="decoder")
    np.testing.assert_array_equal(bank.directions, found.directions)
    with pytest.raises(ValueError, match="decoder, bias: pass name="):
        read_bank(tmp_path / "bank.npz", net, params, "relu2")
    with pytest.raises(ValueError, match=r"\[n, 6\], not \[2, 8\]"):
        make_bank(net, params, "relu1", bank.directions)
    with pytest.raises(ValueError, match="take more images"):
        find_concepts(net, params, images[:1], "relu2", count=9)
    with pytest.raises(ValueError, match="nmf or pca"):
        find_concepts(net, params, images, "relu2", way="ica")


@pytest.mark.slow
def test_concepts_are_shown_by_other_methods():
    net, params = conv_net()
    images = np.random.default_rng(0).random((2, 16, 16, 3), np.float32)
    found = find_concepts(net, params, images, "relu2", count=2)
    heat = jaxvis.saliency(net, params, images[0], objective=found.objectives())
    assert heat.shape == (2, 16, 16)
    run = jaxvis.maximize(
        net, params, objective=found.objectives(), recipe="plain", size=(16, 16), steps=1
    )
    assert run.image.shape == (2, 1, 16, 16, 3)
    assert concept_importance(net, params, images, found, samples=4).shape == (2, 2)
