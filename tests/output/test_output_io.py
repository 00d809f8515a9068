"""Image files: what is read, how exactly, and what is refused in which words."""

import io
import os
import struct
import zlib
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from jaxvis.output.files import MAX_BYTES
from jaxvis.output.io import (
    SAMPLES,
    describe_formats,
    read_image,
    read_sample_photo,
    write_image,
)

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
RED, GREEN = (255, 0, 0), (0, 255, 0)


def png(pixels: np.ndarray, *, extra: bytes = b"", bad_crc: bool = False) -> bytes:
    """Returns a 16-bit PNG of `[H, W, 1 to 4]` uint16, written from the standard."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data) ^ bad_crc
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def saved(tmp_path, name, image, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "bmp", "ppm", "tif"])
def test_read_image_of_lossless_formats_is_exact(tmp_path, ending):
    path = saved(tmp_path, f"a.{ending}", Pillow.fromarray(PIXELS))
    image = read_image(path)
    assert image.dtype == np.float32 and image.shape == (6, 9, 3)
    np.testing.assert_array_equal(np.rint(image * 255), PIXELS)


@pytest.mark.parametrize("ending", ["jpg", "webp"])
def test_read_image_of_lossy_formats_is_close(tmp_path, ending):
    smooth = np.linspace(40, 200, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    path = saved(tmp_path, f"a.{ending}", Pillow.fromarray(smooth), quality=95)
    assert np.abs(read_image(path) * 255 - smooth).mean() < 4


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_read_image_keeps_all_sixteen_bits_of_a_png(tmp_path, channels):
    pixels = RNG.integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    if channels in (2, 4):
        pixels[..., -1] = 65535
    (tmp_path / "a.png").write_bytes(png(pixels))
    colour = pixels[..., :3] if channels > 2 else pixels[..., :1].repeat(3, -1)
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(np.rint(image * 65535.0), colour)


@pytest.mark.parametrize("channels", [2, 4])
def test_read_image_composes_sixteen_bit_alpha_over_the_background(tmp_path, channels):
    pixels = RNG.integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(png(pixels))
    values = pixels / 65535
    alpha, colour = values[..., -1:], values[..., :-1]
    wanted = colour * alpha + 0.5 * (1 - alpha)
    image = read_image(tmp_path / "a.png", background=0.5)
    np.testing.assert_allclose(image, np.broadcast_to(wanted, (5, 7, 3)), atol=1e-6)


def test_read_image_of_sixteen_bit_png_honours_its_transparent_colour(tmp_path):
    pixels = np.full((2, 2, 3), 1000, np.uint16)
    pixels[0, 0] = (1, 2, 3)
    data = struct.pack(">HHH", 1, 2, 3)
    crc = struct.pack(">I", zlib.crc32(b"tRNS" + data))
    extra = struct.pack(">I", 6) + b"tRNS" + data + crc
    (tmp_path / "a.png").write_bytes(png(pixels, extra=extra))
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image[0, 0], [1, 1, 1])
    np.testing.assert_allclose(image[1, 1], 1000 / 65535, rtol=1e-6)


def test_read_image_of_a_sixteen_bit_pgm_keeps_its_bits(tmp_path):
    levels = RNG.integers(0, 65536, (4, 5), dtype=np.uint16)
    header = b"P5 5 4 65535\n"
    (tmp_path / "a.pgm").write_bytes(header + levels.astype(">u2").tobytes())
    image = read_image(tmp_path / "a.pgm")
    np.testing.assert_array_equal(np.rint(image[..., 1] * 65535.0), levels)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK", "YCbCr", "RGBA"])
def test_read_image_turns_every_colour_mode_into_rgb(tmp_path, mode):
    source = Pillow.fromarray(np.full((4, 4, 3), (255, 255, 255), np.uint8))
    ending = {"CMYK": "jpg", "YCbCr": "jpg"}.get(mode, "png")
    image = read_image(saved(tmp_path, f"a.{ending}", source.convert(mode)))
    assert image.shape == (4, 4, 3)
    np.testing.assert_allclose(image, 1.0, atol=0.02)


def test_read_image_of_cmyk_keeps_the_hue(tmp_path):
    red = Pillow.new("RGB", (16, 16), RED).convert("CMYK")
    mean = read_image(saved(tmp_path, "a.jpg", red)).mean((0, 1))
    assert mean[0] > 0.9 and mean[1] < 0.1 and mean[2] < 0.1


def test_read_image_of_grey_has_three_equal_channels(tmp_path):
    grey = Pillow.fromarray(PIXELS[..., 0])
    image = read_image(saved(tmp_path, "a.png", grey))
    np.testing.assert_array_equal(np.rint(image * 255), PIXELS[..., :1].repeat(3, -1))


def test_read_image_shows_white_through_transparency_and_any_colour_asked(tmp_path):
    clear = Pillow.new("RGBA", (3, 3), (10, 20, 30, 0))
    path = saved(tmp_path, "a.png", clear)
    np.testing.assert_array_equal(read_image(path), 1.0)
    blue = read_image(path, background=(0, 0, 1))
    np.testing.assert_array_equal(blue[1, 1], [0, 0, 1])


def test_read_image_honours_a_palette_with_transparency(tmp_path):
    image = Pillow.new("P", (2, 1), 0)
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    path = saved(tmp_path, "a.png", image, transparency=1)
    np.testing.assert_array_equal(read_image(path)[0], [[1, 0, 0], [1, 1, 1]])


@pytest.mark.parametrize("ending", ["jpg", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_read_image_applies_exif_orientation(tmp_path, ending, orientation):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16], upright[8:, 16:] = RED, GREEN
    # How a camera held that way stores the upright picture.
    store = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: np.rot90,
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    stored = Pillow.fromarray(np.ascontiguousarray(store(upright)))
    image = read_image(saved(tmp_path, f"a.{ending}", stored, exif=exif))
    assert image.shape == (16, 32, 3)
    assert np.abs(image * 255 - upright).mean() < 10


def test_read_image_of_float_files_wants_the_unit_range(tmp_path):
    values = RNG.random((3, 4), np.float32)
    path = saved(tmp_path, "a.tif", Pillow.fromarray(values))
    np.testing.assert_array_equal(read_image(path)[..., 0], values)
    path = saved(tmp_path, "b.tif", Pillow.fromarray(values * 255))
    with pytest.raises(ValueError, match=r"b\.tif has values .* rescale it"):
        read_image(path)
    path = saved(tmp_path, "c.tif", Pillow.fromarray(values * np.nan))
    with pytest.raises(ValueError, match="c.tif has values"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.tif", "a.webp"])
def test_read_image_refuses_several_frames(tmp_path, name):
    frames = [Pillow.new("RGB", (8, 8), c) for c in (RED, GREEN, (0, 0, 255))]
    options = {"save_all": True, "append_images": frames[1:]}
    path = saved(tmp_path, name, frames[0], **options)
    with pytest.raises(ValueError, match=rf"{name} holds several frames or pages: save"):
        read_image(path)


def test_read_image_takes_a_single_frame_gif(tmp_path):
    path = saved(tmp_path, "a.gif", Pillow.new("RGB", (8, 8), RED))
    np.testing.assert_allclose(read_image(path)[0, 0], [1, 0, 0], atol=0.01)


def test_read_image_takes_the_first_picture_of_a_camera_mpo(tmp_path):
    frames = [Pillow.new("RGB", (8, 8), RED), Pillow.new("RGB", (8, 8), GREEN)]
    options = {"format": "MPO", "save_all": True, "append_images": frames[1:]}
    path = saved(tmp_path, "a.jpg", frames[0], **options)
    np.testing.assert_allclose(read_image(path)[4, 4], [1, 0, 0], atol=0.02)


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "PPM", "TIFF", "GIF"])
@pytest.mark.parametrize("kept", [0.3, 0.7])
def test_read_image_of_a_truncated_file_says_so(tmp_path, kind, kept):
    data = encoded(kind)
    path = tmp_path / "cut.img"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ValueError, match="cut.img is (damaged|not an image)"):
        read_image(path)


def test_read_image_of_a_truncated_sixteen_bit_png_says_so(tmp_path):
    data = png(RNG.integers(0, 65536, (30, 30, 3), dtype=np.uint16))
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="cut.png is damaged or truncated"):
        read_image(tmp_path / "cut.png")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_read_image_of_damaged_bytes_gives_an_image_or_a_value_error(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF"]))
    whole = bytearray(DAMAGED[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "a.img"
    path.write_bytes(whole)
    try:
        image = read_image(path)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert image.ndim == 3 and image.shape[-1] == 3
        assert image.min() >= 0 and image.max() <= 1


DAMAGED = {kind: encoded(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF")}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello, I am a text", "is not an image that can be read: use PNG"),
        (b"\x89PNG\r\n\x1a\n", "is (damaged|not an image)"),
        (png(np.zeros((2, 2, 3), np.uint16), bad_crc=True), "is (damaged|not an im)"),
    ],
)
def test_read_image_names_the_file_that_is_no_image(tmp_path, data, words):
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(ValueError, match=f"x.png {words}"):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize(("side", "pixels"), [(12_000, "144"), (60_000, "")])
def test_read_image_refuses_a_decompression_bomb_unread(tmp_path, side, pixels):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts
    )
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"bomb\.png is too large.*100 megapixels"):
        read_image(tmp_path / "bomb.png")


def test_read_image_of_a_missing_file_or_a_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.png"):
        read_image(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        read_image(tmp_path)


@pytest.mark.parametrize("name", ["drawing.png", "drawing.eps", "drawing.jpg"])
def test_read_image_never_starts_a_program_for_postscript(tmp_path, monkeypatch, name):
    def start(*_, **__):
        raise AssertionError("a program was started")

    Pillow.new("RGB", (4, 4), RED).save(tmp_path / "a.eps")
    (tmp_path / name).write_bytes((tmp_path / "a.eps").read_bytes())
    monkeypatch.setattr("subprocess.Popen.__init__", start)
    with pytest.raises(ValueError, match=f"{name} is not an image that can be read"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["ICO", "PCX", "SGI", "TGA", "JPEG2000"])
def test_read_image_reads_the_named_formats_alone(tmp_path, kind):
    path = saved(tmp_path, "a.png", Pillow.fromarray(PIXELS), format=kind)
    with pytest.raises(ValueError, match="is not an image that can be read"):
        read_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_read_image_of_a_pipe_or_a_device_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero"):
        with pytest.raises(ValueError, match="is a pipe, socket or device: name a file"):
            read_image(path)


def test_read_image_of_a_huge_file_is_refused_unread(tmp_path):
    with open(tmp_path / "a.png", "wb") as file:
        file.truncate(MAX_BYTES + 1)  # a hole: it takes no space on the disk
    with pytest.raises(ValueError, match=f"at most {MAX_BYTES} bytes"):
        read_image(tmp_path / "a.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_read_image_of_a_forbidden_file_is_a_permission_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(PermissionError):
        read_image(tmp_path / "a.png")


def test_read_image_with_a_size_covers_it(tmp_path):
    path = saved(tmp_path, "a.png", Pillow.fromarray(PIXELS))
    assert read_image(path, size=4).shape == (4, 4, 3)
    assert read_image(path, size=(3, 8)).shape == (3, 8, 3)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7), (1, 1, 3)])
def test_write_image_then_read_image_is_the_image_to_half_a_level(tmp_path, bits, shape):
    image = RNG.random(shape, np.float32)
    write_image(tmp_path / "a.png", image, bits=bits)
    back = read_image(tmp_path / "a.png")
    image = image[..., None] if image.ndim == 2 else image
    assert np.abs(back - image).max() <= 0.5 / (2**bits - 1) + 1e-6


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 999))
def test_sixteen_bit_png_is_exact_and_pillow_agrees_on_the_high_bytes(
    tmp_path_factory, height, width, seed
):
    path = tmp_path_factory.mktemp("deep") / "a.png"
    levels = np.random.default_rng(seed).integers(0, 65536, (height, width, 3))
    write_image(path, levels / 65535, bits=16)
    np.testing.assert_array_equal(np.rint(read_image(path) * 65535.0), levels)
    with Pillow.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), levels >> 8)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.webp", "a.bmp", "a.ppm"])
def test_write_image_writes_what_the_ending_says(tmp_path, name):
    write_image(tmp_path / name, np.full((8, 8, 3), 0.5))
    with Pillow.open(tmp_path / name) as image:
        assert image.format.lower().startswith(name[2:4].lower())
    np.testing.assert_allclose(read_image(tmp_path / name), 0.5, atol=0.01)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif", "a.TIFF", "a.bmp", "a.ppm"])
def test_write_image_without_loss_keeps_every_level(tmp_path, name):
    write_image(tmp_path / name, PIXELS)
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / name) * 255), PIXELS)


def test_write_image_keeps_the_colours_below_clear_pixels_of_webp(tmp_path):
    image = np.dstack([PIXELS, np.zeros((6, 9), np.uint8)])
    write_image(tmp_path / "a.webp", image, alpha=True)
    with Pillow.open(tmp_path / "a.webp") as found:
        np.testing.assert_array_equal(np.asarray(found), image)


def test_write_image_of_jpeg_has_quality_95_and_all_colours(tmp_path):
    write_image(tmp_path / "a.jpg", PIXELS.repeat(8, 0).repeat(8, 1))
    with Pillow.open(tmp_path / "a.jpg") as found:
        # Every component has its own sample at every pixel: 4:4:4.
        assert [layer[1:3] for layer in found.layer] == [(1, 1)] * 3
        # libjpeg scales its first table, 16 11 10 16..., by 200 - 2 * 95 = 10 percent.
        assert found.quantization[0][:4] == [2, 1, 1, 2]


def test_write_image_refuses_a_side_that_the_format_cannot_have(tmp_path):
    with pytest.raises(ValueError, match=r"a\.webp: a side has at most 16383 pixels.*\.png"):
        write_image(tmp_path / "a.webp", np.zeros((1, 16384, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_formats_are_described_of_pictures_that_are_no_png():
    names = ("a.png", "a.JPG", "b.webp", "c.tif", "loss.csv", "plain")
    assert describe_formats(names) == {
        "a.JPG": "JPEG, quality 95, 4:4:4",
        "b.webp": "WebP, lossless",
        "c.tif": "TIFF, lossless",
    }


def test_write_image_of_bytes_writes_these_bytes(tmp_path):
    write_image(tmp_path / "a.png", PIXELS)
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "a.png") * 255), PIXELS)


def test_write_image_gives_the_same_file_for_the_same_image(tmp_path):
    for ending in ("png", "jpg", "webp", "tif"):
        for name in ("a", "b"):
            write_image(tmp_path / f"{name}.{ending}", PIXELS)
        one, two = (tmp_path / f"{name}.{ending}" for name in ("a", "b"))
        assert one.read_bytes() == two.read_bytes()


def test_write_image_clips_to_the_unit_range(tmp_path):
    write_image(tmp_path / "a.png", np.array([[[-1.0, 0.5, 2.0]]]))
    np.testing.assert_allclose(read_image(tmp_path / "a.png")[0, 0], [0, 128 / 255, 1])


@pytest.mark.parametrize(
    ("name", "image", "bits", "words"),
    [
        ("a.txt", np.zeros((2, 2, 3)), 8, "must end in .png"),
        ("a.png", np.zeros((2, 2, 4)), 8, r"\[H, W, 3\]"),
        ("a.png", np.zeros((2, 2, 2, 3)), 8, r"\[H, W, 3\]"),
        ("a.png", np.zeros((0, 2, 3)), 8, r"\[H, W, 3\]"),
        ("a.png", np.zeros((2, 2, 3), np.int32), 8, r"float in \[0, 1\] or uint8, not int32"),
        ("a.png", np.full((2, 2, 3), np.nan), 8, "12 of 12 values are not finite"),
        ("a.png", np.full((2, 2, 3), np.inf), 16, "not finite"),
        ("a.jpg", np.zeros((2, 2, 3)), 16, "16 for PNG"),
        ("a.png", np.zeros((2, 2, 3)), 12, "bits is 8"),
    ],
)
def test_write_image_refuses_in_words_and_writes_nothing(tmp_path, name, image, bits, words):
    with pytest.raises(ValueError, match=words):
        write_image(tmp_path / name, image, bits=bits)
    assert not list(tmp_path.iterdir())


def test_write_image_into_a_missing_folder_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none/a\.png"):
        write_image(tmp_path / "none" / "a.png", np.zeros((2, 2, 3)))


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_photo_is_a_photograph_without_the_network(name, monkeypatch):
    def no_network(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", no_network)
    photo = read_sample_photo(name)
    assert min(photo.shape[:2]) >= 300 and photo.std() > 0.1
    assert read_sample_photo(name, size=32).shape == (32, 32, 3)


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_photo_is_scikit_images_to_the_eye(name):
    data = pytest.importorskip("skimage.data")
    wanted = getattr(data, name)() / 255
    photo = read_sample_photo(name)
    assert photo.shape == wanted.shape
    assert np.sqrt(np.mean((photo - wanted) ** 2)) < 0.013


def test_sample_photos_are_small_and_their_licences_are_stated():
    folder = resources.files("jaxvis.output").joinpath("photographs")
    files = {file.name: file for file in folder.iterdir()}
    licences = files.pop("LICENSES.md").read_text(encoding="utf-8")
    assert set(files) == {f"{name}.jpg" for name in SAMPLES}
    assert sum(len(file.read_bytes()) for file in files.values()) < 400_000
    assert all(f"`{name}`" in licences for name in files)


def test_sample_photo_of_an_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="astronaut, chelsea, coffee, rocket"):
        read_sample_photo("lena")
