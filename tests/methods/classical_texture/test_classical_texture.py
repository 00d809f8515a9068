"""Classical textures: pixels of the source, order, exact continuation, refusals."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data, transform
from tiny_nets import compilations

from jaxvis.methods.classical_texture import efros_leung as grown
from jaxvis.methods.classical_texture import wei_levoy as refined
from jaxvis.methods.classical_texture.efros_leung import efros_leung
from jaxvis.methods.classical_texture.neighbours.masked import gaussian_window
from jaxvis.methods.classical_texture.neighbours.source import (
    distinct_channels,
    generators,
)
from jaxvis.methods.classical_texture.wei_levoy import wei_levoy
from jaxvis.types import Status

RANDOM = np.random.default_rng(0)
METHODS = pytest.mark.parametrize(
    ("method", "options"),
    [
        (efros_leung, {"window": 5}),
        (wei_levoy, {"window": 5, "levels": 2, "beam": 4, "leaf": 4}),
    ],
    ids=["efros_leung", "wei_levoy"],
)


def noise(side=20, *, seed=0):
    """Returns a smooth random texture, every pixel of another colour."""
    image = np.random.default_rng(seed).random((side, side, 3))
    for axis in (0, 1):
        image = (image + np.roll(image, 1, axis) + np.roll(image, -1, axis)) / 3
    return image.astype(np.float32)


def checkers(side=16, *, cell=1):
    """Returns a black and white checkerboard."""
    line = np.arange(side) // cell
    board = (line[:, None] + line) % 2
    return np.repeat(board[..., None], 3, -1).astype(np.float32)


@METHODS
def test_every_pixel_is_the_textures_at_z(method, options):
    texture = noise()
    run = method(texture, size=(14, 18), seeds=2, **options)
    assert run.image.shape == (2, 14, 18, 3) and run.image.dtype == np.float32
    assert run.z.shape == (2, 14, 18, 2) and run.z.dtype == np.int32
    np.testing.assert_array_equal(run.image, texture[run.z[..., 0], run.z[..., 1]])
    source = {pixel.tobytes() for pixel in texture.reshape(-1, 3)}
    assert {pixel.tobytes() for pixel in run.image.reshape(-1, 3)} <= source
    np.testing.assert_array_equal(run.trace["status"], [Status.DONE, Status.DONE])
    assert np.all(run.trace["loss"] >= 0)


@METHODS
def test_a_seed_is_its_own_and_the_same_again(method, options):
    texture = noise()
    run = method(texture, size=12, seeds=3, key=5, **options)
    assert len({image.tobytes() for image in run.image}) == 3
    again = method(texture, size=12, seeds=3, key=jax.random.key(5), **options)
    np.testing.assert_array_equal(again.image, run.image)
    one = method(texture, size=12, seeds=1, key=5, **options)
    np.testing.assert_array_equal(one.image[0], run.image[0])
    other = method(texture, size=12, seeds=1, key=6, **options)
    assert np.abs(other.image - one.image).max() > 0


@METHODS
def test_size_is_the_textures_own_if_left_out(method, options):
    assert method(noise(16), **options).image.shape == (1, 16, 16, 3)


@METHODS
def test_a_second_call_compiles_nothing(method, options):
    def again(seed):
        method(noise(seed=0), size=12, key=seed, **options)

    again(0)
    assert compilations(lambda: again(1)) == 0


@METHODS
def test_pictures_smaller_than_the_window_are_drawn(method, options):
    for size in ((1, 1), (9, 2)):
        assert method(noise(), size=size, **options).image.shape == (1, *size, 3)


@pytest.mark.parametrize("cell", [1, 2])
def test_efros_leung_continues_a_checkerboard_exactly(cell):
    board = checkers(16, cell=cell)
    run = efros_leung(board, size=(21, 26), window=5, seeds=3)
    larger = checkers(40, cell=cell)
    shifts = [(i, j) for i in range(2 * cell) for j in range(2 * cell)]
    for image in run.image:
        assert any(np.array_equal(image, larger[i : i + 21, j : j + 26]) for i, j in shifts)
    assert np.all(run.trace["loss"] < 1e-6)


def test_wei_levoy_leaves_a_checkerboard_as_it_is():
    board = distinct_channels(checkers())
    book = refined._codebook([board], 2, None)
    start = distinct_channels(checkers(20))[None, :12]
    picture, _, losses = refined._level(book, start, None, 2, None, lambda count: None)
    np.testing.assert_array_equal(picture, start)
    np.testing.assert_allclose(losses, 0, atol=1e-6)


def test_wei_levoy_makes_a_checkerboard_of_noise_but_for_seams():
    run = wei_levoy(checkers(), size=24, window=5, levels=1, seeds=3, beam=None)
    changes = [np.abs(np.diff(run.image[..., 0], axis=axis)) for axis in (1, 2)]
    assert np.mean(changes[0]) > 0.9 and np.mean(changes[1]) > 0.9
    # A seam is one difference of twelve in the windows that cross it.
    assert np.all(run.trace["loss"] < 0.2)


def test_tileable_pictures_of_a_checkerboard_tile():
    run = efros_leung(checkers(), size=12, window=5, tileable=True)
    np.testing.assert_array_equal(
        np.tile(run.image[0], (2, 2, 1)) == run.image[0, 0, 0], checkers(24) == 0
    )


def test_a_round_is_what_filling_its_pixels_one_after_the_other_is():
    texture, window = noise(24), 5
    run = efros_leung(texture, size=15, window=window, key=3)
    (random,) = generators(jax.random.key(3), seeds=1)
    growth = grown._Growth(texture, (15, 15), window // 2, 0.3, False, random)
    match = functools.partial(
        grown._match,
        jnp.asarray(distinct_channels(texture)),
        jnp.asarray(gaussian_window(window, window / 6.4)),
        jnp.float32(0.1),
    )
    most = 0
    while growth.unfinished:
        pixels = growth.next_pixels()
        most = max(most, len(pixels))
        for pixel in pixels[:, None]:
            uniform = growth.choice[tuple(pixel.T)]
            growth.fill(pixel, *map(np.asarray, match(*growth.windows(pixel), uniform)))
    assert most > 5
    np.testing.assert_array_equal(growth.z, run.z[0])


def test_pixels_of_a_round_are_outside_each_others_windows_and_the_best_known_first():
    growth = grown._Growth(noise(), (30, 30), 3, 0.3, False, RANDOM)
    growth.known[5:25, 5:25] = True
    growth.known[25, 12:15] = True
    pixels = growth.next_pixels()
    apart = np.abs(pixels[:, None] - pixels).max(-1) + 100 * np.eye(len(pixels))
    assert apart.min() == 4 and len(pixels) > 10
    # Beside the three pixels that stick out are the ones with four known neighbours.
    assert tuple(pixels[0]) in {(25, 11), (25, 15)}
    assert not growth.known[tuple(pixels.T)].any()


def test_tolerance_zero_takes_the_best_match():
    texture, window = noise(20), 5
    growth = grown._Growth(texture, (9, 9), 2, 0.3, False, RANDOM)
    growth.values[:] = distinct_channels(noise(9, seed=1))
    growth.known[:] = True
    patches, known = growth.windows(np.array([(4, 4), (0, 8)]))
    place, best = grown._match(
        jnp.asarray(distinct_channels(texture)),
        jnp.asarray(gaussian_window(5, 0.8)),
        jnp.float32(0),
        patches,
        known,
        np.zeros(2, np.float32),
    )
    assert known.sum((1, 2)).tolist() == [25, 9]
    assert np.all(np.asarray(place) >= 2) and np.all(np.asarray(place) < 18)
    weights = gaussian_window(window, 0.8) * known
    for number, (row, column) in enumerate(np.asarray(place)):
        there = distinct_channels(texture)[row - 2 : row + 3, column - 2 : column + 3]
        square = ((there - patches[number]) ** 2).mean(-1)
        away = (weights[number] * square).sum() / weights[number].sum()
        assert best[number] <= away + 1e-6 <= best[number] + grown.SLACK + 2e-6


def test_a_limit_that_nothing_meets_grows_until_all_is_filled():
    texture = np.random.default_rng(0).random((12, 12, 3)).astype(np.float32)
    strict = efros_leung(texture, size=9, window=5, max_error=1e-3, key=2)
    free = efros_leung(texture, size=9, window=5, key=2)
    assert strict.trace["loss"].shape == free.trace["loss"].shape == (1, 81 - 9)
    assert np.all(strict.trace["loss"] < 0.3) and np.all(strict.image >= 0)
    assert np.abs(strict.image - free.image).max() > 0


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


def test_a_level_in_columns_equals_the_scanlines():
    texture = distinct_channels(noise(16))
    pyramid = [texture, refined._halved(texture)]
    coarser = noise(8, seed=3)[:5, :7] - 0.5
    start = noise(13, seed=4)[:10] - 0.5
    for levels, above in ((pyramid, coarser), (pyramid[:1], None)):
        book = refined._codebook(levels, 2, None)
        picture, index, (loss,) = refined._level(
            book,
            start[None],
            None if above is None else above[None],
            1,
            None,
            lambda count: None,
        )
        expected, away = by_scanlines(texture, start, book, above)
        np.testing.assert_allclose(loss, away, rtol=1e-5)
        np.testing.assert_array_equal(picture[0], expected)
        places = book.places[index[0]]
        np.testing.assert_array_equal(picture[0], texture[tuple(np.moveaxis(places, -1, 0))])


def test_columns_hold_every_pixel_once_and_none_that_another_one_sees():
    columns = refined._columns(7, 9, 2)
    pixels = [tuple(pixel) for column, count in columns for pixel in column[:count]]
    assert sorted(pixels) == [(y, x) for y in range(7) for x in range(9)]
    when = {tuple(p): t for t, (column, _) in enumerate(columns) for p in column}
    offsets = refined._square(2)[:12]
    for y, x in pixels:
        for dy, dx in offsets:
            before = (y + dy, x + dx)
            assert before not in when or when[before] < when[y, x]


def test_codebook_holds_the_neighbourhoods_inside_the_texture():
    texture = distinct_channels(noise(16))
    pyramid = [texture, refined._halved(texture)]
    book = refined._codebook(pyramid, 2, None)
    assert book.search.shape == (len(book.places), (12 + 9) * 3)
    for number in (0, 17, len(book.places) - 1):
        y, x = book.places[number]
        square = texture[y - 2 : y + 1, x - 2 : x + 3].reshape(-1, 3)[:12]
        above = pyramid[1][y // 2 - 1 : y // 2 + 2, x // 2 - 1 : x // 2 + 2]
        expected = np.concatenate([square.ravel(), above.ravel()])
        np.testing.assert_array_equal(book.search[number], expected)
    lowest, highest = book.places.min(0), book.places.max(0)
    assert lowest.tolist() == [2, 2] and highest.tolist() == [13, 13]


def test_pyramid_halves_a_ramp_and_keeps_a_constant():
    ramp = np.arange(12, dtype=np.float32)[:, None, None] * np.ones((1, 9, 3), np.float32)
    half = refined._halved(ramp)
    assert half.shape == (6, 5, 3) and half.dtype == np.float32
    np.testing.assert_allclose(half[1:5, :, 0], ramp[2:10:2, :5, 0], atol=1e-5)
    np.testing.assert_allclose(refined._halved(np.ones((5, 5, 1))), 1, atol=1e-6)


def test_passes_and_levels_are_in_the_trace():
    run = wei_levoy(noise(24), size=16, window=5, levels=2, passes=3, seeds=2)
    assert run.trace["loss"].shape == (2, 6)
    once = wei_levoy(noise(24), size=16, window=5, levels=2, passes=1, seeds=2)
    np.testing.assert_array_equal(once.trace["loss"][:, 0], run.trace["loss"][:, 0])
    assert once.trace["loss"].shape == (2, 2)
    assert np.all(run.trace["loss"][:, 0] != run.trace["loss"][:, 1])


def test_grey_is_compared_once_and_colour_three_times():
    assert distinct_channels(checkers()).shape == (16, 16, 1)
    assert distinct_channels(noise()).shape == (20, 20, 3)
    np.testing.assert_allclose(distinct_channels(noise()).mean((0, 1)), 0, atol=1e-6)


def measured(image):
    """Returns mean, contrast and mean steps down and across of a grey texture."""
    grey = np.asarray(image)[..., 0]
    steps = [np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1)]
    return np.array([grey.mean(), grey.std(), *steps])


@pytest.mark.parametrize("name", ["brick", "grass", "gravel"])
def test_real_textures_keep_brightness_contrast_and_grain(name):
    sample = transform.resize(getattr(data, name)(), (64, 64), anti_aliasing=True)
    sample = np.repeat(sample[..., None], 3, -1).astype(np.float32)
    expected = measured(sample)
    for run in (
        efros_leung(sample, size=32, window=7),
        wei_levoy(sample, size=32, window=7, levels=2),
    ):
        ratio = measured(run.image[0]) / expected
        assert np.all(ratio > 0.55) and np.all(ratio < 1.5), ratio


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 20, 3), np.float32), "4x20, is smaller than the window of 5x5"),
        (np.zeros((1, 1, 3), np.float32), "1x1, is smaller.*pass a larger"),
        (np.zeros((20, 20), np.float32), r"\[H, W, 3\], not \(20, 20\).*grey channel"),
        (np.zeros((20, 20, 1), np.float32), r"not \(20, 20, 1\): repeat a grey"),
        (np.zeros((20, 20, 4), np.float32), r"not \(20, 20, 4\).*transparent"),
        (np.zeros((2, 20, 20, 3), np.float32), r"not \(2, 20, 20, 3\)"),
        (np.zeros((20, 20, 3), np.uint8), "float in .0, 1., not uint8: divide"),
        (np.full((20, 20, 3), 255.0), "in .0, 1., not from 255 to 255"),
        (np.full((20, 20, 3), np.nan), "in .0, 1., not from nan to nan"),
    ],
    ids=["window", "tiny", "grey", "grey-channel", "transparent", "batch", "8-bit", "range", "nan"],
)
@METHODS
def test_what_is_no_texture_is_refused(method, options, image, message):
    with pytest.raises(ValueError, match=message):
        method(image, **options)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (efros_leung, {"window": 4}, "window is odd and at least 3 pixels, not 4"),
        (efros_leung, {"window": 1}, "window is odd and at least 3"),
        (efros_leung, {"window": 21}, "pass at most 19, or a larger texture"),
        (efros_leung, {"seeds": 0}, "seeds must be at least 1"),
        (efros_leung, {"size": 0}, "size is at least 1x1 pixels, not 0x0"),
        (efros_leung, {"tolerance": -0.1}, "tolerance must not be negative"),
        (efros_leung, {"max_error": 0.0}, "max_error above 0"),
        (wei_levoy, {"window": 6}, "window is odd"),
        (wei_levoy, {"window": 7, "levels": 3}, "20x20, is 5x5 on the coarsest of 3"),
        (wei_levoy, {"window": 5, "levels": 0}, "levels must be at least 1"),
        (wei_levoy, {"window": 5, "levels": 1, "passes": 0}, "passes must be at least"),
        (wei_levoy, {"window": 5, "levels": 1, "seeds": 0}, "seeds must be at least 1"),
        (wei_levoy, {"window": 5, "levels": 1, "beam": 0}, "beam is at least 1 node"),
        (wei_levoy, {"window": 5, "levels": 1, "leaf": 0}, "leaves of at least 1"),
        (wei_levoy, {"window": 5, "levels": 1, "size": (4, 0)}, "at least 1x1.*4x0"),
    ],
)
def test_an_option_out_of_range_is_refused(method, options, message):
    with pytest.raises(ValueError, match=message):
        method(noise(20), **options)


def test_grey_noise_and_a_flat_texture_give_finite_pictures():
    flat = np.full((12, 12, 3), 0.25, np.float32)
    for run in (
        efros_leung(flat, size=8, window=5),
        wei_levoy(flat, size=8, window=5, levels=2, leaf=4),
    ):
        np.testing.assert_array_equal(run.image, np.full((1, 8, 8, 3), 0.25))
        np.testing.assert_allclose(run.trace["loss"], 0, atol=1e-9)
