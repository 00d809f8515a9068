"""What damaged and hostile pictures cost, and what is said of them."""

import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from jaxvis.output import io as io_room
from jaxvis.output.decode import MAX_SLOW
from jaxvis.output.io import read_image


def png(side, depth, colour, rows):
    """Returns a square PNG of rows of one's own."""
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def run_length_bmp(width, height, runs):
    """Returns a grey BMP of run-length encoded pixels, the last row first."""
    palette = b"".join(bytes([i, i, i, 0]) for i in range(256))
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + palette + runs


def floats(array):
    """Returns a TIFF file of float numbers, little-endian."""
    height, width, *rest = array.shape
    samples, data = rest[0] if rest else 1, array.tobytes()
    bits = array.dtype.itemsize * 8
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 2 if rest else 1)]
    tags += [(273, 8), (277, samples), (278, height), (279, len(data)), (339, 3)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    start = b"II*\0" + struct.pack("<I", 8 + len(data)) + data
    return start + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    "array", [np.zeros((3, 4)), np.zeros((3, 4, 3), "f4"), np.zeros((3, 4), "f2")], ids=range(3)
)
def test_read_image_does_not_recommend_tiff_for_a_tiff(tmp_path, array):
    (tmp_path / "a.tif").write_bytes(floats(array))
    with pytest.raises(ValueError, match=r"a\.tif is a damaged TIFF, or one of numbers"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(("depth", "colour", "channels"), [(8, 2, 3), (8, 6, 4), (16, 6, 4)])
def test_read_image_takes_little_more_memory_than_the_image(tmp_path, depth, colour, channels):
    side = 2000
    rows = bytes(side * (1 + side * channels * depth // 8))
    (tmp_path / "a.png").write_bytes(png(side, depth, colour, rows))
    tracemalloc.start()
    try:
        image = read_image(tmp_path / "a.png")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Beside the image: the levels as the file has them, twice, and a strip.
    levels = side * side * channels * depth // 8
    assert peak < image.nbytes + 2.5 * levels + 20e6


def test_read_image_does_not_count_frames(tmp_path):
    # A million frames would take seconds to count, and the pages of a TIFF minutes.
    whole = io.BytesIO()
    Pillow.new("P", (1, 1)).save(whole, "GIF")
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    (tmp_path / "a.gif").write_bytes(whole.getvalue()[:-1] + frame * 1_000_000 + b";")
    begin = time.monotonic()
    with pytest.raises(ValueError, match="holds several frames or pages"):
        read_image(tmp_path / "a.gif")
    assert time.monotonic() - begin < 2


def test_read_image_of_a_very_long_gif_is_refused(tmp_path):
    out = io.BytesIO()
    Pillow.new("P", (2, 2)).save(out, "GIF")
    (tmp_path / "a.gif").write_bytes(out.getvalue() + bytes(MAX_SLOW))
    with pytest.raises(ValueError, match="has .* bytes, too many for its format"):
        read_image(tmp_path / "a.gif")


@pytest.mark.parametrize("size, good", [((4, 2), True), ((5_000_000, 10), False)])
def test_read_image_of_a_run_length_encoded_bmp(tmp_path, size, good):
    # Pillow fills the rest of a row pixel by pixel, and would take a minute.
    (tmp_path / "a.bmp").write_bytes(run_length_bmp(*size, b"\4\x33\0\0\1\xff\0\1"))
    if not good:
        with pytest.raises(ValueError, match="is a large BMP that is run-length encoded"):
            read_image(tmp_path / "a.bmp")
        return
    with pytest.raises(ValueError, match="damaged or truncated"):
        read_image(tmp_path / "a.bmp")
    (tmp_path / "a.bmp").write_bytes(run_length_bmp(*size, b"\4\x33\0\0\1\xff\0\0\0\1"))
    wanted = np.array([[255, 0, 0, 0], [51] * 4], np.float32) / 255
    np.testing.assert_array_equal(read_image(tmp_path / "a.bmp")[..., 0], wanted)


@pytest.mark.parametrize("size", [(1, 1_000_000), (1_000_000, 1), (1000, 1000)])
def test_read_image_converts_few_strips_whatever_the_shape(tmp_path, monkeypatch, size):
    calls, blend = [], io_room.blend_over
    monkeypatch.setattr(io_room, "blend_over", lambda *a: calls.append(1) or blend(*a))
    (tmp_path / "a.pgm").write_bytes(b"P5 %d %d 255\n" % size + bytes(10**6))
    assert read_image(tmp_path / "a.pgm").shape == (*size[::-1], 3)
    assert len(calls) <= 5
