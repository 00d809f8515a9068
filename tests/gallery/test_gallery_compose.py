"""Pages: cells of files, photographs and records, captions, labels, and small files."""

import io
import json

import numpy as np
import pytest
from PIL import Image as Pillow

from jaxvis.gallery.compose import MOST_BYTES, compose, encode_page
from jaxvis.gallery.entry import Cell, Page, show
from jaxvis.output.io import read_image, write_image


@pytest.fixture
def made(tmp_path):
    """Returns a folder as commands leave it: pictures with a record, and a picture alone."""
    folder = tmp_path / "made"
    folder.mkdir()
    pictures = []
    for number in range(4):
        file = f"{number}.png"
        write_image(folder / file, np.full((20, 20, 3), number / 4))
        tap = "fire2/concat" if number < 2 else "pool10"
        pictures.append({"file": file, "name": f"p_{number}", "tap": tap, "error": number / 10})
    pictures.append({"file": None, "name": "bad", "tap": "nowhere", "error": 1.0})
    (folder / "record.json").write_text(json.dumps({"pictures": pictures}))
    write_image(tmp_path / "alone.png", np.random.default_rng(0).random((30, 40, 3)))
    return tmp_path


def test_a_page_of_one_cell_is_the_picture(made):
    assert np.array_equal(compose(made, show("alone.png")), read_image(made / "alone.png"))


def test_rows_are_filled_up_and_records_are_chosen_from(made):
    rows = (
        (Cell("chelsea", size=(20, 20)), Cell("made", where=(("tap", "fire2/concat"),))),
        (Cell(""), Cell("made", where=(("name", "p_3*"),))),
    )
    page = compose(made, Page(rows))
    assert page.shape == (2 * 28 + 8, 3 * 28 + 8, 3)
    assert np.allclose(page[8:28, 36:56], 0) and np.allclose(page[8:28, 64:84], 0.25, atol=0.01)
    assert np.allclose(page[36:56, 8:28], 1) and np.allclose(page[36:56, 64:84], 1)
    assert np.allclose(page[36:56, 36:56], 0.75, atol=0.01)


def test_captions_and_labels_take_room_and_ink(made):
    bare = Page(((Cell("made", where=(("tap", "pool10"),)),),))
    noted = Page(((Cell("made", "{tap} {error:.0%}", bare.rows[0][0].where),),), ("a label",))
    plain, page = compose(made, bare), compose(made, noted)
    assert page.shape[0] > plain.shape[0] and page.shape[1] > plain.shape[1]
    left = page.shape[1] - plain.shape[1]
    assert page[:, :left].min() < 0.5 and page[28:, left:].min() < 0.5


def test_a_single_row_is_broken_and_what_is_not_finite_is_magenta(made):
    page = compose(made, Page(((Cell("made"),),), columns=3))
    assert page.shape == (2 * 28 + 8, 3 * 28 + 8, 3)
    assert [1, 0, 1] in page[36:56, 36:56].reshape(-1, 3).tolist()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (Cell("made", "{C:g}"), "cannot be filled in"),
        (Cell("made", "{error:d}"), "cannot be filled in"),
        (Cell("made", where=(("tap", "fc8"),)), "has no picture where {'tap': 'fc8'}"),
    ],
)
def test_what_a_record_does_not_say_is_refused(made, cell, said):
    with pytest.raises(ValueError, match=said):
        compose(made, Page(((cell,),)))
    with pytest.raises(FileNotFoundError):
        compose(made, show("gone.png"))


def test_files_are_small_and_whole():
    noise = np.random.default_rng(0).random((500, 500, 3))
    large, fine = encode_page(noise, ".jpg"), encode_page(noise[:100, :100], ".jpg")
    assert len(large) <= MOST_BYTES and len(fine) < len(large)
    assert Pillow.open(io.BytesIO(large)).size == (500, 500)
    exact = Pillow.open(io.BytesIO(encode_page(noise[:9], ".png")))
    assert np.array_equal(np.asarray(exact), np.round(noise[:9] * 255).astype(np.uint8))
    with pytest.raises(ValueError, match=".jpg or .png"):
        encode_page(noise, ".gif")
