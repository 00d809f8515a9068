"""The input of a training: folders, arrays, splits, the order of images."""

import numpy as np
import pytest

from jaxvis.output.io import write_image
from jaxvis.train.images import draw_batch, from_array, open_folder, read_batches, split


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Returns a folder of two good images, a small, a cut off and an empty one."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "sub").mkdir()
    random = np.random.default_rng(0)
    write_image(folder / "a.png", np.full((20, 30, 3), 0.25))
    write_image(folder / "sub" / "b.jpg", random.random((40, 16, 3)))
    write_image(folder / "small.png", np.zeros((4, 40, 3)))
    whole = (folder / "sub" / "b.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def test_a_folder_is_read_and_what_is_bad_is_skipped_with_the_reason(folder):
    images = open_folder(folder, size=(16, 16))
    assert images.names == ("a.png", "sub/b.jpg") and len(images) == 2
    assert images[0].shape == (16, 16, 3) and images[0].dtype == np.uint8
    np.testing.assert_array_equal(images[0], 64)
    assert set(images.skipped) == {"small.png", "cut.jpg", "empty.png", "notes.txt"}
    assert "less than half of 16x16" in images.skipped["small.png"]
    assert "is empty" in images.skipped["empty.png"]


def test_what_is_beyond_the_memory_is_read_again_the_same(folder):
    kept, read = (open_folder(folder, size=(16, 16), memory=m) for m in (10**6, 0))
    assert all(isinstance(source, np.ndarray) for source in kept.sources)
    assert not any(isinstance(source, np.ndarray) for source in read.sources)
    for i in range(2):
        np.testing.assert_array_equal(kept[i], read[i])


def test_stretch_keeps_what_crop_cuts_off(tmp_path):
    image = np.zeros((16, 32, 3))
    image[:, :6] = 1  # left of the middle square
    write_image(tmp_path / "wide.png", image)
    crop, stretch = (
        open_folder(tmp_path, size=(16, 16), fit=fit)[0] for fit in ("crop", "stretch")
    )
    assert crop.max() == 0 and stretch[:, 0].min() == 255


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: None, ValueError, "holds no image"),
        (lambda p: p.rmdir(), FileNotFoundError, "there is no folder"),
        (lambda p: (p / "x.png").write_bytes(b"x"), ValueError, "none of the 1 images"),
    ],
)
def test_a_folder_that_cannot_serve_is_refused(tmp_path, make, error, message):
    where = tmp_path / "photos"
    where.mkdir()
    make(where)
    with pytest.raises(error, match=message):
        open_folder(where, size=(16, 16))


def test_arrays_are_checked():
    assert from_array(np.zeros((4, 8, 9), np.uint8))[0].shape == (8, 9, 3)
    with pytest.raises(ValueError, match="float32"):
        from_array(np.zeros((4, 8, 8, 3), np.float32))


def test_an_epoch_shows_every_image_once_and_epochs_differ():
    order = [draw_batch(10, step, batch=4, seed=3) for step in range(5)]
    first, second = np.split(np.concatenate(order), 2)
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(second)
    assert list(draw_batch(10, 0, batch=4, seed=4)) != list(order[0])


def test_batches_are_the_same_from_any_step_on():
    images = from_array(np.arange(7, dtype=np.uint8)[:, None, None].repeat(2, 1))
    whole = list(read_batches(images, range(9), batch=3, seed=1))
    later = list(read_batches(images, range(5, 9), batch=3, seed=1, ahead=1))
    assert whole[0].shape == (3, 2, 1, 3)
    np.testing.assert_array_equal(whole[5:], later)
    for step, pixels in enumerate(whole):
        np.testing.assert_array_equal(pixels[:, 0, 0, 0], draw_batch(7, step, batch=3, seed=1))


def test_a_split_leaves_nothing_out_and_shares_nothing():
    images = from_array(np.zeros((10, 2, 2), np.uint8))
    kept, held = split(images, 0.2, seed=5)
    assert len(held) == 2 and {*kept.names} | {*held.names} == {*images.names}
    assert not {*kept.names} & {*held.names}
    assert len(split(images, 0.0)[1]) == 0 and len(split(images, 0.01)[1]) == 1
    with pytest.raises(ValueError, match="too few"):
        split(from_array(np.zeros((1, 2, 2), np.uint8)), 0.5)
    with pytest.raises(ValueError, match="fraction"):
        split(images, 1.0)
