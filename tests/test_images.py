"""The border check of images, in one table; resizing, starts of noise, sizes."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from PIL import Image as Pillow

from jaxvis.images import (
    MAX_PIXELS,
    check_image,
    check_images,
    enlarge,
    mean_colour,
    mix_noise,
    resize,
    sides_of_area,
    to_channels,
)

RNG = np.random.default_rng(0)
RGB = RNG.random((4, 5, 3), np.float32)
BYTES = RNG.integers(0, 256, (4, 5, 3), np.uint8)
GREY = RGB[..., 0]
OPAQUE = np.ones((4, 5, 1), np.float32)
PALETTE = Pillow.fromarray(BYTES).quantize(4)
HOLE = np.dstack([BYTES, np.full((4, 5), 255, np.uint8)])
HOLE[0, 0, 3] = 0


def _repeat(grey):
    return np.repeat(np.asarray(grey, np.float32)[..., None], 3, -1)


CONVERTED = {
    "float32": (RGB, RGB),
    "float64": (RGB.astype(np.float64), RGB),
    "float16": (RGB.astype(np.float16), RGB.astype(np.float16)),
    "bfloat16": (RGB.astype(ml_dtypes.bfloat16), RGB.astype(ml_dtypes.bfloat16)),
    "jax": (jnp.asarray(RGB), RGB),
    "lists": (RGB.tolist(), RGB),
    "uint8": (BYTES, BYTES / np.float32(255)),
    "uint8_of_jax": (jnp.asarray(BYTES), BYTES / np.float32(255)),
    "grey": (GREY, _repeat(GREY)),
    "grey_of_jax": (jnp.asarray(GREY), _repeat(GREY)),
    "grey_with_a_channel": (GREY[..., None], _repeat(GREY)),
    "grey_uint8": (BYTES[..., 0], _repeat(BYTES[..., 0] / np.float32(255))),
    "opaque": (np.dstack([RGB, OPAQUE]), RGB),
    "opaque_of_jax": (jnp.dstack([RGB, OPAQUE]), RGB),
    "opaque_uint8": (np.dstack([BYTES, np.full((4, 5), 255, np.uint8)]), BYTES / 255),
    "just_outside": (RGB * 1.001, RGB * np.float32(1.001)),
    "one_pixel_high": (RGB[:1], RGB[:1]),
    "three_by_three": (RGB[:3, :3], RGB[:3, :3]),
    "pillow": (Pillow.fromarray(BYTES), BYTES / np.float32(255)),
    "pillow_grey": (Pillow.fromarray(BYTES[..., 0]), _repeat(BYTES[..., 0] / np.float32(255))),
    "pillow_float": (Pillow.fromarray(GREY), _repeat(GREY)),
    "pillow_palette": (PALETTE, np.asarray(PALETTE.convert("RGB")) / np.float32(255)),
    "pillow_opaque": (Pillow.fromarray(BYTES).convert("RGBA"), BYTES / np.float32(255)),
    "pillow_bits": (Pillow.new("1", (5, 4), 1), np.ones((4, 5, 3))),
    "pillow_cmyk": (Pillow.new("CMYK", (5, 4), (0, 0, 0, 0)), np.ones((4, 5, 3))),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_what_has_one_meaning_becomes_rgb_in_the_unit_range(name):
    given, wanted = CONVERTED[name]
    found = check_image(given, "the image")
    assert isinstance(found, jax.Array) and found.dtype == jnp.float32
    assert found.shape == np.shape(wanted)
    np.testing.assert_allclose(found, np.asarray(wanted, np.float32), atol=1e-6)


# 0.299 R + 0.587 G + 0.114 B of four colours, by hand.
COLOURS = np.array([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [0.5, 0.25, 1]]], np.float32)
LUMINANCES = np.array([[0.299, 0.587], [0.114, 0.1495 + 0.14675 + 0.114]], np.float32)[..., None]
BECOME_GREY = {
    "rgb": (COLOURS, LUMINANCES),
    "rgb_of_jax": (jnp.asarray(COLOURS), LUMINANCES),
    "rgb_uint8": (np.full((2, 2, 3), 51, np.uint8), np.full((2, 2, 1), 0.2)),
    "opaque": (np.dstack([COLOURS, np.ones((2, 2, 1), np.float32)]), LUMINANCES),
    "grey": (GREY, GREY[..., None]),
    "grey_with_a_channel": (GREY[..., None], GREY[..., None]),
    "pillow": (Pillow.new("RGB", (5, 4), (255, 0, 0)), np.full((4, 5, 1), 0.299)),
}


@pytest.mark.parametrize("name", BECOME_GREY)
def test_a_network_of_grey_images_is_shown_the_luminance(name):
    given, wanted = BECOME_GREY[name]
    found = check_image(given, "the image", channels=1)
    assert found.shape == wanted.shape and found.dtype == jnp.float32
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_several_images_become_grey_together():
    several = np.stack([COLOURS, 1 - COLOURS])
    wanted = np.stack([LUMINANCES, 1 - LUMINANCES])
    np.testing.assert_allclose(check_images(several, "the images", channels=1), wanted, atol=1e-6)
    np.testing.assert_allclose(
        check_images(list(several), "the images", channels=1), wanted, atol=1e-6
    )


def test_images_of_other_channels_are_taken_as_they_are():
    for channels in (2, 4, 12):
        image = RNG.random((5, 6, channels), np.float32)
        np.testing.assert_array_equal(check_image(image, "the image", channels=channels), image)
        np.testing.assert_array_equal(
            check_images(image[None], "them", channels=channels), image[None]
        )
        with pytest.raises(ValueError, match=rf"one image \[H, W, {channels}\], as the network"):
            check_image(RGB, "the image", channels=channels)
        with pytest.raises(ValueError, match="move the channels last"):
            check_image(image.transpose(2, 0, 1), "the image", channels=channels)
    with pytest.raises(ValueError, match="one image .* as the network takes it"):
        check_image(GREY, "the image", channels=12)


def test_colours_are_brought_into_other_channels():
    np.testing.assert_allclose(to_channels(COLOURS, 1), LUMINANCES, atol=1e-6)
    np.testing.assert_array_equal(to_channels(GREY[..., None], 3), _repeat(GREY))
    assert to_channels(COLOURS, 3) is COLOURS
    with pytest.raises(ValueError, match="an image of 3 channels cannot become one of 12"):
        to_channels(COLOURS, 12)
    assert mean_colour(3) == (0.485, 0.456, 0.406)
    np.testing.assert_allclose(mean_colour(1), (1.347 / 3,))
    assert mean_colour(4) == 4 * mean_colour(1)


REFUSED = {
    "channels_first": (
        np.zeros((3, 4, 5)),
        r"move the channels last, np\.moveaxis\(image, 0, -1\)",
    ),
    "grey_channel_first": (np.zeros((1, 4, 5)), "move the channels last"),
    "batch_of_one": (RGB[None], r"is a batch of 1, .*pass image\[0\]"),
    "batch": (np.zeros((2, 4, 4, 3)), "is a batch of 2, .*one by one"),
    "five_axes": (np.zeros((1, 1, 4, 4, 3)), r"one image \[H, W, 3\]"),
    "two_channels": (np.zeros((4, 5, 2)), r"one image \[H, W, 3\] or grey \[H, W\], not"),
    "row": (np.zeros(12), r"one image \[H, W, 3\]"),
    "number": (0.5, r"one image \[H, W, 3\]"),
    "empty": (np.zeros((0, 4, 3)), r"is empty, shape \(0, 4, 3\)"),
    "empty_list": ([], "is empty"),
    "bytes_as_floats": (np.full((4, 4, 3), 200.0), "from 200 to 200: divide by 255"),
    "bytes_as_floats_of_jax": (jnp.full((4, 4, 3), 255.0), "from 255 to 255: divide by 255"),
    "a_little_above": (RGB * 1.5, r"clip it to \[0, 1\], or divide by 255"),
    "minus_one_to_one": (2 * RGB - 1, r"pass \(image \+ 1\) / 2"),
    "normalised": (4 * RGB - 2, "without subtracting a mean"),
    "far_outside": (RGB * 65535, r"pass RGB in \[0, 1\]"),
    "nan": (np.where(RGB > 0.5, np.nan, RGB), "NaN or infinite"),
    "nan_of_jax": (jnp.where(RGB > 0.5, jnp.nan, RGB), "NaN or infinite"),
    "infinite": (np.where(RGB > 0.5, np.inf, RGB), "NaN or infinite"),
    "uint16": (BYTES.astype(np.uint16), "is uint16: .*divide by 65535"),
    "int64": (BYTES.astype(np.int64), r"is int64: pass float RGB in \[0, 1\], or uint8"),
    "bool": (RGB > 0.5, "is bool"),
    "complex": (RGB + 0j, "is complex64"),
    "object": (np.full((4, 4, 3), None), "is object"),
    "none": (None, "is object"),
    "ragged": ([[1.0], [1.0, 2.0]], "rows have different lengths"),
    "path": ("cat.png", r"is the path 'cat\.png': read the file first"),
    "key": (jax.random.split(jax.random.key(0), (4, 5)), "is key"),
    "transparent": (np.dstack([RGB, 0.5 * OPAQUE]), "transparent pixels: blend it over"),
    "transparent_of_jax": (jnp.dstack([RGB, 0 * OPAQUE]), "transparent pixels"),
    "transparent_uint8": (HOLE, "transparent pixels"),
    "transparent_pillow": (Pillow.fromarray(HOLE), "transparent pixels"),
    "pillow_16_bit": (Pillow.fromarray(BYTES[..., 0].astype(np.uint16)), "uint16.*65535"),
    "large": (np.broadcast_to(np.float32(0), (20000, 20000, 3)), f"more than {MAX_PIXELS} pixels"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_single_meaning_is_refused_with_a_cure(name):
    image, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"^the image .*{message}"):
        check_image(image, "the image")


def test_an_array_of_jax_stays_on_its_device():
    device = jax.devices()[-1]
    for image in (RGB, BYTES, GREY):
        found = check_image(jax.device_put(image, device), "the image")
        assert found.devices() == {device}


def test_under_jit_and_vmap_shapes_and_types_are_checked():
    def double(image):
        return 2 * check_image(image, "the image")

    np.testing.assert_allclose(jax.jit(double)(RGB), 2 * RGB, rtol=1e-6)
    several = jnp.stack([RGB, 1 - RGB])
    np.testing.assert_allclose(jax.vmap(double)(several), 2 * several, rtol=1e-6)
    opaque = np.dstack([RGB, OPAQUE])
    np.testing.assert_allclose(jax.jit(double)(opaque), 2 * RGB, rtol=1e-6)
    with pytest.raises(ValueError, match="batch of 2"):
        jax.jit(double)(several)


@pytest.mark.parametrize(
    "images",
    [
        np.stack([RGB, RGB[::-1]]),
        jnp.stack([RGB, RGB[::-1]]),
        [RGB, RGB[::-1]],
        (jnp.asarray(RGB), RGB[::-1].astype(np.float64)),
    ],
    ids=["array", "jax", "list", "tuple"],
)
def test_check_images_takes_arrays_and_sequences(images):
    found = check_images(images, "the photographs")
    assert isinstance(found, jax.Array) and found.dtype == jnp.float32
    np.testing.assert_array_equal(found, np.stack([RGB, RGB[::-1]]))


def test_check_images_converts_as_check_image_does():
    mixed = check_images([BYTES, GREY, Pillow.fromarray(BYTES)], "the photographs")
    for given, found in zip((BYTES, GREY, BYTES), mixed):
        np.testing.assert_array_equal(found, check_image(given, "the image"))
    grey = check_images(np.stack([GREY, GREY])[..., None], "the photographs")
    np.testing.assert_array_equal(grey[1], check_image(GREY, "the image"))
    np.testing.assert_array_equal(
        check_images(BYTES[None], "the photographs")[0], check_image(BYTES, "the image")
    )


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (RGB, r"pass images\[None\] for one image"),
        (np.zeros((7, 4, 5)), r"images\[\.\.\., None\] for grey"),
        (np.zeros((7, 3, 4, 5)), r"channels first, .*np\.moveaxis\(images, 1, -1\)"),
        (np.zeros((7, 4, 5, 2)), r"several images \[N, H, W, 3\], not"),
        (np.zeros((0, 4, 5, 3)), "is empty"),
        ([], "is an empty list"),
        ([RGB, RGB[:2]], r"different sizes, \[\(2, 5\), \(4, 5\)\]: resize"),
        (np.full((2, 4, 5, 3), 9.0), "divide by 255"),
        ("folder", "is the path 'folder'"),
    ],
)
def test_check_images_refuses_with_a_cure(images, message):
    with pytest.raises(ValueError, match=f"^the photographs .*{message}"):
        check_images(images, "the photographs")


def test_check_images_names_the_entry_that_is_wrong():
    with pytest.raises(ValueError, match="^entry 1 of the photographs has values.*divide"):
        check_images([RGB, 255 * RGB], "the photographs")


def test_sizes_keep_the_aspect():
    assert sides_of_area((100, 200, 3), 5000) == (50, 100)
    assert sides_of_area((10, 1000, 3), 1) == (1, 10)


def test_resizing_gives_the_size_and_leaves_an_image_that_has_it():
    image = jnp.asarray(RGB)
    assert resize(image, (4, 5)) is image
    assert resize(image, (6, 20)).shape == (6, 20, 3)
    assert enlarge(image[None], (18, 15)).shape == (1, 18, 15, 3)


def test_starts_mix_an_image_and_noise(key):
    image = jnp.asarray(RNG.random((12, 10, 3)), jnp.float32)
    np.testing.assert_array_equal(mix_noise(key, image, part=0.0)[0], image)
    flat = mix_noise(key, image, seeds=2)
    np.testing.assert_allclose(flat.mean((1, 2)), [image.mean((0, 1))] * 2, atol=2e-3)
    assert 0.5 / 255 < float(flat[0, ..., 0].std()) < 2 / 255
    assert float(jnp.abs(flat[0] - flat[1]).max()) > 0
    half = mix_noise(key, image, part=0.5)[0]
    np.testing.assert_allclose(half, (image + flat[0]) / 2, atol=1e-6)
