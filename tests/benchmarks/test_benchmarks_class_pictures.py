"""Judged class pictures: shares with their errors, and pictures that are not drawn twice."""

import numpy as np
import pytest

from benchmarks.quality import class_pictures
from benchmarks.quality.judging import format_shares, measure_share, rank_classes
from jaxvis.weights.load import load_network


def make_options(folder, **changes):
    """Returns what a small command says."""
    given = {"sources": "demo", "presets": "plain", "judges": "demo", "classes": "0:2"}
    return class_pictures.Options(**{**given, "steps": 2, "size": 32, "store": folder, **changes})


def test_pictures_of_one_class_do_not_count_as_independent():
    found = np.array([True, False, False, True, False, False])
    share = measure_share(found, np.array([0, 1, 2, 0, 1, 2]))
    # The means of the classes are 1, 0, 0: their spread is 0.577, of three classes 0.333.
    assert share.mean == pytest.approx(100 / 3)
    assert share.error == pytest.approx(100 / 3)


def test_a_cell_has_first_and_first_five():
    assert format_shares(np.array([0, 4, 9]), np.arange(3)) == "33 ± 33 / 67 ± 33"


def test_ranks_count_the_classes_before_the_wanted_one():
    opened = load_network("demo")
    net, params = opened.net, opened.params
    images = np.random.default_rng(0).integers(0, 256, (3, *net.input_size, 3), dtype=np.uint8)
    scores = np.stack([net.code(params, x.astype(np.float32) / 255, net.scores) for x in images])
    order = np.argsort(-scores, axis=1)
    for place in (0, 2):
        assert list(rank_classes(opened, images, order[:, place])) == [place] * 3


def test_what_is_kept_is_not_drawn_again(tmp_path, monkeypatch):
    drawn = class_pictures.draw(make_options(tmp_path), "demo", "plain", 0)
    assert drawn.images.shape == (2, 32, 32, 3) and drawn.images.dtype == np.uint8
    assert drawn.steps == 2 and list(drawn.classes) == [0, 1]
    monkeypatch.setitem(class_pictures.PRESETS, "plain", None)
    again = class_pictures.draw(make_options(tmp_path), "demo", "plain", 0)
    assert np.array_equal(again.images, drawn.images)
    with pytest.raises(TypeError):  # other classes are drawn
        class_pictures.draw(make_options(tmp_path, classes="1:3"), "demo", "plain", 0)


def test_the_command_prints_a_row_for_each_preset(tmp_path, capsys):
    assert class_pictures.main(make_options(tmp_path, presets="plain,robust", seeds=2)) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| demo")]
    assert [row.split("|")[2:4] for row in rows[-2:]] == [
        [" `plain` ", " 4 "],
        [" `robust` ", " 4 "],
    ]
    assert (tmp_path / "demo_robust.png").exists()


def test_unknown_presets_are_refused_before_anything_is_drawn(tmp_path, capsys):
    assert class_pictures.main(make_options(tmp_path, presets="plain,x")) == 2
    assert "no preset is called 'x'; there are robust," in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
