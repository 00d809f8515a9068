"""The table: every picture of the documentation is in it, and says what it needs."""

from pathlib import Path

import pytest

from jaxvis.gallery.entry import Command
from jaxvis.gallery.photographs import FILES
from jaxvis.gallery.sums import find_wrong
from jaxvis.gallery.table import TABLE, find_entry
from jaxvis.output.io import SAMPLES

ROOT = Path(__file__).resolve().parents[2]


def test_the_pictures_of_the_documentation_are_as_the_table_has_them():
    wrong = [*find_wrong(ROOT / "docs", TABLE, ROOT)]
    assert not wrong, "make them again: jaxvis gallery NAME\n  " + "\n  ".join(wrong)


def test_every_picture_is_shown_on_a_page():
    text = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    files = [file.rpartition("/")[2] for entry in TABLE.values() for file in entry.pages]
    unseen = [file for file in files if f"({file})" not in text]
    assert not unseen, f"no page shows {', '.join(unseen)}"


@pytest.mark.parametrize("name", TABLE)
def test_an_entry_says_what_it_needs(name):
    entry = TABLE[name]
    words = [word for command in entry.commands for word in command.words()]
    parts = {part for word in words for part in word.split(",")}
    assert {one for one in FILES if one in parts} == {*entry.photographs}
    assert ("shapes" in words) == entry.drawings
    nets = {
        split[2]
        for split in (command.words() for command in entry.commands)
        if "random:0" not in split and split[2] in ("vgg19", "googlenet", "squeezenet1_1")
    }
    judged = {"vgg19"} if name in ("ranvgg", "fast_style") else set()
    assert nets | judged == {*entry.weights} or entry.data
    shown = {cell.path for page in entry.pages.values() for row in page.rows for cell in row}
    assert not shown & {*FILES}, "photographs of others are not shown, only what is made of them"
    assert not shown & {*SAMPLES} - {"chelsea"}


def test_pictures_belong_to_one_entry_and_are_found_by_any_name():
    files = [file for entry in TABLE.values() for file in entry.pages]
    assert len(files) == len({*files})
    names = ("ranvgg", "ranvgg_losses.png", "docs/ranvgg.jpg")
    assert {find_entry(name) for name in names} == {"ranvgg"}
    with pytest.raises(ValueError, match="jaxvis gallery --list names them"):
        find_entry("mona_lisa")


def test_quick_flags_replace_those_of_the_line():
    command = Command("jaxvis demo --steps 9 \\\n  --out 'a b'", "--steps 1 --seeds 2")
    assert command.words() == ["jaxvis", "demo", "--steps", "9", "--out", "a b"]
    assert command.words(small=True)[2:] == ["--steps", "1", "--out", "a b", "--seeds", "2"]
    with pytest.raises(ValueError, match="needs one value"):
        Command("jaxvis demo", "--overwrite").words(small=True)
