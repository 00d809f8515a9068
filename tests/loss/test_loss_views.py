"""Views: equal to independent implementations, pure, differentiable, per key."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from tiny_nets import photograph

from jaxvis.loss import views

SIDE = 12
VIEWS = {
    "identity": views.Identity(),
    "crop": views.Crop((8, 9)),
    "centre": views.Centre((8, 9)),
    "roll": views.Roll(3),
    "pad": views.Pad(2),
    "pad_edge": views.Pad(2, fill="edge"),
    "pad_reflect": views.Pad(2, fill="reflect"),
    "blur": views.Blur(0.8),
    "scale": views.Scale(0.7, 1.5, shift=2.0),
    "scale_window": views.Scale(0.7, 1.5, size=(8, 9)),
    "rotate": views.Rotate(20.0),
    "noise": views.Noise(0.1),
    "colour_shift": views.ColourShift(shift=0.1, gain=0.2, fade=0.5),
    "in_order": views.in_order(views.Pad(2), views.Roll(2), views.Rotate(5.0)),
}
TURN = jax.jit(views._turn)
RANDOM = ("crop", "roll", "scale", "scale_window", "rotate", "noise", "in_order", "colour_shift")


@pytest.fixture
def image():
    """Returns a photograph of 12 x 12 pixels."""
    return photograph(SIDE)


@pytest.mark.slow
@pytest.mark.parametrize("name", VIEWS)
def test_view_is_pure_and_the_same_alone_jitted_and_in_a_batch(name, image):
    view = VIEWS[name]
    keys = jax.random.split(jax.random.key(2), 3)
    batch = jax.jit(jax.vmap(view, (0, None)))(keys, image)
    for key, seen in zip(keys, batch):
        alone = view(key, image)
        np.testing.assert_array_equal(alone, view(key, image))
        np.testing.assert_allclose(seen, alone, atol=2e-6)
    differ = float(np.abs(batch[0] - batch[1]).max())
    assert (differ > 1e-3) == (name in RANDOM)


@pytest.mark.parametrize("name", VIEWS)
def test_gradient_through_a_view_is_finite_and_reaches_the_middle(name, image, key):
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(VIEWS[name](key, x) ** 2)))
    for start in (image, jnp.full_like(image, 0.5)):
        grad = gradient(start)
        chex.assert_tree_all_finite(grad)
        assert np.abs(grad[4:8, 4:8]).min() > 0


@pytest.mark.parametrize("name", VIEWS)
def test_equal_views_hash_equal(name):
    view = VIEWS[name]
    again = type(view)(**vars(view))
    assert again == view
    assert hash(again) == hash(view)


def test_crop_takes_every_window_as_often(image):
    crop = views.Crop((SIDE - 2, SIDE - 1))
    windows = {
        (y, x): np.asarray(image[y : y + SIDE - 2, x : x + SIDE - 1])
        for y in range(3)
        for x in range(2)
    }
    keys = jax.random.split(jax.random.key(0), 300)
    seen = np.asarray(jax.jit(jax.vmap(crop, (0, None)))(keys, image))
    counts = {
        at: int((np.abs(seen - window).max((1, 2, 3)) == 0).sum()) for at, window in windows.items()
    }
    assert sum(counts.values()) == 300
    # 50 each, standard deviation 6.5.
    assert min(counts.values()) > 25
    assert max(counts.values()) < 75


def test_crop_of_the_whole_canvas_is_the_canvas(image, key):
    np.testing.assert_array_equal(views.Crop((SIDE, SIDE))(key, image), image)


@pytest.mark.parametrize("view", [views.Crop((13, 12)), views.Centre((12, 13))])
def test_window_larger_than_the_canvas_is_refused(view, image, key):
    with pytest.raises(ValueError, match=r"does not fit a canvas of \(12, 12\)"):
        view(key, image)


@pytest.mark.parametrize(("size", "top", "left"), [((11, 12), 0, 0), ((9, 8), 1, 2)])
def test_centre_leaves_the_smaller_half_before_it(size, top, left, image, key):
    expected = image[top : top + size[0], left : left + size[1]]
    np.testing.assert_array_equal(views.Centre(size)(key, image), expected)


def test_roll_shifts_circularly_by_every_amount(image):
    keys = jax.random.split(jax.random.key(1), 200)
    seen = np.asarray(jax.jit(jax.vmap(views.Roll(1), (0, None)))(keys, image))
    found = set()
    for y in (-1, 0, 1):
        for x in (-1, 0, 1):
            rolled = np.roll(np.asarray(image), (y, x), (0, 1))
            if (np.abs(seen - rolled).max((1, 2, 3)) == 0).any():
                found.add((y, x))
    assert len(found) == 9


def test_pad_puts_a_border_around(image, key):
    padded = np.array(views.Pad(3, fill=0.25)(key, image))
    assert padded.shape == (SIDE + 6, SIDE + 6, 3)
    np.testing.assert_array_equal(padded[3:-3, 3:-3], image)
    padded[3:-3, 3:-3] = 0.25
    assert np.all(padded == 0.25)


@pytest.mark.parametrize("mode", ["edge", "reflect"])
def test_pad_by_mode_equals_numpy(mode, image, key):
    expected = np.pad(image, ((3, 3), (3, 3), (0, 0)), mode=mode)
    np.testing.assert_array_equal(views.Pad(3, fill=mode)(key, image), expected)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.25, 5.0])
def test_blur_equals_scipy(sigma, image, key):
    expected = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest")
    np.testing.assert_allclose(views.Blur(sigma)(key, image), expected, atol=1e-5)


def test_blur_of_a_wide_image_equals_scipy(image, key):
    wide = image[:5]
    expected = ndimage.gaussian_filter(wide, (1.5, 1.5, 0), mode="nearest")
    np.testing.assert_allclose(views.Blur(1.5)(key, wide), expected, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.0, -1.0])
def test_blur_without_width_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma must be above 0"):
        views.Blur(sigma)


def test_scale_by_one_is_the_identity(image, key):
    seen = jax.jit(views.Scale(1.0, 1.0))(key, image)
    np.testing.assert_allclose(seen, image, atol=1e-6)


@pytest.mark.parametrize("size", [None, (8, 10)])
def test_scale_by_two_equals_bilinear_interpolation(size, image, key):
    out = size or (SIDE, SIDE)
    # Pixel o of the result is centred on (o + 1/2 - centre) / 2 + centre - 1/2.
    at = [(np.arange(n) + 0.5 - n / 2) / 2 + SIDE / 2 - 0.5 for n in out]
    grid = np.meshgrid(*at, indexing="ij")
    expected = np.stack(
        [ndimage.map_coordinates(image[..., c], grid, order=1) for c in range(3)], -1
    )
    seen = jax.jit(views.Scale(2.0, 2.0, size=size))(key, image)
    np.testing.assert_allclose(seen, expected, atol=1e-5)


def test_scale_by_half_averages_and_shows_grey_outside(image, key):
    half = jax.jit(views.Scale(0.5, 0.5))
    seen = np.asarray(half(key, image))
    assert np.all(np.abs(seen[:2] - 0.5) < 1e-6)
    assert np.all(np.abs(seen[:, -2:] - 0.5) < 1e-6)
    # Antialiased: checks of single pixels vanish instead of aliasing to one colour.
    checks = np.indices((SIDE, SIDE)).sum(0) % 2 * np.ones((3, 1, 1))
    seen = half(key, jnp.float32(checks.transpose(1, 2, 0)))
    np.testing.assert_allclose(seen[4:8, 4:8], 0.5, atol=1e-5)


def test_scale_factors_fill_their_range_evenly_in_the_logarithm():
    # The width of a bar about the centre gives the factor away.
    bar = jnp.full((1, 65, 3), 0.5).at[:, 24:41].set(1.5)
    keys = jax.random.split(jax.random.key(4), 200)
    view = jax.jit(jax.vmap(views.Scale(0.5, 2.0), (0, None)))
    widths = np.asarray(view(keys, bar) - 0.5).sum((1, 2)).mean(-1) / 17
    assert 0.49 < widths.min() < 0.55
    assert 1.8 < widths.max() < 2.02
    assert abs(np.median(np.log(widths))) < 0.15


def test_scale_shift_moves_the_picture_no_further_than_asked():
    dot = jnp.full((33, 33, 3), 0.5).at[16, 16].set(1.5)
    keys = jax.random.split(jax.random.key(4), 100)
    seen = jax.jit(jax.vmap(views.Scale(1.0, 1.0, shift=4.0), (0, None)))(keys, dot)
    weight = np.asarray(seen - 0.5).mean(-1)
    rows, columns = ((weight.sum(axis) * np.arange(33)).sum(-1) - 16 for axis in (2, 1))
    for found in (rows, columns):
        assert np.abs(found).max() < 4.01
        assert found.min() < -3 < 3 < found.max()


@pytest.mark.parametrize("degrees", [-30.0, 10.0, 90.0])
def test_turn_equals_scipy(degrees, image):
    # The reference shows `cval` outside, and interpolates towards it as we do.
    expected = ndimage.rotate(
        np.asarray(image),
        -degrees,
        reshape=False,
        order=1,
        mode="grid-constant",
        cval=0.5,
    )
    turned = TURN(image, jnp.deg2rad(degrees))
    np.testing.assert_allclose(turned, expected, atol=1e-4)


def test_turn_of_an_uneven_image_equals_scipy(image):
    uneven = image[:7]
    expected = ndimage.rotate(
        np.asarray(uneven), -25, reshape=False, order=1, mode="grid-constant", cval=0.5
    )
    turned = TURN(uneven, jnp.deg2rad(25.0))
    np.testing.assert_allclose(turned, expected, atol=1e-4)


def test_rotate_turns_both_ways_up_to_its_limit(image):
    # A point right of the centre shows the angle by its height.
    point = jnp.full((41, 41, 3), 0.5).at[20, 36].set(1.5)
    keys = jax.random.split(jax.random.key(3), 100)
    seen = jax.jit(jax.vmap(views.Rotate(30.0), (0, None)))(keys, point)
    weight = np.asarray(seen - 0.5).mean(-1)
    weight /= weight.sum((1, 2), keepdims=True)
    y = (weight.sum(2) * np.arange(41)).sum(1) - 20
    x = (weight.sum(1) * np.arange(41)).sum(1) - 20
    angle = np.rad2deg(np.arctan2(y, x))
    assert -30.5 < angle.min() < -25
    assert 25 < angle.max() < 30.5
    np.testing.assert_allclose(views.Rotate(0.0)(keys[0], image), image, atol=1e-6)


def test_noise_has_the_deviation_asked_for(key):
    noise = views.Noise(0.1)(key, jnp.zeros((64, 64, 3)))
    assert abs(float(noise.mean())) < 0.005
    assert float(noise.std()) == pytest.approx(0.1, rel=0.05)


def test_colour_shift_is_linear_in_the_image_channel_by_channel(image, key):
    lit = np.asarray(views.ColourShift(shift=0.1, gain=0.2)(key, image))
    for c in range(3):
        slope, offset = np.polyfit(np.ravel(image[..., c]), lit[..., c].ravel(), 1)
        fitted = slope * np.asarray(image[..., c]) + offset
        np.testing.assert_allclose(lit[..., c], fitted, atol=1e-5)
        assert 0.3 < slope < 3


def test_colour_shift_has_the_spread_asked_for():
    keys = jax.random.split(jax.random.key(6), 400)
    corners = jnp.array([[[0.5] * 3, [1.5] * 3]])
    view = views.ColourShift(shift=0.1, gain=0.2)
    seen = np.asarray(jax.jit(jax.vmap(view, (0, None)))(keys, corners))[:, 0]
    offsets, gains = seen[:, 0] - 0.5, seen[:, 1] - seen[:, 0]
    assert offsets.std() == pytest.approx(0.1, rel=0.1)
    assert np.log(gains).std() == pytest.approx(0.2, rel=0.1)
    assert abs(np.corrcoef(offsets[:, 0], offsets[:, 1])[0, 1]) < 0.15


def test_colour_shift_fades_colour_between_all_and_none(image):
    keys = jax.random.split(jax.random.key(6), 200)
    view = views.ColourShift(shift=0.0, gain=0.0, fade=1.0)
    seen = np.asarray(jax.jit(jax.vmap(view, (0, None)))(keys, image))
    grey = seen.mean(-1, keepdims=True)
    np.testing.assert_allclose(
        grey, np.broadcast_to(image.mean(-1)[None, ..., None], grey.shape), atol=1e-5
    )
    left = (seen - grey).std((1, 2, 3)) / (image - image.mean(-1, keepdims=True)).std()
    assert left.min() < 0.1 < 0.9 < left.max() <= 1.001
    assert left.mean() == pytest.approx(0.5, abs=0.1)
    still = views.ColourShift(shift=0.0, gain=0.0)(keys[0], image)
    np.testing.assert_allclose(still, image, atol=1e-6)


def test_in_order_applies_from_first_to_last(image, key):
    def brighter(key, image):
        return image + 1.0

    def doubled(key, image):
        return image * 2.0

    seen = views.in_order(brighter, doubled)(key, image)
    np.testing.assert_allclose(seen, 2 * (image + 1), rtol=1e-6)


def test_in_order_gives_each_view_its_own_key(key):
    black = jnp.zeros((64, 64, 3))
    both = views.in_order(views.Noise(1.0), views.Noise(1.0))(key, black)
    # Independent noises add up to sqrt 2; the same one twice would give 2.
    assert float(both.std()) == pytest.approx(2**0.5, rel=0.03)


def test_in_order_of_nothing_is_the_identity(image, key):
    np.testing.assert_array_equal(views.in_order()(key, image), image)
