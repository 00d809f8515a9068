"""PBM, PGM and PPM files: right at all depths, and cheap whatever they claim."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from jaxvis.output.io import read_image
from jaxvis.output.netpbm import decode_netpbm, is_netpbm, read_header


def grey(values, top):
    return (np.asarray(values, np.float32) / np.float32(top))[..., None].repeat(3, -1)


RGB = [[[0.0, 0.5, 1.0], [1.0, 0.0, 0.25]]]
GOOD = {
    "bits as text": (b"P1\n3 2\n1 0 1\n011", grey([[0, 1, 0], [1, 0, 0]], 1)),
    "bits": (b"P4 10 2\n" + bytes([0b10101010, 0b11_000000, 0, 0b01_000000]), None),
    "grey as text": (b"P2 # a comment\n2 1\n# another\n9\n9 3\n", grey([[9, 3]], 9)),
    "grey": (b"P5 2 1 255 " + bytes([255, 51]), grey([[255, 51]], 255)),
    "grey up to 100": (b"P5 2 1 100\n" + bytes([100, 50]), grey([[100, 50]], 100)),
    "grey of 16 bits": (b"P5 2 1 65535\n\x12\x34\xff\xff", grey([[0x1234, 65535]], 65535)),
    "colour as text": (b"P3 2 1 4 0 2 4 4 0 1", np.array(RGB, np.float32)),
    "colour of 10 bits": (
        b"P6 1 1 1000\n" + np.array([0, 500, 1000], ">u2").tobytes(),
        np.array([[[0, 0.5, 1]]], np.float32),
    ),
    "numbers beyond white": (b"P3 1 1 300 300 1 999", np.array([[[1, 1 / 300, 1]]], np.float32)),
}


@pytest.mark.parametrize("name", GOOD)
def test_values_are_right(tmp_path, name):
    data, wanted = GOOD[name]
    if wanted is None:
        wanted = grey([[0, 1] * 4 + [0, 0], [1] * 9 + [0]], 1)
    (tmp_path / "a.ppm").write_bytes(data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm"), wanted)


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_files_of_pillow_are_read_as_pillow_reads_them(tmp_path, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 11, 3), np.uint8)
    picture, out = Pillow.fromarray(pixels).convert(mode), io.BytesIO()
    picture.save(out, "PPM")
    (tmp_path / "a.ppm").write_bytes(out.getvalue())
    wanted = np.asarray(picture.convert("RGB"), np.float32) / 255
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm"), wanted)


@pytest.mark.parametrize(
    "data",
    [
        b"P6",
        b"P6 1 1",
        b"P6 0 1 255\n",
        b"P6 1 1 0\n   ",
        b"P6 1 1 65536\n" + bytes(6),
        b"P6 2 2 255\n" + bytes(11),
        b"P5 2 2 300\n" + bytes(7),
        b"P4 9 2\n" + bytes(3),
        b"P1 2 2\n101",
        b"P1 2 2\n1012",
        b"P2 2 2 9\n1 2 3",
        b"P2 2 2 9\n1 2 3 x",
        b"P2 2 2 9\n1 2 3 -4",
        b"P2 2 2 9\n1 2 3 123456",
        b"P6 1" + b" " * 5000 + b"1 255\nabc",
        b"P6 #" + b"x" * 5000 + b"\n1 1 255\nabc",
        b"P6 9999999999 1 255\n",
    ],
)
def test_damaged_files_say_so(tmp_path, data):
    (tmp_path / "a.ppm").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.ppm is (damaged or truncated|not an image)"):
        read_image(tmp_path / "a.ppm")


def test_a_size_is_refused_before_anything_is_allocated(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P1 100000 100000\n1")
    with pytest.raises(ValueError, match="is too large, 100000x100000: at most 100 megapixels"):
        read_image(tmp_path / "a.ppm")


def test_only_these_six_kinds_are_theirs():
    for kind in b"P1 ", b"P6#", b"P4\n":
        assert is_netpbm(kind)
    for kind in b"P7\n", b"Pf\n", b"P0", b"P66", b"PK\3\4", b"":
        assert not is_netpbm(kind)


def test_the_header_ends_where_the_numbers_begin():
    assert read_header(b"P6 2 3 255\nabc") == (2, 3, 255, 10)
    assert read_header(b"P4#c\n8 1\n\xff") == (8, 1, 1, 8)
    values, top = decode_netpbm(b"P5 2 1 255\n\n ")  # the first byte is a line end too
    assert top == 255 and values.ravel().tolist() == [10, 32]
