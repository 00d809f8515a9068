"""The Square attack: its schedule, its squares and patterns, its queries."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_nets import draw_images, find_boundary, linear, measure

from jaxvis import attacks
from jaxvis.attacks import square_draws as draws


def test_the_squares_shrink_by_the_published_schedule():
    sides = draws.plan_sides(10000, (100, 100), least=1, odd=False)
    # sqrt(p) * 100, and p is halved after 10, 50, 200... steps.
    for step, share in ((0, 1), (10, 1), (11, 2), (51, 4), (201, 8), (501, 16), (8001, 512)):
        assert sides[step] == round(100 * (0.8 / share) ** 0.5)
    half = draws.plan_sides(5000, (100, 100), least=1, odd=False)
    np.testing.assert_array_equal(half, sides[::2])
    odd = draws.plan_sides(100, (28, 28), least=3, odd=True)
    assert (odd % 2 == 1).all() and odd.min() == 3 and odd.max() == 25
    assert draws.plan_sides(5, (4, 9), least=3, odd=True).max() <= 4


draw_pattern = jax.jit(draws.draw_pattern, static_argnums=3)
draw_tiles = jax.jit(draws.draw_tiles, static_argnums=1)


def make_pattern(side):
    """Makes the pattern of an odd side as the paper's code does, ring by ring, by NumPy."""

    def make_heap(height, width):
        heap = np.zeros((height, width))
        row, column = height // 2, width // 2
        for ring in range(max(row, column) + 1):
            top, left = max(row - ring, 0), max(column - ring, 0)
            heap[top : row + ring + 1, left : column + ring + 1] += 1 / (ring + 1) ** 2
        return heap / np.linalg.norm(heap)

    upper = make_heap(side // 2, side)
    pattern = np.concatenate([upper, -make_heap(side - side // 2, side)])
    return pattern / np.linalg.norm(pattern)


@pytest.mark.parametrize("side", (3, 5, pytest.param(7, marks=pytest.mark.slow)))
def test_a_pattern_is_two_heaps_of_opposite_signs(side):
    corner = jnp.int32([1, 2])
    seen = set()
    for seed in range(8):
        drawn = np.asarray(draw_pattern(jax.random.key(seed), corner, jnp.int32(side), (9, 10)))
        inside = drawn[1 : 1 + side, 2 : 2 + side]
        assert np.linalg.norm(drawn) == pytest.approx(1, rel=1e-5)
        assert np.abs(drawn).sum() == pytest.approx(np.abs(inside).sum())
        expected = make_pattern(side)
        stands = np.allclose(inside, expected.T, atol=1e-5)
        assert stands or np.allclose(inside, expected, atol=1e-5)
        seen.add(stands)
    assert seen == {True, False}


@pytest.mark.slow
def test_corners_reach_all_places_inside():
    keys = jax.random.split(jax.random.key(0), 300)
    draw = jax.jit(jax.vmap(partial(draws.draw_corner, size=(5, 6)), (0, None)))
    corners = draw(keys, jnp.int32(3))
    assert np.asarray(corners).min(0).tolist() == [0, 0]
    assert np.asarray(corners).max(0).tolist() == [2, 3]
    whole = draws.draw_corner(keys[0], jnp.int32(5), (5, 5))
    assert whole.tolist() == [0, 0]


@pytest.mark.parametrize(
    "size",
    (
        (4, 4),
        *(pytest.param(size, marks=pytest.mark.slow) for size in ((12, 12), (3, 9))),
    ),
)
def test_the_start_in_l2_has_norm_1(size):
    tiles = draw_tiles(jax.random.key(0), (*size, 3))
    assert np.linalg.norm(tiles) == pytest.approx(1, rel=1e-5)
    assert np.isfinite(np.asarray(tiles)).all()


def test_the_start_in_linf_is_stripes():
    stripes = np.asarray(draws.draw_stripes(jax.random.key(0), (5, 6, 3)))
    assert set(np.unique(stripes)) == {-1, 1}
    np.testing.assert_array_equal(stripes, np.broadcast_to(stripes[:1], (5, 6, 3)))


@pytest.mark.slow
def test_all_values_lie_at_the_edge_of_the_ball():
    run = attacks.square(*linear(), draw_images(), epsilon=0.01, steps=30)
    delta = np.abs(run.image - draw_images())
    changed = delta.any((1, 2, 3))
    assert changed.any()
    np.testing.assert_allclose(delta[changed], 0.01, atol=1e-6)


@pytest.mark.slow
def test_the_whole_radius_is_used_in_l2():
    run = attacks.square(*linear(), draw_images(), epsilon=0.05, norm="l2", steps=30)
    length = measure(run.image - draw_images(), "l2")
    assert length.any()
    np.testing.assert_allclose(length[length > 0], 0.05, rtol=1e-4)


@pytest.mark.slow
def test_queries_are_counted_and_end_with_the_budget():
    least = min(find_boundary(image, "linf") for image in draw_images())
    run = attacks.square(*linear(), draw_images(), epsilon=[0.5 * least, 0.5], steps=200)
    assert run.facts["queries"][:, 0].tolist() == [201] * 3  # one at the start
    assert run.facts["success"][:, 1].all() and (run.facts["queries"][:, 1] < 201).all()


@pytest.mark.slow
def test_the_loss_never_falls():
    run = attacks.square(*linear(), draw_images(), epsilon=0.02, steps=40, loss="cross_entropy")
    loss = run.trace["loss"]
    assert all((np.diff(one[np.isfinite(one)]) >= 0).all() for one in loss)


@pytest.mark.slow
def test_it_nearly_finds_the_optimum_of_a_linear_network():
    image = draw_images(1)[0]
    least = find_boundary(image, "linf")
    run = attacks.square(*linear(), image, epsilon=1.2 * least, steps=1000)
    assert run.facts["success"]
