"""Texts of files and names of files, as they are shown."""

import pytest

from jaxvis.escape import describe_shape, escape, escape_path


@pytest.mark.parametrize(
    "text, shown",
    [
        ("conv1/kernel é 猫", "conv1/kernel é 猫"),
        ("\x1b[31m\n\r\t\0", r"\x1b[31m\n\r\t\x00"),
        ("\u202egnp.exe\u2028\x9b", r"\u202egnp.exe\u2028\x9b"),
        ("\udcff", r"\udcff"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 80 + "..."),
        (7, "7"),
        (2**64, "a int"),
        (["a"], "a list"),
        (None, "a NoneType"),
    ],
)
def test_texts_are_shown_as_one_short_printable_line(text, shown):
    assert escape(text) == shown
    assert escape(text).isprintable()


def test_a_path_keeps_its_folders_and_every_name_is_cut():
    path = "/" + "/".join(["folder"] * 30) + "/a\x1b[0m\n" + "x" * 100
    shown = escape_path(path)
    assert shown.startswith("/folder/folder/") and shown.count("/") == 31
    assert shown.endswith(r"/a\x1b[0m\n" + "x" * 74 + "...")
    assert escape_path("a.png") == "a.png"


def test_shapes_of_many_axes_are_counted():
    assert describe_shape((3, 4)) == "(3, 4)"
    assert describe_shape((1,) * 9) == "(9 axes)"
