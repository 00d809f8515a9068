"""Photographs: found under other names, linked, or stood in for; and drawings."""

import pytest

from jaxvis.gallery.photographs import (
    FILES,
    find_photographs,
    lay_drawings,
    lay_photographs,
    lay_stand_ins,
)
from jaxvis.nets.demo.images import CLASSES
from jaxvis.output.io import read_image


def test_photographs_are_found_in_subfolders_and_laid_under_their_names(tmp_path):
    own, here = tmp_path / "own", tmp_path / "here"
    (own / "deep" / FILES["photos"]).mkdir(parents=True)
    here.mkdir()
    (own / "deep" / FILES["fox.jpg"]).write_bytes(b"fox")
    lay_photographs(here, find_photographs(own, ["fox.jpg", "photos"]))
    assert (here / "fox.jpg").read_bytes() == b"fox" and (here / "photos").is_dir()
    with pytest.raises(ValueError, match=r"has no .*goldfish.jpg \(goldfish.jpg in the commands"):
        find_photographs(own, ["fox.jpg", "goldfish.jpg"])
    (own / FILES["fox.jpg"]).write_bytes(b"fox")
    with pytest.raises(ValueError, match="twice"):
        find_photographs(own, ["fox.jpg"])
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        find_photographs(tmp_path / "nowhere", [])


def test_stand_ins_are_photographs_that_come_with_jaxvis(tmp_path):
    lay_stand_ins(tmp_path, ["fox.jpg", "brick.png", "photos"])
    assert read_image(tmp_path / "brick.png").shape[-1] == 3
    assert len([*(tmp_path / "photos").iterdir()]) == 4


def test_drawings_are_five_of_each_class_and_three_more(tmp_path):
    lay_drawings(tmp_path)
    assert len([*(tmp_path / "shapes").iterdir()]) == 5 * len(CLASSES)
    assert {path.name for path in tmp_path.glob("*.png")} == {"rings.png", "red.png", "bricks.png"}
    red = read_image(tmp_path / "red.png").mean((0, 1))
    assert red[0] > 2 * red[1] and red[0] > 2 * red[2]
