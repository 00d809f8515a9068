"""What both classical methods promise: pixels of the texture, seeds, sizes, refusals."""

import jax
import numpy as np
import pytest
from skimage import data, transform
from texture_samples import checkers, noise
from tiny_nets import compilations

from jaxvis.methods.classical_texture.efros_leung import efros_leung
from jaxvis.methods.classical_texture.neighbours.source import reduce_channels
from jaxvis.methods.classical_texture.wei_levoy import wei_levoy
from jaxvis.types import Status

METHODS = pytest.mark.parametrize(
    ("method", "options"),
    [
        (efros_leung, {"window": 5}),
        (wei_levoy, {"window": 5, "levels": 2, "beam": 4, "leaf": 4}),
    ],
    ids=["efros_leung", "wei_levoy"],
)


@METHODS
def test_every_pixel_is_the_textures_at_z(method, options):
    texture = noise()
    run = method(texture, size=(14, 18), seeds=2, **options)
    assert run.image.shape == (2, 14, 18, 3) and run.image.dtype == np.float32
    assert run.z.shape == (2, 14, 18, 2) and run.z.dtype == np.int32
    np.testing.assert_array_equal(run.image, texture[run.z[..., 0], run.z[..., 1]])
    np.testing.assert_array_equal(run.status, [Status.DONE, Status.DONE])
    steps = run.trace["loss"].shape[1]
    np.testing.assert_array_equal(run.facts["steps"], [steps, steps])
    assert list(run.trace) == ["loss"] and np.all(run.trace["loss"] >= 0)


@METHODS
def test_a_seed_is_its_own_and_the_same_again(method, options):
    # Pixels are compared, which are chosen: rounding would change them only at a tie.
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
    method(noise(seed=0), size=12, key=0, **options)
    # Trees of other neighbourhoods have other numbers of nodes, rounds other pixels.
    calls = [
        lambda seed=seed: method(noise(seed=seed), size=12, key=seed, **options)
        for seed in range(1, 5)
    ]
    assert [compilations(call) for call in calls] == [0] * 4


@METHODS
def test_pictures_smaller_than_the_window_are_drawn(method, options):
    for size in ((1, 1), (9, 2)):
        assert method(noise(), size=size, **options).image.shape == (1, *size, 3)


@METHODS
def test_8_bits_and_grey_are_converted(method, options):
    board = checkers()
    expected = method(board, size=8, **options).image
    for image in (np.uint8(255 * board), board[..., 0], np.uint8(255 * board[..., :1])):
        np.testing.assert_array_equal(method(image, size=8, **options).image, expected)


def test_grey_is_compared_once_and_colour_three_times():
    assert reduce_channels(checkers()).shape == (16, 16, 1)
    assert reduce_channels(noise()).shape == (20, 20, 3)
    np.testing.assert_allclose(reduce_channels(noise()).mean((0, 1)), 0, atol=1e-6)


def _measure(image):
    """Returns mean, contrast and mean steps down and across of a grey texture."""
    grey = np.asarray(image)[..., 0]
    steps = [np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1)]
    return np.array([grey.mean(), grey.std(), *steps])


@pytest.mark.parametrize("name", ["brick", "grass", "gravel"])
def test_real_textures_keep_brightness_contrast_and_grain(name):
    sample = transform.resize(getattr(data, name)(), (64, 64), anti_aliasing=True)
    sample = np.repeat(sample[..., None], 3, -1).astype(np.float32)
    expected = _measure(sample)
    for run in (
        efros_leung(sample, size=32, window=7),
        wei_levoy(sample, size=32, window=7, levels=2),
    ):
        ratio = _measure(run.image[0]) / expected
        assert np.all(ratio > 0.55) and np.all(ratio < 1.5), ratio


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 20, 3), np.float32), "4x20, is smaller than the window of 5x5"),
        (np.zeros((1, 1, 3), np.float32), "1x1, is smaller.*pass a larger"),
        (np.zeros((20, 20, 4), np.float32), "the texture has transparent pixels"),
        (np.zeros((2, 20, 20, 3), np.float32), "the texture is a batch of 2"),
        (np.full((20, 20, 3), 255.0), "values from 255 to 255: divide by 255"),
        (np.full((20, 20, 3), np.nan), "NaN or infinite"),
    ],
    ids=["window", "tiny", "transparent", "batch", "range", "nan"],
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
