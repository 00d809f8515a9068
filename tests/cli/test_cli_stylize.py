"""The commands stylize, augment and export, with a network of the embedded one."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from style_commands import make_folder, run

from jaxvis.cli import stylize as module
from jaxvis.output.io import read_image, write_image

NET = "net/style.safetensors"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Returns a folder: photographs (one is broken) and a network of two styles."""
    return make_folder(tmp_path_factory.mktemp("style"))


@pytest.fixture(autouse=True)
def inside(work, monkeypatch):
    monkeypatch.setenv("JAXVIS_HOME", str(work / "home"))
    monkeypatch.chdir(work)


@pytest.mark.slow
def test_a_folder_is_painted_and_what_is_broken_is_counted(work, capsys):
    assert run("stylize", NET, "photos", "--style", "x:1,y:3", "--out", "painted") == 0
    assert "3 pictures, 1 file skipped (broken.png)" in capsys.readouterr().out
    assert read_image(work / "painted/deep/b.png").shape == (20, 20, 3)
    assert read_image(work / "painted/c.png").shape == (20, 24, 3)
    assert (work / "painted/contact.png").exists()
    record = json.loads((work / "painted/record.json").read_text())
    assert record["mix"] == [1, 3] and record["network"]["sha256"]
    assert record["pictures"][0] == {"file": "a.png", "size": [20, 20]}


def test_a_photograph_is_painted_into_a_folder_or_a_file(work):
    assert run("stylize", NET, "x.png", "--style", "y", "--tile", 8) == 0
    assert (work / "jaxvis-stylize/x.png").exists()
    assert run("stylize", NET, "x.png", "--style", "y", "--out", "art/new.png") == 0
    assert sorted(path.name for path in (work / "art").iterdir()) == ["new.json", "new.png"]
    assert run("stylize", NET, "photos", "--style", "y", "--out", "all.png") == 2


def test_no_picture_takes_the_name_of_another_or_of_the_sheet(work):
    for name in ("a.png", "a.jpg", "contact.jpg"):
        (work / "twins").mkdir(exist_ok=True)
        write_image(work / "twins" / name, np.full((20, 20, 3), 0.5, np.float32))
    assert run("stylize", NET, "twins", "--style", "y", "--out", "twins painted") == 0
    made = {path.name for path in (work / "twins painted").iterdir()}
    assert made == {
        *("a_png.png", "a_jpg.png", "contact_jpg.png", "contact.png"),
        *("progress.json", "record.json"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("command", ["stylize", "augment"])
def test_ctrl_c_keeps_the_pictures_that_are_there(command, work, monkeypatch, capsys):
    name = {"stylize": "paint", "augment": "restyle"}[command]
    paint, calls = getattr(module, name), []

    def interrupt_second(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return paint(*arguments, **options)

    monkeypatch.setattr(module, name, interrupt_second)
    words = ("--style", "y") if command == "stylize" else ()
    assert run(command, NET, "photos", *words, "--out", f"half {command}") == 130
    record = json.loads((work / f"half {command}/record.json").read_text())
    assert len(record["pictures"]) == 1
    assert (work / f"half {command}" / record["pictures"][0]["file"]).exists()
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["stylize", "augment"])
def test_a_folder_goes_on_and_makes_what_is_missing(command, work, monkeypatch, capsys):
    name = {"stylize": "paint", "augment": "restyle"}[command]
    paint, calls = getattr(module, name), []

    def interrupt_third(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return paint(*arguments, **options)

    words = [command, NET, "photos", *(("--style", "y") if command == "stylize" else ())]
    assert run(*words, "--out", f"whole {command}") == 0
    monkeypatch.setattr(module, name, interrupt_third)
    assert run(*words, "--out", f"stopped {command}") == 130
    assert "2 pictures" in capsys.readouterr().out
    first = sorted((work / f"stopped {command}").rglob("[abc]*.png"))[0]
    before = first.stat()
    assert run(*words, "--out", f"stopped {command}", "--resume") == 0
    assert first.stat() == before and len(calls) == 4  # one more, and the one that stopped
    one, two = (
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.png")}
        for folder in (work / f"whole {command}", work / f"stopped {command}")
    )
    assert one == two
    assert run(*words, "--out", f"stopped {command}", "--resume", "--size", 18) == 2
    assert "was begun with --size own" in capsys.readouterr().err


def test_a_photograph_that_changed_is_made_again(work):
    (work / "changing").mkdir()
    for name in ("a.png", "c.png"):
        (work / "changing" / name).write_bytes((work / "photos" / name).read_bytes())
    words = ("stylize", NET, "changing", "--style", "y", "--out", "changed")
    assert run(*words) == 0
    before = {p.name: p.read_bytes() for p in (work / "changed").glob("[ac].png")}
    (work / "changing/c.png").write_bytes((work / "x.png").read_bytes())
    assert run(*words, "--resume") == 0
    after = {p.name: p.read_bytes() for p in (work / "changed").glob("[ac].png")}
    assert after["a.png"] == before["a.png"] and after["c.png"] != before["c.png"]


@pytest.mark.parametrize("command", ["stylize", "augment"])
def test_a_photograph_that_the_network_cannot_take_is_skipped_by_name(
    command, work, capsys, monkeypatch
):
    name = {"stylize": "paint", "augment": "restyle"}[command]
    paint = getattr(module, name)

    def refuse_thin(*arguments, **options):
        if arguments[-1].shape[1] == 1:
            raise ValueError("an image of 5000x1 pixels is too small")
        return paint(*arguments, **options)

    monkeypatch.setattr(module, name, refuse_thin)
    for folder in ("thin", "thin alone"):
        (work / folder).mkdir(exist_ok=True)
        write_image(work / folder / "thin.png", np.full((5000, 1, 3), 0.5, np.float32))
    (work / "thin/a.png").write_bytes((work / "photos/a.png").read_bytes())
    words = ("--style", "y") if command == "stylize" else ()
    assert run(command, NET, "thin", *words, "--out", f"of thin {command}") == 0
    assert "1 picture, 1 file skipped (thin.png)" in capsys.readouterr().out
    record = json.loads((work / f"of thin {command}/record.json").read_text())
    assert list(record["skipped"]) == ["thin.png"] and len(record["pictures"]) == 1
    assert run(command, NET, "thin alone", *words, "--out", f"of nothing {command}") == 2
    error = capsys.readouterr().err
    assert "none of the 1 images in thin alone can be used" in error and "thin.png" in error


def test_augmentation_keeps_the_folders(work):
    words = ("augment", NET, "photos", "--copies", 2, "--size", 16)
    assert run(*words, "--out", "more") == 0
    made = sorted(str(p.relative_to(work / "more")) for p in work.glob("more/**/*.png"))
    assert made == [
        "a_0.png",
        "a_1.png",
        "c_0.png",
        "c_1.png",
        "deep/b_0.png",
        "deep/b_1.png",
    ]
    first, second = (read_image(work / f"more/a_{i}.png") for i in (0, 1))
    assert np.any(first != second)


def test_a_copy_does_not_depend_on_the_other_images(work):
    (work / "alone").mkdir()
    (work / "alone/c.png").write_bytes((work / "photos/c.png").read_bytes())
    for folder in ("alone", "photos"):
        assert run("augment", NET, folder, "--size", 16, "--out", f"copies of {folder}") == 0
    one, other = (read_image(work / f"copies of {name}/c_0.png") for name in ("alone", "photos"))
    np.testing.assert_array_equal(one, other)  # the same program, and files of 8 bits


def test_an_exported_file_is_a_program(work):
    words = ("export", NET, "--style", 1, "--size", "16x20", "--platforms", "cpu")
    assert run(*words, "--out", "x.jax") == 0
    program = export.deserialize(bytearray((work / "x.jax").read_bytes()))
    found = program.call(jnp.full((16, 20, 3), 0.5))
    assert found.shape == (16, 20, 3) and bool(jnp.all(jnp.isfinite(found)))
    assert run(*words, "--out", "x.jax") == 2
    assert run(*words, "--out", "x.jax", "--overwrite") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("stylize", "none.safetensors", "x.png"), "there is no file"),
        (("stylize", "x.png", "x.png"), "not a safetensors file"),
        (("stylize", NET, "x.png"), "choose one, or mix"),
        (("stylize", NET, "x.png", "--style", "z"), "knows x, y"),
        (("stylize", NET, "x.png", "--style", "x:a"), "no weight"),
        (("stylize", NET, "x.png", "--style", "x:nan,y"), "finite weight"),
        (("stylize", NET, "x.png", "--style", "x", "--tile", "0"), "--tile goes from 1"),
        (("stylize", NET, "gone.png", "--style", "x"), "gone.png"),
        (("stylize", NET, "empty", "--style", "x"), "no image"),
        (("stylize", NET, "bad", "--style", "x"), "none of the 1"),
        (("augment", NET, "nowhere"), "there is no folder"),
        (("augment", NET, "photos", "--strength", "2"), "LOW:HIGH"),
        (("augment", NET, "photos", "--strength", "0.5:nan"), "LOW to HIGH"),
        (("augment", NET, "photos", "--copies", "0"), "--copies goes from 1"),
        (("export", NET, "--out", "a", "--platforms", "abacus"), "not abacus"),
        (("export", NET, "--out", "a", "--platforms", ","), "not none"),
    ],
)
def test_mistakes_are_told_in_one_line(work, capsys, words, message):
    (work / "empty").mkdir(exist_ok=True)
    (work / "bad").mkdir(exist_ok=True)
    (work / "bad/a.png").write_bytes(b"nothing")
    before = {path.name for path in work.iterdir()}
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("jaxvis: error:")
    assert "Traceback" not in error and len(error.strip().splitlines()) == 1
    assert {path.name for path in work.iterdir()} == before
