"""Tables and figures of natural pre-images: quoted figures, layers, rows."""

import numpy as np
import pytest

from benchmarks.harness.rows import Case, check_rows
from benchmarks.papers import natural_preimages_figures as figures
from benchmarks.papers import natural_preimages_table4 as table4
from benchmarks.papers import natural_preimages_table5 as table5
from benchmarks.papers import preimages
from benchmarks.papers.alexnet_layers import ERRORS, LIKE
from benchmarks.papers.preimages import (
    direction_overlap,
    format_table,
    load_network,
    make_errors_row,
)
from jaxvis.nets import build


def test_every_quoted_row_has_alexnets_twenty_layers():
    assert tuple(ERRORS) == build("caffe_alexnet").taps[1:-1]
    assert len(ERRORS) == 20
    for errors in ERRORS.values():
        assert set(errors) == {1, 20, 100, 300}
        assert {len(quoted) for quoted in errors.values()} == {2}
    assert ERRORS["fc8"][300] == (9.0, 2.0) and ERRORS["conv1"][1] == (69.5, 10.3)
    assert set(table4.PAPER) == {"hog", "hogb", "dsift"}


@pytest.mark.parametrize("name", LIKE)
def test_compared_layers_are_the_networks_own(name):
    build(name).check_taps(tuple(LIKE[name]))
    assert set(LIKE[name].values()) <= set(ERRORS)


def test_settings_name_layers_that_there_are():
    for setting in (figures.FULL, figures.QUICK, figures.SMOKE):
        assert set(setting.figures) <= set(figures.FIGURES)
        for name, taps in [*setting.layers.items(), setting.middle]:
            build(name).check_taps(taps)
    assert set(figures.FULL.figures) == set(figures.FIGURES)


def test_weights_that_are_not_there_are_never_drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="jaxvis weights get squeezenet1_1"):
        load_network("squeezenet1_1", 64)
    assert load_network("squeezenet1_1", 64, drawn=True)[2] == "random weights"
    full = (figures.FULL, figures.QUICK, table5.FULL, table5.QUICK)
    assert not any(setting.drawn for setting in full)


def test_photographs_that_another_one_stands_for_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(preimages, "DATA", tmp_path)
    assert preimages.read_photograph("fox", 16).shape == (16, 16, 3)
    assert "stands for fox, flamingo, monkey" in preimages.describe_photographs()
    for path in preimages.PHOTOGRAPHS.values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert preimages.describe_photographs() == "photographs of ImageNet-A"


def test_a_row_of_errors_is_in_percent_beside_the_papers():
    errors = np.array([[0.1], [0.2]])
    case = Case("natural_preimages_table4", "hogb", {"pixels": 8})
    row = make_errors_row(case, errors, paper=(11.5, 4.8), source="Table 4", directions=0.9)
    assert check_rows([row]) and (row["mean"], row["std"]) == (15.0, 5.0)
    assert row["reached"] is False and row["paper"] == [11.5, 4.8]
    assert row["peer_name"] == "Table 4: 11.5 +- 4.8 %" and row["agree"] is None
    near = make_errors_row(case, errors / 2, paper=None, source="Table 4")
    assert near["reached"] is None and near["mean"] == 7.5


def test_gradient_directions_of_an_image_are_its_own():
    draw = np.random.default_rng(0)
    image = draw.random((32, 32, 3)).astype(np.float32)
    stripes = np.repeat(draw.random((1, 32, 1)), 32, 0).repeat(3, 2).astype(np.float32)
    assert direction_overlap(image, image) == pytest.approx(1, abs=1e-5)
    assert direction_overlap(image, stripes) < 0.6


def test_tables_are_markdown():
    text = format_table("Title", ("a", "b"), [("1", "2")])
    assert text.splitlines() == ["Title", "", "| a | b |", "| --- | --- |", "| 1 | 2 |"]
