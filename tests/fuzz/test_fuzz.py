"""Damaged files, a few of every kind: refused in one line, soon, with little memory."""

import pytest

from tests.fuzz import watch, worker
from tests.fuzz.targets import PLANTED, TARGETS, check_text

COUNT, SEED = 40, 1


@pytest.fixture(scope="module")
def tallies():
    """Returns what became of some inputs of every reader, all in one worker."""
    for package in ("h5py", "scipy"):  # with which good files are written
        pytest.importorskip(package)
    return watch.run(list(TARGETS), seed=SEED, count=COUNT)


@pytest.mark.parametrize("reader", TARGETS)
def test_damaged_files_hurt_no_reader(tallies, reader):
    tally = tallies[reader]
    again = f"python -m tests.fuzz --reader {reader} --seed {SEED} --number"
    assert not tally.faults, f"{tally.faults}; {again} N makes the file again"
    assert tally.inputs == COUNT and tally.refused > COUNT // 4


def test_the_same_number_makes_the_same_file():
    target = TARGETS["npz"]
    first, second = ([*target.seeds()] for _ in range(2))
    for number in range(20):
        one, two = (worker.make_input(target, "npz", 0, number, s) for s in (first, second))
        assert one == two
    assert one != worker.make_input(target, "npz", 1, number, first)


def test_planted_faults_are_seen():
    # A gigabyte is touched for the first time in over two seconds on some machines.
    tallies = watch.run(list(PLANTED), seed=0, count=1, patience=10)
    assert {
        name: [fault["fault"] for fault in tally.faults] for name, tally in tallies.items()
    } == {name: [name] for name in PLANTED}
    assert tallies["memory"].peak > worker.LIMIT


@pytest.mark.parametrize(
    "text", ["file\x1b[31m", "file\rforged", "another", "file " + "x" * 700], ids=range(4)
)
def test_messages_that_a_terminal_should_not_get_are_seen(text):
    with pytest.raises(AssertionError):
        check_text(text, "file")
    check_text("file is damaged\n  in two lines", "file")
