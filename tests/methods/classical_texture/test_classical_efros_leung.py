"""Efros & Leung: exact continuation, the order of filling, matches, interruptions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from texture_samples import checkers, interrupt_after, noise

from jaxvis.methods.classical_texture import efros_leung as module
from jaxvis.methods.classical_texture.efros_leung import efros_leung
from jaxvis.methods.classical_texture.neighbours.masked import (
    gaussian_window,
    list_neighbourhoods,
)
from jaxvis.methods.classical_texture.neighbours.source import make_generators, reduce_channels
from jaxvis.types import Interrupted, Status

RANDOM = np.random.default_rng(0)


def grow(texture, size, half):
    """Returns a picture that has only its seed yet."""
    return module._Growth(reduce_channels(texture), size, half, 0.3, False, RANDOM)


@pytest.mark.parametrize("cell", [1, 2])
def test_a_checkerboard_is_continued_exactly(cell):
    board = checkers(16, cell=cell)
    run = efros_leung(board, size=(21, 26), window=5, seeds=3)
    larger = checkers(40, cell=cell)
    shifts = [(i, j) for i in range(2 * cell) for j in range(2 * cell)]
    for image in run.image:
        assert any(np.array_equal(image, larger[i : i + 21, j : j + 26]) for i, j in shifts)
    assert np.all(run.trace["loss"] < 1e-6)


def test_tileable_pictures_of_a_checkerboard_tile():
    run = efros_leung(checkers(), size=12, window=5, tileable=True)
    np.testing.assert_array_equal(
        np.tile(run.image[0], (2, 2, 1)) == run.image[0, 0, 0], checkers(24) == 0
    )


def test_a_round_is_what_filling_its_pixels_one_after_the_other_is():
    texture, window = noise(24), 5
    run = efros_leung(texture, size=15, window=window, key=3)
    (random,) = make_generators(jax.random.key(3), seeds=1)
    values = reduce_channels(texture)
    growth = module._Growth(values, (15, 15), window // 2, 0.3, False, random)
    listed, weights = list_neighbourhoods(values, window), gaussian_window(window, window / 6.4)
    match = functools.partial(module._match, listed, weights, jnp.float32(0.1))
    most = 0
    while growth.left:
        pixels = growth.choose_pixels()
        most = max(most, len(pixels))
        for pixel in pixels[:, None]:
            uniform = growth.choice[tuple(pixel.T)]
            found = module._match_all(match, *growth.cut_windows(pixel), uniform)
            growth.fill(pixel, *found)
    assert most > 5
    np.testing.assert_array_equal(growth.z, run.z[0])


def test_any_number_of_queries_is_matched_batch_by_batch():
    texture = reduce_channels(noise(24))
    growth = grow(noise(24), (24, 24), 2)
    growth.values[:], growth.known[:] = texture, True
    pixels = np.stack(np.mgrid[2:22, 2:4], -1).reshape(-1, 2)  # 40: one batch and a part
    match = functools.partial(module._match, texture, gaussian_window(5, 0.8), jnp.float32(0))
    uniform = np.zeros(40, np.float32)
    places, errors = module._match_all(match, *growth.cut_windows(pixels), uniform)
    np.testing.assert_array_equal(places, pixels)  # every window is its own best match
    assert errors.shape == (40,) and np.all(errors < 1e-6)


def test_pixels_of_a_round_are_outside_each_others_windows_and_the_best_known_first():
    growth = grow(noise(), (30, 30), 3)
    growth.known[5:25, 5:25] = True
    growth.known[25, 12:15] = True
    pixels = growth.choose_pixels()
    apart = np.abs(pixels[:, None] - pixels).max(-1) + 100 * np.eye(len(pixels))
    assert apart.min() == 4 and len(pixels) > 10
    # Beside the three pixels that stick out are the ones with four known neighbours.
    assert tuple(pixels[0]) in {(25, 11), (25, 15)}
    assert not growth.known[tuple(pixels.T)].any()


@pytest.mark.parametrize("size", [(9, 11), (3, 20)])
def test_windows_of_a_tileable_picture_go_around_its_edges(size):
    half, pixels = 2, [(0, 0), (0, 8), (1, 9), (2, 3), (8, 5), (6, 10), (4, 4), (2, 18)]
    pixels = [pixel for pixel in pixels if pixel < size and pixel[1] < size[1]]
    for tileable in (False, True):
        growth = module._Growth(reduce_channels(noise()), size, half, 0.3, tileable, RANDOM)
        kept = []
        for pixel in pixels:
            apart = np.abs(np.reshape(kept, (-1, 2)) - pixel)
            apart = np.minimum(apart, size - apart) if tileable else apart
            kept += [pixel] if np.all(apart.max(1, initial=0) > half) else []
        np.testing.assert_array_equal(growth._keep_apart(pixels), kept)
        assert len(kept) < len(pixels)


def test_tolerance_zero_takes_the_best_match():
    texture, window = noise(20), 5
    growth = grow(texture, (9, 9), 2)
    growth.values[:] = reduce_channels(noise(9, seed=1))
    growth.known[:] = True
    patches, known = growth.cut_windows(np.array([(4, 4), (0, 8)]))
    values, gaussian = reduce_channels(texture), gaussian_window(window, 0.8)
    match = functools.partial(module._match, values, gaussian, jnp.float32(0))
    places, best = module._match_all(match, patches, known, np.zeros(2, np.float32))
    assert known.sum((1, 2)).tolist() == [25, 9]
    assert np.all(places >= 2) and np.all(places < 18)
    weights = gaussian * known
    for number, (row, column) in enumerate(places):
        there = values[row - 2 : row + 3, column - 2 : column + 3]
        square = ((there - patches[number]) ** 2).mean(-1)
        away = (weights[number] * square).sum() / weights[number].sum()
        # The product form of the distance cancels: to about 1e-6 of values near 1.
        assert best[number] <= away + 1e-6 <= best[number] + module.SLACK + 2e-6


def test_a_limit_that_nothing_meets_grows_until_all_is_filled():
    texture = np.random.default_rng(0).random((12, 12, 3)).astype(np.float32)
    strict = efros_leung(texture, size=9, window=5, max_error=1e-3, key=2)
    free = efros_leung(texture, size=9, window=5, key=2)
    assert strict.trace["loss"].shape == free.trace["loss"].shape == (1, 81 - 9)
    assert np.all(strict.trace["loss"] < 0.3) and np.all(strict.image >= 0)
    assert np.abs(strict.image - free.image).max() > 0


def test_an_interruption_keeps_what_has_grown(monkeypatch):
    texture = noise()
    whole = efros_leung(texture, size=12, window=5, seeds=2)
    monkeypatch.setattr(module, "_fill_round", interrupt_after(3, module._fill_round))
    with pytest.raises(Interrupted) as stop:
        efros_leung(texture, size=12, window=5, seeds=2)
    run = stop.value.run
    np.testing.assert_array_equal(run.status, [Status.UNFINISHED, Status.UNFINISHED])
    grown = run.z[..., 0] >= 0
    assert np.all(np.isfinite(run.image) == grown[..., None])
    assert np.all(grown.sum((1, 2)) == 9 + run.facts["steps"]) and np.all(grown.sum((1, 2)) > 9)
    np.testing.assert_array_equal(run.z[grown], whole.z[grown])
    missing = np.isnan(run.trace["loss"]).sum(1)
    np.testing.assert_array_equal(missing, 144 - 9 - run.facts["steps"])
