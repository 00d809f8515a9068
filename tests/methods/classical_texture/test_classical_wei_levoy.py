"""Wei & Levoy: scanlines, codebooks, the pyramid, passes and levels, interruptions."""

import numpy as np
import pytest
from texture_samples import checkers, interrupt_after, noise

from jaxvis.methods.classical_texture import wei_levoy as module
from jaxvis.methods.classical_texture.neighbours.codebook import (
    build_codebook,
    build_pyramid,
    halve,
    window_offsets,
)
from jaxvis.methods.classical_texture.neighbours.source import reduce_channels
from jaxvis.methods.classical_texture.wei_levoy import wei_levoy
from jaxvis.types import Interrupted, Status


def run_passes(book, start, coarser, passes):
    """Returns the neighbourhood of every pixel after each pass, and the losses."""
    search = module._Search(2, passes, None, 16)
    found = list(module._run_passes(book, start, coarser, search, lambda count: None))
    return [index for index, _ in found], [loss for _, loss in found]


def test_a_checkerboard_is_left_as_it_is():
    book = build_codebook([reduce_channels(checkers())], 2, None)
    start = reduce_channels(checkers(20))[None, :12]
    indices, losses = run_passes(book, start, None, 2)
    for index in indices:
        np.testing.assert_array_equal(book.colours[index], start)
    np.testing.assert_allclose(losses, 0, atol=1e-6)


def test_noise_becomes_a_checkerboard_but_for_seams():
    run = wei_levoy(checkers(), size=24, window=5, levels=1, seeds=3, beam=None)
    changes = [np.abs(np.diff(run.image[..., 0], axis=axis)) for axis in (1, 2)]
    assert np.mean(changes[0]) > 0.9 and np.mean(changes[1]) > 0.9
    # A seam is one difference of twelve in the windows that cross it.
    assert np.all(run.trace["loss"] < 0.2)


def by_scanlines(texture, start, book, coarser):
    """Returns one pass over a level, pixel by pixel, row by row, and its loss."""
    height, width, _ = start.shape
    picture, vectors, losses = start.copy(), np.asarray(book.search), []
    for y in range(height):
        for x in range(width):
            seen = []
            for dy, dx in book.before:
                # What lies around the left edge is still the pass before's.
                there = start if x + dx < 0 else picture
                seen.append(there[(y + dy) % height, (x + dx) % width])
            for dy, dx in book.around:
                h, w = coarser.shape[:2]
                seen.append(coarser[(y // 2 + dy) % h, (x // 2 + dx) % w])
            query = np.concatenate(seen)
            away = ((vectors - query) ** 2).mean(1)
            picture[y, x] = texture[tuple(book.places[np.argmin(away)])]
            losses.append(away.min())
    return picture, np.mean(losses)


@pytest.mark.parametrize("levels", [1, 2])
def test_a_level_in_columns_equals_the_scanlines(levels):
    texture = reduce_channels(noise(16))
    coarser = noise(8, seed=3)[:5, :7] - 0.5 if levels == 2 else None
    start = noise(13, seed=4)[:10] - 0.5
    book = build_codebook(build_pyramid(texture, levels), 2, None)
    (index,), (loss,) = run_passes(book, start[None], None if coarser is None else coarser[None], 1)
    expected, away = by_scanlines(texture, start, book, coarser)
    np.testing.assert_allclose(loss, away, rtol=1e-5)
    # Colours are compared, which are copied: rounding would change them only at a tie.
    np.testing.assert_array_equal(book.colours[index[0]], expected)
    places = book.places[index[0]]
    np.testing.assert_array_equal(texture[tuple(np.moveaxis(places, -1, 0))], expected)


def test_columns_hold_every_pixel_once_and_none_that_another_one_sees():
    columns = module._list_columns(7, 9, 2)
    pixels = [tuple(pixel) for column, count in columns for pixel in column[:count]]
    assert sorted(pixels) == [(y, x) for y in range(7) for x in range(9)]
    when = {tuple(p): t for t, (column, _) in enumerate(columns) for p in column}
    offsets = window_offsets(2)[:12]
    for y, x in pixels:
        for dy, dx in offsets:
            before = (y + dy, x + dx)
            assert before not in when or when[before] < when[y, x]


def test_a_codebook_holds_the_neighbourhoods_inside_the_texture():
    texture = reduce_channels(noise(16))
    pyramid = build_pyramid(texture, 2)
    book = build_codebook(pyramid, 2, None)
    assert book.search.shape == (len(book.places), (12 + 9) * 3)
    for number in (0, 17, len(book.places) - 1):
        y, x = book.places[number]
        square = texture[y - 2 : y + 1, x - 2 : x + 3].reshape(-1, 3)[:12]
        above = pyramid[1][y // 2 - 1 : y // 2 + 2, x // 2 - 1 : x // 2 + 2]
        expected = np.concatenate([square.ravel(), above.ravel()])
        np.testing.assert_array_equal(book.search[number], expected)
    lowest, highest = book.places.min(0), book.places.max(0)
    assert lowest.tolist() == [2, 2] and highest.tolist() == [13, 13]


def test_a_pyramid_halves_a_ramp_and_keeps_a_constant():
    ramp = np.arange(12, dtype=np.float32)[:, None, None] * np.ones((1, 9, 3), np.float32)
    half = halve(ramp)
    assert half.shape == (6, 5, 3) and half.dtype == np.float32
    np.testing.assert_allclose(half[1:5, :, 0], ramp[2:10:2, :5, 0], atol=1e-5)
    np.testing.assert_allclose(halve(np.ones((5, 5, 1))), 1, atol=1e-6)


def test_passes_and_levels_are_in_the_trace():
    run = wei_levoy(noise(24), size=16, window=5, levels=2, passes=3, seeds=2)
    assert run.trace["loss"].shape == (2, 6)
    once = wei_levoy(noise(24), size=16, window=5, levels=2, passes=1, seeds=2)
    np.testing.assert_array_equal(once.trace["loss"][:, 0], run.trace["loss"][:, 0])
    assert once.trace["loss"].shape == (2, 2)
    assert np.all(run.trace["loss"][:, 0] != run.trace["loss"][:, 1])


def test_an_interruption_keeps_the_last_pass_that_ended(monkeypatch):
    texture, options = noise(24), {"size": (17, 18), "window": 5, "levels": 2, "seeds": 2}
    whole = wei_levoy(texture, **options)
    columns = len(module._list_columns(9, 9, 2)), len(module._list_columns(17, 18, 2))
    fill = module._fill_column
    monkeypatch.setattr(module, "_fill_column", interrupt_after(2 * columns[0] + 3, fill))
    with pytest.raises(Interrupted) as stop:
        wei_levoy(texture, **options)
    run = stop.value.run
    np.testing.assert_array_equal(run.status, [Status.UNFINISHED, Status.UNFINISHED])
    np.testing.assert_array_equal(run.facts["steps"], [2, 2])
    np.testing.assert_array_equal(run.trace["loss"][:, :2], whole.trace["loss"][:, :2])
    assert np.all(np.isnan(run.trace["loss"][:, 2:]))
    # As coarse as its level: every pixel is there twice, across and down.
    assert run.image.shape == (2, 17, 18, 3)
    np.testing.assert_array_equal(run.image[:, :16:2, ::2], run.image[:, 1::2, 1::2])
    np.testing.assert_array_equal(run.image, texture[run.z[..., 0], run.z[..., 1]])
    monkeypatch.setattr(module, "_fill_column", interrupt_after(2, fill))
    with pytest.raises(Interrupted) as stop:
        wei_levoy(texture, **options)
    assert stop.value.run is None
