"""How results show themselves: strips of other channels than colours."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from jaxvis.display import FAILED, encode_grid, join_planes
from jaxvis.output.arrays import lay_out
from jaxvis.output.io import write_image
from jaxvis.types import Run

IMAGE = np.random.default_rng(0).random((2, 4, 3, 5), np.float32)  # two of 4 x 3, 5 channels


def test_colours_and_grey_stay_as_they_are():
    for channels in (1, 3):
        assert join_planes(IMAGE[..., :channels]).shape == (2, 4, 3, channels)
        np.testing.assert_array_equal(join_planes(IMAGE[..., :channels]), IMAGE[..., :channels])


@pytest.mark.parametrize("channels", [2, 5])
def test_other_channels_stand_side_by_side(channels):
    strip = join_planes(IMAGE[..., :channels])
    assert strip.shape == (2, 4, 3 * channels + 2 * (channels - 1), 1)
    for plane in range(channels):
        at = plane * 5
        np.testing.assert_array_equal(strip[..., at : at + 3, 0], IMAGE[..., plane])
        assert (strip[..., at + 3 : at + 5, :] == 1).all()
    levels = join_planes(np.zeros((4, 3, 2), np.uint8))
    assert levels.dtype == np.uint8 and levels[0, 3:5].tolist() == [[255], [255]]


def test_runs_are_shown_as_strips_and_files_ask_for_them(tmp_path):
    run = Run((), IMAGE, {}, np.zeros(2), {})
    pictures, _, _ = lay_out(run, None)
    assert [picture.shape for picture in pictures] == [(4, 23, 1)] * 2
    page = np.asarray(Pillow.open(io.BytesIO(encode_grid(IMAGE))))
    assert page.shape == (4 + 8, 2 * (23 + 4) + 4, 3)
    np.testing.assert_array_equal(page[4:8, 4:7, 1], np.round(IMAGE[0, ..., 0] * 255))
    broken = encode_grid(np.full((1, 4, 3, 5), np.nan))
    assert np.asarray(Pillow.open(io.BytesIO(broken)))[5, 5].tolist() == FAILED.tolist()
    with pytest.raises(ValueError, match="of other channels jaxvis.display.join_planes"):
        write_image(tmp_path / "a.png", IMAGE[0])
    write_image(tmp_path / "a.png", join_planes(IMAGE[0]))
    with Pillow.open(tmp_path / "a.png") as file:
        assert file.mode == "L" and file.size == (23, 4)
