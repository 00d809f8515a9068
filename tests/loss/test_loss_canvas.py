"""Canvases: what they can show, how they start, what they never leave."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_nets import photograph

from jaxvis.images import DECORRELATE, MEAN, RECORRELATE
from jaxvis.loss.canvas import Fourier, Phase, Pixels, Tanh, frequencies
from jaxvis.types import Canvas

SIZE = (12, 10)
KEY = jax.random.key(0)
"""For decode, which draws nothing on any of these canvases."""
CANVASES = {
    "pixels": Pixels(SIZE, noise=0.1),
    "pixels_grey_levels": Pixels(SIZE, scale=255.0, init_range=46.0),
    "tanh": Tanh(SIZE),
    "fourier": Fourier(SIZE),
    "phase": Phase(SIZE),
}
ENCODING = {
    "pixels": (Pixels((32, 32)), 0.05),
    "fourier": (Fourier((32, 32)), 0.05),
    "tanh": (Tanh((32, 32)), 0.1),
}
"""Canvas and Adam's learning rate."""
# Olah et al.'s matrix, written out again: columns are axes, rows R, G, B.
MATRIX = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
MATRIX = MATRIX / np.sqrt((MATRIX**2).sum(0)).max()


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("name", ENCODING)
def test_adam_brings_a_canvas_to_a_photograph(name, key):
    canvas, rate = ENCODING[name]
    photo = photograph(32)
    adam = optax.adam(rate)

    def far(z):
        return jnp.mean((canvas.decode(None, z, KEY) - photo) ** 2)

    @jax.jit
    def fitted(z):
        def step(carry, _):
            z, state = carry
            value, grad = jax.value_and_grad(far)(z)
            updates, state = adam.update(grad, state)
            return (optax.apply_updates(z, updates), state), value

        return jax.lax.scan(step, (z, adam.init(z)), None, length=300)

    (z, _), trace = fitted(canvas.init(key))
    assert trace[0] > 0.03
    assert np.sqrt(far(z)) < 0.02


@pytest.mark.parametrize("name", ENCODING)
def test_encode_then_decode_returns_the_image(name):
    canvas, _ = ENCODING[name]
    photo = photograph(32)
    shown = np.asarray(canvas.decode(None, canvas.encode(photo), KEY))
    # The sigmoid canvases keep 1e-4 from black and white.
    np.testing.assert_allclose(shown, photo, atol=2e-4)


def test_encode_of_black_and_white_is_finite():
    image = jnp.stack([jnp.zeros((8, 3)), jnp.ones((8, 3))] * 4)
    for canvas in (Tanh((8, 8)), Fourier((8, 8))):
        z = canvas.encode(image)
        assert jnp.all(jnp.isfinite(z))
        np.testing.assert_allclose(canvas.decode(None, z, KEY), image, atol=2e-3)


@pytest.mark.parametrize("size", [(12, 10), (11, 10), (12, 9), (11, 9), (1, 7)])
@pytest.mark.parametrize("make", [Pixels, Tanh, Fourier, Phase])
def test_image_has_the_size_asked_for(make, size, key):
    canvas = make(size)
    shown = jax.eval_shape(lambda key: canvas.decode(None, canvas.init(key), key), key)
    assert shown.shape == (*size, 3)
    assert shown.dtype == jnp.float32


@pytest.mark.parametrize("name", CANVASES)
def test_start_depends_on_the_key_alone(name):
    canvas = CANVASES[name]
    first, again, other = (canvas.init(jax.random.key(i)) for i in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3 * np.abs(first).max()


@pytest.mark.parametrize("canvas", [Tanh(SIZE), Fourier(SIZE), Phase(SIZE)], ids=repr)
@pytest.mark.parametrize("times", [1.0, 100.0])
def test_sigmoid_canvases_never_leave_the_range(canvas, times, key):
    image = canvas.decode(None, times * canvas.init(key), KEY)
    assert 0 <= image.min() < 0.5 < image.max() <= 1


@pytest.mark.parametrize("name", CANVASES)
def test_gradient_is_finite_at_the_start(name, key):
    canvas = CANVASES[name]
    weight = jax.random.normal(key, (*SIZE, 3))
    grad = jax.grad(lambda z: jnp.sum(weight * canvas.decode(None, z, KEY)))(canvas.init(key))
    chex.assert_tree_all_finite(grad)
    assert np.abs(grad).max() > 0


def test_equal_canvases_hash_equal():
    for make in (Pixels, Tanh, Fourier, Phase):
        assert make(SIZE) == make(SIZE)
        assert hash(make(SIZE)) == hash(make(SIZE))
        assert make(SIZE) != make((3, 3))


def test_pixels_start_as_the_natural_pre_images_code_does(key):
    z = np.asarray(Pixels((64, 64), scale=255.0, init_range=80 / 3**0.5).init(key))
    # U(-1, 1) over its 0.95 quantile, 0.9, times 80 / sqrt 3.
    assert 51.0 < z.max() < 52.0
    assert -52.0 < z.min() < -51.0
    assert abs(z.mean()) < 1.0
    assert np.quantile(z, 0.95) == pytest.approx(80 / 3**0.5, rel=1e-4)


def test_pixels_at_zero_are_the_mean_colour():
    image = Pixels(SIZE, scale=255.0).decode(None, jnp.zeros((*SIZE, 3)), KEY)
    np.testing.assert_allclose(image[3, 4], MEAN, rtol=1e-6)
    one_level = Pixels(SIZE, scale=255.0).decode(None, jnp.ones((*SIZE, 3)), KEY)
    np.testing.assert_allclose(one_level - image, 1 / 255, rtol=1e-4)


def test_fourier_starts_as_faint_grey(key):
    canvas = Fourier((64, 64))
    image = np.asarray(canvas.decode(None, canvas.init(key), KEY))
    assert abs(image.mean() - 0.5) < 0.05
    assert 0.001 < image.std() < 0.05


@pytest.mark.parametrize("size", [(16, 16), (15, 17), (8, 20)])
def test_fourier_equals_its_formula_in_numpy(size, key):
    z = np.asarray(Fourier(size, sd=0.3).init(key), np.float64)
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
    fall = 1 / np.maximum(np.sqrt(fy**2 + fx**2), 1 / max(size))
    spectrum = (z[0] + 1j * z[1]) * fall[..., None] * np.sqrt(size[0] * size[1]) / 4
    axes = np.fft.irfft2(spectrum, s=size, axes=(0, 1))
    expected = _sigmoid(axes @ MATRIX.T)
    np.testing.assert_allclose(Fourier(size).decode(None, jnp.float32(z), KEY), expected, atol=1e-5)


def test_fourier_decay_sets_the_spectrum_of_the_start(key):
    rough = np.asarray(Fourier((32, 32), decay=0.0).decode(None, Fourier((32, 32)).init(key), KEY))
    smooth = np.asarray(Fourier((32, 32)).decode(None, Fourier((32, 32)).init(key), KEY))
    roughness = [np.abs(np.diff(x, axis=0)).mean() / x.std() for x in (rough, smooth)]
    assert roughness[0] > 1.5 * roughness[1]


def test_frequencies_are_cycles_per_pixel():
    expected = np.abs(np.fft.fftfreq(6))[:, None] ** 2 + np.fft.rfftfreq(5) ** 2
    np.testing.assert_allclose(frequencies((6, 5)), np.sqrt(expected), rtol=1e-6)


@pytest.mark.parametrize("axis", range(3))
def test_decorrelated_axis_is_the_matrix_column(axis):
    canvas = Fourier((4, 4))
    z = np.zeros((2, 4, 3, 3), np.float32)
    z[0, 0, 0, axis] = 0.1
    image = np.asarray(canvas.decode(None, jnp.asarray(z), KEY))
    # Only the mean is set: gain sqrt(16) / 4 / (1 / 4), over 16 pixels.
    expected = _sigmoid(0.1 * 4 / 16 * MATRIX[:, axis])
    np.testing.assert_allclose(image, np.broadcast_to(expected, (4, 4, 3)), rtol=1e-5)


def test_decorrelate_undoes_recorrelate():
    assert RECORRELATE.dtype == DECORRELATE.dtype == np.float32
    np.testing.assert_allclose(RECORRELATE, MATRIX.T, rtol=1e-6)
    product = RECORRELATE @ DECORRELATE
    np.testing.assert_allclose(product, np.eye(3), atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (15, 17), (16, 9), (9, 16)])
def test_phase_keeps_its_magnitude(size, key):
    canvas = Phase(size, saturation=(0.5, 0.25))
    image = np.asarray(canvas.decode(None, canvas.init(key), KEY), np.float64)
    axes = np.log(image / (1 - image)) @ np.linalg.inv(MATRIX.T)
    found = np.abs(np.fft.rfft2(axes, axes=(0, 1)))
    fall = 1 / np.maximum(frequencies(size), 1 / max(size))
    ratio = found[1:] / fall[1:, :, None]
    for axis in range(3):
        # One factor per axis, every frequency alike.
        np.testing.assert_allclose(ratio[..., axis], ratio[0, 0, axis], rtol=2e-3)
    np.testing.assert_allclose(axes.std((0, 1)), (1.0, 0.5, 0.25), rtol=1e-3)
    assert found[0, 0].max() < 2e-3 * found.max()


def test_phase_contrast_is_the_spread_before_the_sigmoid(key):
    pale, strong = (Phase(SIZE, contrast=c) for c in (0.1, 2.0))
    z = pale.init(key)
    assert pale.decode(None, z, KEY).std() < 0.1 < 0.2 < strong.decode(None, z, KEY).std()


def test_phase_turns_but_does_not_grow_with_z(key):
    canvas = Phase((16, 16))
    z = canvas.init(key)
    turned = canvas.decode(None, z + 2 * np.pi, KEY)
    np.testing.assert_allclose(turned, canvas.decode(None, z, KEY), atol=1e-4)
    assert (
        np.abs(canvas.decode(None, z + 0.5 * jnp.cos(z), KEY) - canvas.decode(None, z, KEY)).max()
        > 0.01
    )


@pytest.mark.parametrize("name", CANVASES)
def test_the_size_is_known_without_drawing(name):
    assert CANVASES[name].image_size() == SIZE


def test_a_canvas_of_ones_own_needs_init_and_decode_alone(key):
    class Half(Canvas):
        def init(self, key):
            return jnp.zeros((3, 4, 3))

        def decode(self, shared, z, key):
            return 0.5 + z

    canvas, z = Half(), jnp.full((3, 4, 3), 0.25)
    assert canvas.image_size() == (3, 4)
    drawing = canvas.draw(None, z, key)
    np.testing.assert_array_equal(drawing.image, 0.75)
    assert drawing.terms == {} and drawing.state is None
    learned, state = canvas.split(z)
    assert learned is z and canvas.join(learned, state) is z
    assert not canvas.owns_kernels
    with pytest.raises(ValueError, match="Half cannot begin from an image: leave start out"):
        canvas.encode(drawing.image)
    with pytest.raises(NotImplementedError, match="Canvas has no init"):
        Canvas().init(key)
    with pytest.raises(NotImplementedError, match="Canvas has no decode"):
        Canvas().decode(None, z, key)


def test_a_grey_canvas_repeats_its_channel_and_begins_from_the_mean_of_three(key):
    canvas = Pixels(SIZE, center=MEAN, channels=1, noise=0.1)
    z = canvas.init(key)
    assert z.shape == (*SIZE, 1)
    image = canvas.decode(None, z, KEY)
    assert image.shape == (*SIZE, 3)
    np.testing.assert_allclose(canvas.encode(image), z, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2, 12])
def test_other_channels_than_three_are_independent_planes(channels, key):
    for kind in (Fourier, Phase, Tanh, Pixels):
        canvas = kind(SIZE, channels=channels)
        z = canvas.init(key)
        if kind is Pixels:
            z = z + jax.random.normal(key, z.shape)
        image = canvas.decode(None, z, KEY)
        assert image.shape == (*SIZE, channels) and canvas.image_size() == SIZE
        alone = kind(SIZE, channels=1).decode(None, z[..., :1], KEY)
        np.testing.assert_allclose(image[..., :1], alone, atol=1e-6)
        if kind is not Phase:
            again = canvas.decode(None, canvas.encode(image), KEY)
            np.testing.assert_allclose(again, image, atol=1e-4)


def test_the_grey_fourier_canvas_has_no_colour_matrix():
    z = np.zeros((2, 4, 3, 1), np.float32)
    z[0, 0, 0] = 2.0  # the constant: 2 times the gain 4 sqrt(16) / 4, by 16 pixels
    image = Fourier((4, 4), channels=1).decode(None, jnp.asarray(z), KEY)
    np.testing.assert_allclose(image, 1 / (1 + np.exp(-0.5)), atol=1e-6)


def test_a_center_has_a_number_for_each_channel():
    np.testing.assert_allclose(Pixels(SIZE, channels=1).center, (1.347 / 3,))
    assert Pixels(SIZE) == Pixels(SIZE, center=MEAN)
    with pytest.raises(ValueError, match="center has 3 numbers for 2 channels: give one each"):
        Pixels(SIZE, center=MEAN, channels=2)
