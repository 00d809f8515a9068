"""A sweep's folder with measures: what is in the files, and what a second call leaves alone."""

import json
import re

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.analysis.patches import QUANTILES, cut_patches
from jaxvis.nets import random_params
from jaxvis.output.io import read_image, read_sample_photo, write_image
from jaxvis.output.resample import resample
from jaxvis.site.measured import read_measures
from jaxvis.site.measures import measure
from jaxvis.site.measures.measure import measure_units, write_network
from jaxvis.site.measures.responses import collect_responses
from jaxvis.site.measures.store import name_files
from jaxvis.site.measures.strips import SIDE
from jaxvis.train.images import open_folder

TAPS = ["conv2_1", "fc8"]


def read(folder, name):
    return json.loads((folder / name).read_text())


@pytest.fixture(scope="module")
def demo():
    return jaxvis.load("demo")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        write_image(folder / f"{name}.png", read_sample_photo(name, size=(64, 64)))
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def folder(demo, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    done = measure_units(folder, *demo, taps=TAPS, photos=photos, top=3)
    assert done.made == tuple(TAPS) and done.units == 52
    return folder


def test_patches_are_those_of_jaxvis_patches(demo, photos, folder):
    images = open_folder(photos, size=(64, 64))
    found = jaxvis.patches(*demo, images, TAPS, top=3, relevance="best")["conv2_1"]
    units = read(folder, "measures/conv2_1.json")["units"]
    kinds = {"top": found.top, "quantiles": found.histogram.sample(), "relevant": found.relevant}
    for kind, patches in kinds.items():
        for unit in units:
            index = unit["index"]
            numbers = [n for n in range(patches.values.shape[1])]
            if kind == "relevant":
                numbers = [n for n in numbers if patches.values[index, n] > 0]
            shown = unit[kind]["patches"] if unit[kind] else []
            assert [one["image"] for one in shown] == [
                images.names[patches.images[index, n]] for n in numbers
            ]
            assert [one["box"] for one in shown] == patches.boxes[index, numbers].tolist()
            values = [one["value"] for one in shown]
            assert values == pytest.approx(patches.values[index, numbers], rel=1e-5)
    assert [one["share"] for one in units[0]["quantiles"]["patches"]] == list(QUANTILES)


def test_a_strip_shows_its_patches_side_by_side(demo, photos, folder):
    images = open_folder(photos, size=(64, 64))
    found = jaxvis.patches(*demo, images, "conv2_1", top=3)["conv2_1"].top
    whole = 0
    for unit in read(folder, "measures/conv2_1.json")["units"]:
        strip = read_image(folder / unit["top"]["file"])
        assert strip.shape == (SIDE, 3 * SIDE, 3)
        for place, patch in enumerate(cut_patches(images, found, unit["index"])):
            if patch.shape == (8, 8, 3):  # others are cut by the border, and lie on grey
                shown = strip[:, place * SIDE : (place + 1) * SIDE]
                wanted = resample(patch, (SIDE, SIDE))
                assert np.abs(shown - wanted).max() <= 1 / 255
                whole += 1
    assert whole > 10


def test_histograms_are_cut_to_what_they_hold(demo, photos, folder):
    found = jaxvis.patches(*demo, photos, "conv2_1", top=1)["conv2_1"]
    for unit in read(folder, "measures/conv2_1.json")["units"]:
        shown = unit["histogram"]
        assert sum(shown["counts"]) == 4 and shown["counts"][0] and shown["counts"][-1]
        assert len(shown["edges"]) == len(shown["counts"]) + 1
        largest, smallest = unit["metrics"]["largest"], found.histogram.sample(shares=[0]).values
        assert shown["edges"][-2] <= largest <= shown["edges"][-1]
        assert shown["edges"][0] <= smallest[unit["index"], 0] <= shown["edges"][1]


def test_metrics_and_likeness_are_of_the_largest_activations(demo, photos, folder):
    net, params = demo
    images = open_folder(photos, size=(64, 64))
    maps = [net.code(params, images[i] / np.float32(255), "conv2_1") for i in range(4)]
    wanted = np.array(maps).max(axis=(1, 2))
    units = read(folder, "measures/conv2_1.json")["units"]
    for name, values in (
        ("mean", wanted.mean(0)),
        ("largest", wanted.max(0)),
        ("share_active", (wanted > 0).mean(0)),
    ):
        assert [unit["metrics"][name] for unit in units] == pytest.approx(values, rel=1e-4)
    index, value = units[3]["near_by_activation"][0]
    assert value == pytest.approx(np.corrcoef(wanted[:, 3], wanted[:, index])[0, 1], abs=1e-4)


def test_responses_do_not_depend_on_how_many_are_looked_at_together(demo, photos, monkeypatch):
    images = open_folder(photos, size=(64, 64))
    whole = collect_responses(*demo, images, ("conv1_1",))["conv1_1"]
    monkeypatch.setattr("jaxvis.site.measures.responses.SAMPLE", 3)
    parts = collect_responses(*demo, images, ("conv1_1",))["conv1_1"]
    assert parts.mean == pytest.approx(whole.mean, rel=1e-5)
    assert parts.active.tolist() == whole.active.tolist()
    assert len(parts.sample) == 3 and np.allclose(parts.sample, whole.sample[[0, 2, 3]], rtol=1e-5)


def test_the_site_reads_what_was_written(demo, folder):
    found = read_measures(folder)
    assert set(found) == set(TAPS) and found["conv2_1"].photographs == 4
    unit = found["conv2_1"].units[5]
    assert set(unit.tuning) == {"angle", "hue"} and len(unit.fed_by) == 8
    assert (folder / unit.top.file).is_file() and unit.top.side == SIDE
    assert read(folder, "measures/fc8.json")["images"] == {"count": 4, "skipped": ["notes.txt"]}


def test_a_class_has_no_relevant_patches_of_images_of_other_classes(folder):
    units = read(folder, "measures/fc8.json")["units"]
    shown = [unit["relevant"]["patches"] for unit in units if unit["relevant"]]
    # Each image has one best class, and only to its score that class matters.
    assert sorted(one["image"] for row in shown for one in row) == sorted(
        {one["image"] for row in shown for one in row}
    )


def test_a_second_call_leaves_what_is_there(demo, photos, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    done = measure_units(folder, *demo, taps=TAPS, photos=photos, top=3)
    assert done.made == () and done.there == tuple(TAPS)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    # A strip that has gone is made again.
    (folder / "measures/fc8/0003_top.png").unlink()
    assert measure_units(folder, *demo, taps=TAPS, photos=photos, top=3).made == ("fc8",)
    assert (folder / "measures/fc8/0003_top.png").is_file()


def test_what_was_made_of_others_is_refused_or_replaced(demo, photos, folder, tmp_path):
    net, params = demo
    others = random_params(net, jax.random.key(0))
    for change, words in (
        (dict(params=params, top=4, photos=photos), "options"),
        (dict(params=others, top=3, photos=photos), "weights"),
        (dict(params=params, top=3, photos=None), "photographs"),
    ):
        with pytest.raises(ValueError, match=f"other {words}.*--overwrite"):
            measure_units(folder, net, taps=["fc8"], **change)
    measure_units(tmp_path, net, params, taps=["conv1_1"], photos=photos, top=1)
    measure_units(tmp_path, net, params, taps=["conv1_1"], overwrite=True)
    facts = read(tmp_path, "measures/conv1_1.json")
    unit = facts["units"][0]
    assert facts["images"] is None and unit["metrics"] == {}
    assert unit["top"] is unit["histogram"] is unit["near_by_activation"] is None
    assert unit["near_by_weight"] and unit["tuning"] and unit["feeds"]
    assert not list((tmp_path / "measures/conv1_1").iterdir())  # strips of before


def test_an_interruption_loses_no_layer_that_was_done(demo, tmp_path, monkeypatch):
    tune, calls = measure.measure_tuning, []

    def stop_at_the_second(net, params, tap):
        calls.append(tap)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return tune(net, params, tap)

    monkeypatch.setattr(measure, "measure_tuning", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        measure_units(tmp_path, *demo, taps=["conv1_1", "conv2_1"])
    assert [path.name for path in (tmp_path / "measures").glob("*.json")] == ["conv1_1.json"]
    done = measure_units(tmp_path, *demo, taps=["conv1_1", "conv2_1"])
    assert done.there == ("conv1_1",) and done.made == ("conv2_1",)


def test_facts_of_the_network_are_those_of_jaxvis_layers(demo, tmp_path):
    net, params = demo
    write_network(tmp_path, net, params, weights="embedded", labels=["a<b>"])
    facts = read(tmp_path, "network.json")
    assert facts["input"] == [64, 64, 3] and facts["classes"] == "fc8"
    assert facts["labels"] == ["a<b>"]
    layer = next(one for one in facts["layers"] if one["tap"] == "conv3_2")
    assert layer == {
        "tap": "conv3_2",
        "op": "conv",
        "shape": [16, 16, 64],
        "receptive_field": [30, 30],
        "stride": [4, 4],
        "parameters": 36928,
        "reads": ["relu3_1"],
    }
    with pytest.raises(ValueError, match="other weights.*--overwrite"):
        write_network(tmp_path, net, random_params(net, jax.random.key(0)), weights="random:0")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "taxes.txt").write_text("2026")
    with pytest.raises(ValueError, match="no folder of a sweep: it holds taxes.txt"):
        write_network(tmp_path / "else", net, params, weights="embedded")


def test_a_network_without_a_table_is_measured_too(photos, tmp_path):
    def forward(params, image):
        mixed = jax.nn.relu(jax.numpy.tensordot(image, params["mix"]["kernel"][0, 0], 1))
        return {"mix": mixed, "mean": mixed.mean((0, 1))}

    kernel = np.random.default_rng(0).normal(size=(1, 1, 3, 5)).astype(np.float32)
    net, params = jaxvis.from_function(forward, {"mix": {"kernel": kernel}}, input_size=(32, 32))
    write_network(tmp_path, net, params, weights="mine")
    layers = read(tmp_path, "network.json")["layers"]
    assert [(one["tap"], one["shape"]) for one in layers[-2:]] == [
        ("mix", [32, 32, 5]),
        ("mean", [5]),
    ]
    done = measure_units(tmp_path, net, params, photos=photos, top=1)
    assert done.made == ("mix", "mean")
    unit = read(tmp_path, "measures/mix.json")["units"][0]
    assert unit["near_by_weight"] and unit["relevant"] is None and unit["top"]
    assert unit["fed_by"] == unit["feeds"] == []


def test_no_two_layers_have_a_file_in_common():
    taps = ["conv1", "Conv1", "conv_1", "conv.1", "<b>", "!", "block," * 20, "block," * 21, "?"]
    names = name_files(taps)
    assert len(set(names.values())) == len(taps)
    assert all(re.fullmatch(r"\w+", name) for name in names.values())
    assert names["conv1"] == "conv1" and names["conv_1"] == "conv_1"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"taps": ["conv9"]}, "no tap 'conv9'"),
        ({"taps": ["input"]}, "has no units"),
        ({"taps": []}, "has no units|no units"),
        ({"top": 0}, "at least 1"),
    ],
)
def test_mistakes_are_told_before_any_work(demo, tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        measure_units(tmp_path / "new", *demo, **change)
    assert not (tmp_path / "new").exists()
