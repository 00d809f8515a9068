"""Sums: what makes a picture stale, and the check of a folder."""

from dataclasses import replace

import pytest

from jaxvis.gallery import sums
from jaxvis.gallery.entry import Command, Entry, show
from jaxvis.gallery.sums import FILE, State, find_state, find_wrong, keep_sum, read_sums

ENTRY = Entry((Command("jaxvis demo --seeds 1"),), {"a.jpg": show("a.png")}, 1)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"picture")
    return tmp_path


def find(folder, entry=ENTRY):
    return find_state(folder, "a", entry, folder, read_sums(folder))


def test_a_picture_is_fresh_until_its_entry_or_its_file_changes(folder):
    assert find(folder) == (State.STALE, "it was not made by the table")
    keep_sum(folder, "a", ENTRY, folder)
    assert find(folder) == (State.FRESH, "") and not [*find_wrong(folder, {"a": ENTRY}, folder)]
    other = replace(ENTRY, commands=(Command("jaxvis demo --seeds 2"),))
    assert find(folder, other) == (State.STALE, "its entry of the table has changed since")
    same = replace(ENTRY, commands=(Command("jaxvis demo --seeds 1", "--steps 1"),), minutes=2)
    assert find(folder, same)[0] == State.FRESH
    (folder / "a.jpg").write_bytes(b"another")
    assert find(folder) == (State.STALE, "a.jpg was changed by something else")
    (folder / "a.jpg").unlink()
    assert find(folder) == (State.MISSING, "a.jpg is not there")


def test_an_entry_depends_on_files_of_the_checkout(folder):
    (folder / "rows.json").write_text("1")
    entry = replace(ENTRY, files=("rows.json",))
    keep_sum(folder, "a", entry, folder)
    assert find(folder, entry)[0] == State.FRESH
    (folder / "rows.json").write_text("2")
    assert find(folder, entry)[0] == State.STALE


def test_older_pictures_are_told_apart_and_are_no_mistake(folder):
    keep_sum(folder, "a", ENTRY, folder, old=True, note="a guess")
    assert find(folder) == (State.OLD, "a guess")
    assert not [*find_wrong(folder, {"a": ENTRY}, folder)]


def test_the_check_finds_strangers_and_too_much(folder, monkeypatch):
    keep_sum(folder, "a", ENTRY, folder)
    (folder / "deep").mkdir()
    (folder / "deep" / "b.PNG").write_bytes(b"12345")
    (folder / "page.md").write_text("no picture")
    assert [*find_wrong(folder, {"a": ENTRY}, folder)] == ["deep/b.PNG is not in the table"]
    monkeypatch.setattr(sums, "MOST_BYTES", 11)
    assert "more than" in [*find_wrong(folder, {"a": ENTRY}, folder)][-1]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_a_damaged_file_is_refused(folder, text):
    (folder / FILE).write_text(text)
    with pytest.raises(ValueError, match="is damaged"):
        read_sums(folder)
