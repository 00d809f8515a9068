"""jaxvis gallery: commands of the table, what is missing, and pictures made for real."""

import functools
import inspect
import json

import pytest

from jaxvis.cli import COMMANDS, _setup, calling, gallery_make, main, split_command
from jaxvis.cli.gallery_make import run_line
from jaxvis.gallery.entry import Command, Entry, show
from jaxvis.gallery.sums import FILE
from jaxvis.gallery.table import TABLE
from jaxvis.output.io import read_image

CALLS = [
    (name, small, number)
    for name, entry in TABLE.items()
    for number, command in enumerate(entry.commands)
    for small in (False, True)
    if command.line.startswith("jaxvis ")
]


@pytest.mark.parametrize(("name", "small", "number"), CALLS)
def test_every_command_of_the_table_fits_the_command_line(name, small, number, monkeypatch):
    command, words = split_command(TABLE[name].commands[number].words(small=small)[1:])
    real, calls = calling.import_command(COMMANDS[command]), []

    @functools.wraps(real)
    def note(*args, **flags):
        calls.append(inspect.signature(real).bind(*args, **flags))

    monkeypatch.setattr(calling, "import_command", lambda place: note)
    monkeypatch.setattr(_setup, "prepare_process", lambda: None)
    calling.run_command(command, COMMANDS[command], words)
    assert len(calls) == 1


def test_the_list_says_commands_needs_and_states(capsys):
    assert main(["gallery", "docs/styles.jpg", "demo_classes", "--list"]) == 0
    text = capsys.readouterr().out
    assert "\n  needs the weights of vgg19, tubingen.jpg of --photos, starry_night.jpg" in text
    assert "\n  jaxvis sweep demo --seeds 3 --out classes\n" in text
    assert "demo_classes: fresh\n  makes demo_classes.jpg in about 40 s on two cores" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mona_lisa"], "has no picture 'mona_lisa'"),
        (["demo_classes", "--small"], "--small makes no pictures for docs"),
        (["demo_classes", "--check"], "pass one of"),
        (["--list", "--check"], "pass one of"),
        (["demo_classes", "caricatures", "--out", "out"], "caricatures needs fox.jpg"),
        (["caricatures", "--photos", ".", "--out", "out"], "weights get squeezenet1_1"),
        (["caricatures", "--photos", "nowhere", "--out", "out"], "weights get squeezenet1_1"),
        (["autoencoder", "--small", "--out", "out"], "needs weights/mnist_lenet5_f32.npz in the"),
    ],
)
def test_what_is_missing_is_told_in_a_line_before_any_work(
    words, said, elsewhere, monkeypatch, capsys
):
    monkeypatch.setenv("JAXVIS_TEST_DATA", str(elsewhere))
    assert main(["gallery", *words]) == 2
    stderr = capsys.readouterr().err
    assert said in stderr and stderr.count("\n") == 1
    assert not (elsewhere / "out").exists()


def test_a_missing_program_is_told_before_any_work(elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(gallery_make.shutil, "which", lambda name: None)
    assert main(["gallery", "demo_classes", "microscope", "--small", "--out", "out"]) == 2
    assert "microscope needs chromium, which is not here" in capsys.readouterr().err
    assert not (elsewhere / "out").exists()


def test_the_check_has_a_line_for_each_picture(elsewhere, capsys):
    (elsewhere / "a.png").write_bytes(b"")
    assert main(["gallery", "--check", "--out", "."]) == 2
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == len(TABLE) + 1
    assert "a.png is not in the table" in told.err and "ranvgg is missing" in told.err
    assert main(["gallery", "--check"]) == 0
    assert "natural_preimages_vgg19 is made before the table" in capsys.readouterr().out


def test_small_pictures_are_made_for_real_and_keep_no_sums(elsewhere, capsys):
    names = ["demo_classes", "cost"]
    assert main(["gallery", *names, "--small", "--out", "out"]) == 0
    made = {path.name for path in (elsewhere / "out").iterdir()}
    assert made == {file for name in names for file in TABLE[name].pages}
    assert read_image(elsewhere / "out" / "demo_classes.jpg").shape[1] == 9 * 72 + 8
    assert "$ jaxvis sweep demo --seeds 1 --out classes --steps 2\n" in capsys.readouterr().out
    assert {path.name for path in elsewhere.iterdir()} == {"out"}


def test_pictures_already_made_stay_where_a_later_command_fails(elsewhere, monkeypatch, capsys):
    write = 'import jaxvis, numpy; jaxvis.write_image("a.png", numpy.ones((9, 9)))'
    good = Entry((Command(f"python -c '{write}'"),), {"a.png": show("a.png")}, 0)
    bad = Entry((Command("jaxvis layers nothing"),), {"b.png": show("b.png")}, 0)
    monkeypatch.setitem(TABLE, "good", good)
    monkeypatch.setitem(TABLE, "bad", bad)
    assert main(["gallery", "good", "bad", "--out", "out"]) == 2
    assert "nothing" in capsys.readouterr().err
    assert {path.name for path in (elsewhere / "out").iterdir()} == {"a.png", FILE}
    assert [*json.loads((elsewhere / "out" / FILE).read_text())] == ["good"]
    assert main(["gallery", "good", "--list", "--out", "out"]) == 0
    assert capsys.readouterr().out.startswith("good: fresh\n")


def test_ctrl_c_and_other_ends_of_a_command_are_told(elsewhere, monkeypatch):
    monkeypatch.setattr(gallery_make, "run_command", lambda *words: 130)
    with pytest.raises(KeyboardInterrupt):
        run_line(["jaxvis", "demo"], "one", data=elsewhere)
    monkeypatch.setattr(gallery_make, "run_command", lambda *words: 1)
    assert run_line(["jaxvis", "demo"], "one", data=elsewhere) == 1
    with pytest.raises(ValueError, match="one: python ended with exit code 3"):
        run_line(["python", "-c", "raise SystemExit(3)"], "one", data=elsewhere)
    with pytest.raises(ValueError, match="there is no command jaxvis paint it"):
        run_line(["jaxvis", "paint", "it"], "one", data=elsewhere)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["natural_preimages_seeds", "caricatures", "facets"])
def test_more_small_pictures_are_made_for_real(name, elsewhere):
    assert main(["gallery", name, "--small", "--out", "out"]) in (0, 1)
    assert {path.name for path in (elsewhere / "out").iterdir()} == {*TABLE[name].pages}
