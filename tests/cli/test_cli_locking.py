"""Two commands never write into one folder, and nothing of a killed one disturbs."""

import pytest
from filelock import FileLock

from jaxvis.cli.flags import OutputFlags
from jaxvis.cli.locking import NAME, hold_locks, is_leftover, lock_file, lock_folder
from jaxvis.cli.saving import new_folder, open_output


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_second_command_is_refused_and_the_first_one_leaves_nothing(tmp_path):
    with hold_locks():
        lock_folder(tmp_path)
        assert names_in(tmp_path) == [NAME]
        with hold_locks(), pytest.raises(ValueError, match="is writing into .*: wait for it") as no:
            lock_folder(tmp_path)
        assert str(tmp_path) in str(no.value)
        with pytest.raises(ValueError, match="another jaxvis command"):
            new_folder(tmp_path, "x", overwrite=True)
    assert names_in(tmp_path) == []
    with hold_locks():
        assert new_folder(tmp_path, "x") == tmp_path


def test_a_lock_that_a_killed_command_left_counts_as_nothing(tmp_path):
    for name in (NAME, ".a.png.lock", ".a.png.123.part"):
        (tmp_path / name).touch()
    with hold_locks():
        assert new_folder(tmp_path, "x") == tmp_path
    assert names_in(tmp_path) == [".a.png.lock"]


def test_files_of_one_folder_are_locked_one_by_one(tmp_path):
    with hold_locks():
        first = open_output(OutputFlags(out=tmp_path / "a.png"), "x", count=1)
        second = open_output(OutputFlags(out=tmp_path / "b.png"), "x", count=1)
        assert (first.file.name, second.file.name) == ("a.png", "b.png")
        with pytest.raises(ValueError, match="is writing into .*a.png"):
            lock_file(tmp_path / "a.png")
    assert names_in(tmp_path) == []


def test_what_was_half_written_is_removed_where_the_lock_is_held(tmp_path):
    for name in (".a.png.1.part", ".a.json.22.part", ".b.png.3.part", ".mine.part", "c.part"):
        (tmp_path / name).touch()
    with hold_locks():
        lock_file(tmp_path / "a.png")
    assert names_in(tmp_path) == [".b.png.3.part", ".mine.part", "c.part"]
    with hold_locks():
        lock_folder(tmp_path)
    assert names_in(tmp_path) == [".mine.part", "c.part"]


def test_outside_of_a_command_nothing_is_locked(tmp_path):
    with FileLock(tmp_path / NAME):
        lock_folder(tmp_path)
    assert is_leftover(tmp_path / NAME) and not is_leftover(tmp_path / "a.lock")


def test_locks_are_released_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), hold_locks():
        lock_folder(tmp_path)
        raise KeyboardInterrupt
    assert names_in(tmp_path) == []


def test_the_next_free_folder_is_made_by_one_command_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with hold_locks():
        assert [new_folder(None, "x").name for _ in range(2)] == ["jaxvis-x", "jaxvis-x-2"]
