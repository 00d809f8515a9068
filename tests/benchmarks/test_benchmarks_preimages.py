"""Tables and figures of natural pre-images: quoted figures, layers, rows."""

import numpy as np
import pytest

from benchmarks.harness.rows import check
from benchmarks.papers import natural_preimages_figures as figures
from benchmarks.papers import natural_preimages_table4 as table4
from benchmarks.papers import natural_preimages_table5 as table5
from benchmarks.papers import preimages
from benchmarks.papers.preimages import errors_row, intersection, markdown, network
from jaxvis.nets import build


def test_every_quoted_row_has_alexnets_twenty_layers():
    for quoted in (table5.PAPER, table5.SPREAD):
        assert set(quoted) == {1, 20, 100, 300}
        assert {len(values) for values in quoted.values()} == {len(table5.ALEXNET)}
    assert table5.ALEXNET == build("caffe_alexnet").taps[1:-1]
    assert table5.PAPER[300][table5.ALEXNET.index("fc8")] == 9.0
    assert set(table4.PAPER) == {"hog", "hogb", "dsift"}


@pytest.mark.parametrize("name", table5.LIKE)
def test_compared_layers_are_the_networks_own(name):
    build(name).named(tuple(table5.LIKE[name]))
    assert set(table5.LIKE[name].values()) <= set(table5.ALEXNET)


def test_settings_name_layers_that_there_are():
    for setting in (figures.FULL, figures.QUICK, figures.SMOKE):
        assert set(setting.chosen) <= set(figures.FIGURES)
        for name, taps in [*setting.layers.items(), setting.middle]:
            build(name).named(taps)
    assert set(figures.FULL.chosen) == set(figures.FIGURES)


def test_weights_that_are_not_there_are_never_drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="jaxvis weights get squeezenet1_1"):
        network("squeezenet1_1", 64)
    assert network("squeezenet1_1", 64, drawn=True)[2] == "random weights"
    full = (figures.FULL, figures.QUICK, table5.FULL, table5.QUICK)
    assert not any(setting.drawn for setting in full)


def test_photographs_that_another_one_stands_for_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(preimages, "DATA", tmp_path)
    assert preimages.photograph("fox", 16).shape == (16, 16, 3)
    assert "stands for fox, flamingo, monkey" in preimages.whose()
    for path in preimages.PHOTOGRAPHS.values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert preimages.whose() == "photographs of ImageNet-A"


def test_a_row_of_errors_is_in_percent_beside_the_papers():
    errors = np.array([[0.1], [0.2]])
    row = errors_row(
        "natural_preimages_table4",
        "hogb",
        errors,
        paper=(11.5, 4.8),
        source="Table 4",
        sizes={"pixels": 8},
        directions=0.9,
    )
    assert check([row]) and (row["mean"], row["std"]) == (15.0, 5.0)
    assert row["reached"] is False and row["paper"] == [11.5, 4.8]
    assert row["peer_name"] == "Table 4: 11.5 +- 4.8 %" and row["agree"] is None
    near = errors_row(
        "natural_preimages_table4",
        "x",
        errors / 2,
        paper=None,
        source="Table 4",
        sizes={},
    )
    assert near["reached"] is None and near["mean"] == 7.5


def test_gradient_directions_of_an_image_are_its_own():
    draw = np.random.default_rng(0)
    image = draw.random((32, 32, 3)).astype(np.float32)
    stripes = np.repeat(draw.random((1, 32, 1)), 32, 0).repeat(3, 2).astype(np.float32)
    assert intersection(image, image) == pytest.approx(1, abs=1e-5)
    assert intersection(image, stripes) < 0.6


def test_tables_are_markdown():
    text = markdown("Title", ("a", "b"), [("1", "2")])
    assert text.splitlines() == ["Title", "", "| a | b |", "| --- | --- |", "| 1 | 2 |"]
