"""Contact sheets: every image in its place, unharmed, with its caption below."""

import numpy as np
import pytest

from jaxvis.output.sheet import contact_sheet
from jaxvis.types import Run, Status


def plain(level: float, height: int = 20, width: int = 24) -> np.ndarray:
    return np.full((height, width, 3), level, np.float32)


def ink(sheet: np.ndarray) -> np.ndarray:
    """Returns where a sheet on white has something."""
    return sheet.min(-1) < 0.99


def test_contact_sheet_places_images_row_by_row_unchanged():
    images = [np.random.default_rng(i).random((4, 5, 3)) for i in range(6)]
    sheet = contact_sheet(images, columns=3, gap=2, background=0.25)
    assert sheet.shape == (2 + 2 * 6, 2 + 3 * 7, 3) and sheet.dtype == np.float32
    seen = np.zeros(sheet.shape[:2], bool)
    for i, image in enumerate(images):
        top, left = 2 + i // 3 * 6, 2 + i % 3 * 7
        part = sheet[top : top + 4, left : left + 5]
        np.testing.assert_allclose(part, image, atol=1e-6)
        seen[top : top + 4, left : left + 5] = True
    np.testing.assert_array_equal(sheet[~seen], 0.25)


def test_contact_sheet_has_a_row_for_each_item_of_a_run():
    run = np.zeros((3, 2, 8, 8, 3), np.float32)
    run[1, 1] = 1
    sheet = contact_sheet(run, gap=0)
    assert sheet.shape == (24, 16, 3)
    np.testing.assert_array_equal(sheet[8:16, 8:], 1)
    assert sheet.sum() == 8 * 8 * 3


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (5, (2, 3)), (9, (3, 3))])
def test_contact_sheet_is_about_square(count, shape):
    sheet = contact_sheet(np.zeros((count, 4, 4, 3)), gap=0)
    assert sheet.shape == (shape[0] * 4, shape[1] * 4, 3)


def test_contact_sheet_of_one_seed_an_item_is_about_square():
    assert contact_sheet(np.zeros((10, 1, 4, 4, 3)), gap=0).shape == (12, 16, 3)


def test_contact_sheet_of_a_run_says_below_a_picture_how_it_ended():
    images = np.ones((2, 60, 90, 3), np.float32)
    run = Run(None, images, {}, np.array([Status.DONE, Status.DEAD], np.int8), {})
    noted = contact_sheet(images, captions=["a", "b dead: no gradient"])
    np.testing.assert_array_equal(contact_sheet(run, captions=["a", "b"]), noted)


def test_contact_sheet_takes_bytes():
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    np.testing.assert_allclose(contact_sheet([image], gap=0), image / 255, atol=1e-6)


def test_contact_sheet_centres_mixed_sizes_and_grey_without_scaling():
    small = np.random.default_rng(0).random((4, 6))
    sheet = contact_sheet([plain(0.0), small], columns=2, gap=0)
    assert sheet.shape == (20, 48, 3)
    part = sheet[8:12, 24 + 9 : 24 + 15]
    np.testing.assert_allclose(part, small[..., None].repeat(3, -1), atol=1e-6)


def test_contact_sheet_shrinks_to_the_cell_and_never_enlarges():
    sheet = contact_sheet([plain(0.0, 40, 80), plain(0.0, 5, 5)], cell=20, gap=0)
    assert sheet.shape == (10, 40, 3)
    assert (sheet[:, 20:] == 0).sum() == 5 * 5 * 3


def test_contact_sheet_writes_captions_below_and_only_there():
    bare = contact_sheet([plain(1.0)] * 2, columns=2)
    sheet = contact_sheet([plain(1.0)] * 2, captions=["cat", ""], columns=2)
    assert sheet.shape[0] > bare.shape[0] and sheet.shape[1] == bare.shape[1]
    rows, columns = np.nonzero(ink(sheet))
    assert len(rows) > 10
    assert rows.min() >= 8 + 20 and columns.max() < 8 + 24


def test_contact_sheet_breaks_long_captions_and_keeps_them_in_their_cell():
    words = "a caption that is much longer than its picture is wide " * 3
    sheet = contact_sheet([plain(1.0, 20, 90)] * 2, captions=[words, ""], columns=2)
    one = contact_sheet([plain(1.0, 20, 90)] * 2, captions=["a", ""], columns=2)
    line = one.shape[0] - 20 - 16
    assert sheet.shape[0] == 20 + 16 + 3 * line
    assert np.nonzero(ink(sheet))[1].max() < 8 + 90
    letters = contact_sheet([plain(1.0, 20, 30)], captions=["m" * 99])
    assert np.nonzero(ink(letters))[1].max() < 8 + 30


def test_contact_sheet_repeats_a_caption_for_every_seed():
    run = np.ones((2, 3, 30, 30, 3), np.float32)
    once = contact_sheet(run, captions=["one", "two"])
    each = contact_sheet(run, captions=["one"] * 3 + ["two"] * 3)
    np.testing.assert_array_equal(once, each)


def test_contact_sheet_captions_are_legible_on_black():
    sheet = contact_sheet([plain(0.0)], captions=["cat"], background=0.0)
    assert sheet.max() > 0.8


def test_contact_sheet_shows_values_that_are_not_finite_in_magenta():
    image = plain(0.5)
    image[2, 3, 1], image[4, 5] = np.nan, np.inf
    sheet = contact_sheet([image], gap=0)
    for at in ((2, 3), (4, 5)):
        np.testing.assert_array_equal(sheet[at], [1, 0, 1])
    assert (sheet == 0.5).all(-1).sum() == 20 * 24 - 2


@pytest.mark.parametrize(
    ("images", "captions", "words"),
    [
        ([], None, "no image"),
        (np.zeros((0, 4, 4, 3)), None, "no image"),
        ([plain(0)] * 3, ["a"], "1 captions came for 3 images"),
        (np.zeros((2, 2, 4, 4, 3)), ["a"] * 3, "3 captions came for 4 images"),
        (np.zeros((4, 4)), None, r"\[N, S, H, W, 3\]"),
        ([np.zeros((4, 4, 3), int)], None, "float"),
        ([np.zeros((4, 4, 2))], None, r"\[H, W, 3\]"),
    ],
)
def test_contact_sheet_refuses_in_words(images, captions, words):
    with pytest.raises(ValueError, match=words):
        contact_sheet(images, captions=captions)
