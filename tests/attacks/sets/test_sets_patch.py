"""Adversarial patches: where they lie, and what they make a network say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis import Status, attacks, from_function
from jaxvis.attacks.sets.patch import Place, stick

SIDE = 16


def score(params, image):
    """Computes the mean of every colour: the class is the colour that is strongest."""
    return {"scores": params["scale"] * jnp.mean(image, axis=(0, 1))}


def make():
    scale = np.float32(20)
    return from_function(score, {"scale": scale}, input_size=(SIDE, SIDE), scores="scores")


def draw(count=4):
    rng = np.random.default_rng(0)
    images = rng.uniform(0.2, 0.4, (count, SIDE, SIDE, 3)).astype(np.float32)
    images[..., 0] += 0.05
    return images


def test_a_patch_lies_where_it_is_put():
    patch = jnp.zeros((4, 4, 3)).at[..., 1].set(1.0)
    image = np.full((12, 20, 3), 0.5, np.float32)
    place = Place(jnp.array([6.0, 14.0]), jnp.float32(8.0), jnp.float32(0.0))
    found = np.asarray(jax.jit(stick)(patch, image, place))
    np.testing.assert_allclose(found[4:8, 12:16], np.broadcast_to([0, 1, 0], (4, 4, 3)), atol=1e-5)
    np.testing.assert_array_equal(found[:, :9], image[:, :9])
    changed = (found != image).any(-1)
    # The area of the circle, to the width of its edge.
    assert abs((found[..., 1] - 0.5).sum() / 0.5 - np.pi * 16) < 2
    assert not changed[0].any() and changed[2:10, 14].all()


def test_a_patch_is_turned_and_enlarged():
    patch = np.zeros((8, 8, 3), np.float32)
    patch[:4] = 1  # its upper half is white
    image = np.full((32, 32, 3), 0.5, np.float32)
    quarter = Place(jnp.array([16.0, 16.0]), jnp.float32(24.0), jnp.float32(np.pi / 2))
    found = np.asarray(jax.jit(stick)(jnp.asarray(patch), image, quarter))
    # After a quarter turn one side is white, and the other one black.
    left, right = found[16, 8, 0], found[16, 23, 0]
    assert {round(float(left)), round(float(right))} == {0, 1}
    np.testing.assert_allclose(found[10, 8], found[21, 8], atol=1e-3)


@pytest.mark.slow
def test_places_lie_inside_and_differ():
    images = np.zeros((5, SIDE, 24, 3), np.float32)
    found = np.asarray(attacks.apply_patch(images, np.ones((4, 4, 3), np.float32)))
    assert found.shape == images.shape and found.max() <= 1
    areas = found[..., 0].sum((1, 2))
    least, most = (np.pi / 4 * (share * SIDE) ** 2 for share in (0.3, 0.5))
    assert (areas > 0.9 * least).all() and (areas < 1.1 * most).all()
    assert len(np.unique(areas.round(3))) == 5
    one = attacks.apply_patch(images[0], np.ones((4, 4, 3), np.float32))
    np.testing.assert_allclose(one, found[0], atol=1e-6)


@pytest.fixture(scope="module")
def found():
    images = draw(6)
    return attacks.adversarial_patch(
        *make(), images[:4], targets=2, held_out=images[4:], steps=40, batch=4
    )


@pytest.mark.slow
def test_a_patch_becomes_the_colour_that_is_wanted(found):
    # Seen where it is: the middle of the circle.
    middle = np.asarray(found.image)[2:6, 2:6]
    assert middle[..., 2].min() > 0.9 and middle[..., :2].max() < 0.1
    assert found.facts["success"] == found.facts["held_out_success"] == 1
    assert found.status == Status.DONE and found.trace["loss"][-1] > found.trace["loss"][0]


@pytest.mark.slow
def test_it_is_the_same_for_a_key(found):
    again = attacks.adversarial_patch(*make(), draw(6)[:4], targets=2, steps=40, batch=4)
    np.testing.assert_array_equal(again.image, found.image)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="shorter side"):
        attacks.Placement(0.5, 1.5)
    with pytest.raises(ValueError, match="a patch is square"):
        attacks.apply_patch(draw(), np.ones((4, 5, 3), np.float32))
    with pytest.raises(ValueError, match="is its true class"):
        attacks.adversarial_patch(*make(), draw(), targets=0)
    with pytest.raises(ValueError, match="size must be above 0"):
        attacks.adversarial_patch(*make(), draw(), targets=1, size=0)
