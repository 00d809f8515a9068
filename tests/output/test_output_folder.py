"""Folders of images: sorted, bad files skipped with the reason, all bad refused."""

import os

import numpy as np
import pytest

from jaxvis.output.folder import list_images, read_folder
from jaxvis.output.io import write_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Returns a folder: three good images, four that cannot be read, files that are none."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "folder.png").mkdir()
    for i, name in enumerate(("b.PNG", "a.jpg", "sub/deep/c.webp", ".hidden/d.png", ".e.png")):
        write_image(folder / name, np.full((4, 5 + i, 3), 0.25))
    whole = (folder / "a.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no image")
    (folder / "lost.png").symlink_to(folder / "nowhere.png")
    for name in ("notes.txt", "LICENSE", ".hidden/more.txt"):
        (folder / name).write_text("not an image")
    return folder


def test_list_images_is_sorted_and_leaves_out_what_is_hidden_or_no_image(folder):
    names = [path.relative_to(folder).as_posix() for path in list_images(folder)]
    assert names == sorted(names)
    assert set(names) == {
        *("a.jpg", "b.PNG", "sub/deep/c.webp"),
        *("cut.jpg", "empty.png", "text.png", "lost.png"),
    }


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_read_folder_yields_in_order_and_lists_what_it_skipped(folder, ahead):
    skipped = {}
    found = list(read_folder(folder, skipped=skipped, ahead=ahead))
    assert [image.name for image in found] == ["a.jpg", "b.PNG", "sub/deep/c.webp"]
    assert [image.value.shape for image in found] == [(4, 6, 3), (4, 5, 3), (4, 7, 3)]
    assert all(image.path == folder / image.name for image in found)
    assert set(skipped) == {"cut.jpg", "empty.png", "text.png", "lost.png", "notes.txt", "LICENSE"}
    assert skipped["notes.txt"] == "is no image by its ending, .txt"
    assert list(skipped)[-2:] == ["LICENSE", "notes.txt"] and "no ending" in skipped["LICENSE"]
    assert "damaged or truncated" in skipped["cut.jpg"] and "is empty" in skipped["empty.png"]


def test_read_folder_skips_what_its_reader_refuses(folder):
    def read(path):
        if path.name != "b.PNG":
            raise ValueError("too small")
        return path.name

    skipped = {}
    assert [image.value for image in read_folder(folder, skipped=skipped, read=read)] == ["b.PNG"]
    assert len(skipped) == 8 and list(skipped.values())[:6] == ["too small"] * 6


def test_of_files_that_were_named_none_has_to_be_usable(folder):
    skipped = {}
    assert not list(read_folder(folder, skipped=skipped, only={"text.png"}))
    assert not list(read_folder(folder, skipped={}, only=()))
    assert set(skipped) == {"text.png", "notes.txt", "LICENSE"}


def test_read_folder_passes_other_errors_on(folder):
    def read(path):
        raise KeyError(path)

    with pytest.raises(KeyError):
        list(read_folder(folder, skipped={}, read=read))


def test_read_folder_stops_reading_when_nobody_asks_any_more(folder):
    calls = []
    images = read_folder(folder, skipped={}, read=lambda path: calls.append(path), ahead=2)
    next(images)
    images.close()
    assert len(calls) <= 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_read_folder_skips_pipes(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((2, 2, 3)))
    os.mkfifo(tmp_path / "b.png")
    skipped = {}
    assert len(list(read_folder(tmp_path, skipped=skipped))) == 1
    assert "is a pipe" in skipped["b.png"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: None, ValueError, "holds no image .*tiff\\)$"),
        (lambda p: (p / "x.txt").write_bytes(b"x"), ValueError, "tiff\\); x.txt is none"),
        (lambda p: p.rmdir(), FileNotFoundError, "there is no folder"),
        (lambda p: (p / "x.png").write_bytes(b"x"), ValueError, "none of the 1 images .*x.png is"),
    ],
)
def test_a_folder_that_cannot_serve_is_refused(tmp_path, make, error, message):
    where = tmp_path / "photos"
    where.mkdir()
    make(where)
    with pytest.raises(error, match=message):
        list(read_folder(where, skipped={}))


@pytest.mark.parametrize("name", ["\x1b[31mred\nforged.png", "x" * 200 + ".png"])
def test_names_of_pictures_are_shown_escaped_and_cut(tmp_path, name):
    (tmp_path / name).write_bytes(b"no picture")
    skipped = {}
    with pytest.raises(ValueError, match="none of the 1 images") as caught:
        list(read_folder(tmp_path, skipped=skipped))
    assert list(skipped) == [name]  # whole, as JSON escapes it
    for text in (str(caught.value), *skipped.values()):
        assert text.isprintable() and "x" * 81 not in text
    os.truncate(tmp_path / name, 0)
    with pytest.raises(ValueError, match="is empty") as caught:
        list(read_folder(tmp_path, skipped=skipped))
    assert str(caught.value).isprintable()


def test_a_name_that_is_no_text_is_skipped_and_shown(tmp_path):
    path = os.fsencode(tmp_path) + b"/bad\xff.png"
    try:
        with open(path, "wb") as file:
            file.write(b"no picture")
    except OSError:
        pytest.skip("this file system has names of text alone")
    with pytest.raises(ValueError, match=r"bad\\udcff\.png is not an image"):
        list(read_folder(tmp_path, skipped={}))
