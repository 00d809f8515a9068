"""Shards are made as the methods make them, and bytes do not depend on interruptions."""

import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest

import jaxvis
from jaxvis.output.encode import encode_image
from jaxvis.site.building import build_site
from jaxvis.sweep import run as running
from jaxvis.sweep.engines import find_engine
from jaxvis.sweep.kinds import KINDS as KINDS_OF_SWEEP
from jaxvis.sweep.plan import Source
from jaxvis.sweep.run import list_missing, open_studio, run_shards
from jaxvis.sweep.store import open_store
from tests.sweep.sweeps import PHOTOS, describe_demo, open_demo, plan_demo, read_files

KINDS = {
    "maximize": ([("conv2_1", (0, 3)), (None, (1,))], {"steps": [2]}),
    "invert": ([("relu2_1", ())], {"steps": [2]}),
    "caricature": ([("relu2_1", ())], {"steps": [2]}),
    "explain": ([(None, (0, 1))], {}),
    "attack": ([(None, ())], {"steps": [2]}),
    "ranvgg": ([("relu1_1", (0, 2))], {"steps": [2]}),
}


def make(plan, folder, **options):
    find_engine("local")(plan, open_store(folder), **options)
    return read_files(folder)


@pytest.mark.parametrize("method", KINDS)
def test_every_method_makes_a_row_and_a_picture_of_every_item(tmp_path, method):
    units, settings = KINDS[method]
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("chelsea.jpg", "rocket.jpg"):
        shutil.copy(PHOTOS / name, photos)
    given = photos if method != "maximize" else None
    seeds = 1 if method == "explain" else 2
    plan = plan_demo(method, units, photos=given, settings=settings, seeds=seeds)
    files = make(plan, tmp_path / "D")
    rows = list(open_store(tmp_path / "D").read_rows())
    assert len(rows) == plan.count > 3
    assert {row["status"] for row in rows} <= {"done", "converged", "stalled"}, rows[0]["why"]
    assert {row["file"] for row in rows} <= files.keys()
    assert len({row["name"] for row in rows}) == len(rows)
    if method in ("maximize", "invert", "caricature", "ranvgg"):
        assert all(len(row["curve"]) == 2 for row in rows)
    built = build_site([tmp_path / "D"], tmp_path / "site")
    assert built.done == built.total == plan.count and built.missing == ()


def test_pictures_are_those_of_the_method_itself(tmp_path):
    opened = open_demo()
    files = make(plan_demo(units=[("conv2_1", (0, 3))], seeds=2), tmp_path / "D")
    run = jaxvis.maximize(
        opened.net, opened.params, tap="conv2_1", index=[0, 3], seeds=2, steps=2, size=(32, 32)
    )
    for item, index in enumerate((0, 3)):
        for seed in range(2):
            name = f"shards/00000_conv2_1/conv2_1_{index:04d}_{seed}.png"
            assert files[name] == encode_image(run.image[item, seed], "png")
    row = next(iter(open_store(tmp_path / "D").read_rows()))
    assert row["metrics"]["loss"] == pytest.approx(float(run.trace["loss"][0, 0, -1]))


def test_the_activation_of_a_row_is_that_of_its_file(tmp_path):
    opened = open_demo()
    make(plan_demo(units=[("conv2_1", (3,)), (None, (1,))]), tmp_path / "D")
    channel, of_class = open_store(tmp_path / "D").read_rows()
    image = jaxvis.read_image(tmp_path / "D" / channel["file"])
    code = opened.net.code(opened.params, image, "conv2_1")[..., 3]
    assert channel["metrics"]["activation"] == pytest.approx(float(code.mean()), rel=1e-4)
    shown = jaxvis.read_image(tmp_path / "D" / of_class["file"])
    score = opened.net.code(opened.params, shown, opened.net.scores)
    assert of_class["metrics"]["activation"] == pytest.approx(float(score[1]), rel=1e-3)
    assert 0 <= of_class["metrics"]["probability"] <= 1


def test_parts_and_interruptions_change_no_byte(tmp_path, monkeypatch):
    plan = plan_demo(units=[("conv2_1", tuple(range(5)))], shard=1)
    whole = make(plan, tmp_path / "whole")
    make(plan, tmp_path / "parts", part=(1, 2))
    assert len(open_store(tmp_path / "parts").list_done()) == 3
    assert make(plan, tmp_path / "parts", part=(2, 2)) == whole

    calls = []

    def stop(*args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write(*args, **options)

    write = running.write_shard
    monkeypatch.setattr(running, "write_shard", stop)
    with pytest.raises(KeyboardInterrupt):
        make(plan, tmp_path / "stopped")
    assert len(open_store(tmp_path / "stopped").list_done()) == 2
    assert make(plan, tmp_path / "stopped") == whole


def test_a_signal_during_the_writing_waits_for_its_end(tmp_path, monkeypatch):
    plan, store = plan_demo(units=[("conv2_1", (0, 1))], shard=1), open_store(tmp_path / "D")
    write = running.write_shard

    def be_told(*args, **options):
        signal.raise_signal(signal.SIGINT)
        return write(*args, **options)

    monkeypatch.setattr(running, "write_shard", be_told)
    store.begin(plan)
    with pytest.raises(KeyboardInterrupt):
        run_shards(open_studio(plan), store, list_missing(plan, store))
    assert store.list_done() == ["00000_conv2_1"]


def test_a_damaged_photograph_fails_alone(tmp_path, monkeypatch):
    for name in ("chelsea.jpg", "rocket.jpg", "coffee.jpg"):
        shutil.copy(PHOTOS / name, tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    plan = plan_demo("invert", [("relu2_1", ())], photos=tmp_path)
    make(plan, tmp_path / "D")
    rows = list(open_store(tmp_path / "D").read_rows())
    assert {row["source"]: row["status"] for row in rows} == {
        "broken.jpg": "failed",
        "chelsea.jpg": "done",
        "coffee.jpg": "done",
        "rocket.jpg": "done",
    }
    (bad,) = (row for row in rows if row["status"] == "failed")
    assert "broken.jpg" in bad["why"] and bad["file"] is None


def test_a_shard_that_fits_no_memory_is_made_in_halves(tmp_path, monkeypatch):
    plan, sizes = plan_demo(units=[("conv2_1", (0, 1, 2))]), []
    make_all = KINDS_OF_SWEEP["maximize"].make

    def run_out(subject, order):
        sizes.append(len(order.shard.indices))
        if len(order.shard.indices) > 1:
            raise MemoryError
        return make_all(subject, order)

    monkeypatch.setattr(KINDS_OF_SWEEP["maximize"], "make", run_out)
    make(plan, tmp_path / "D")
    assert sizes == [3, 1, 2, 1, 1]
    rows = list(open_store(tmp_path / "D").read_rows())
    assert [(row["index"], row["status"]) for row in rows] == [(n, "done") for n in range(3)]


def test_a_picture_that_is_not_finite_is_failed_and_the_others_are_kept(tmp_path, monkeypatch):
    made = running.make_shard

    def spoil(studio, shard):
        found = made(studio, shard)
        images = np.array(found.images)
        images[1, 0, 0] = np.nan
        return replace(found, images=images)

    monkeypatch.setattr(running, "make_shard", spoil)
    make(plan_demo(units=[("conv2_1", (0, 1, 2))]), tmp_path / "D")
    rows = list(open_store(tmp_path / "D").read_rows())
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert [row["file"] is None for row in rows] == [False, True, False]


def test_changed_weights_and_photographs_are_refused(tmp_path):
    plan = plan_demo()
    changed = replace(plan, network=replace(plan.network, sha256="0" * 64))
    with pytest.raises(ValueError, match=r"the weights embedded has changed since the plan was"):
        make(changed, tmp_path / "D")
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(PHOTOS / "rocket.jpg", photos)
    plan = plan_demo("invert", [("relu2_1", ())], photos=photos)
    shutil.copy(PHOTOS / "coffee.jpg", photos / "rocket.jpg")
    with pytest.raises(ValueError, match=r"rocket.jpg has changed since the plan was made"):
        make(plan, tmp_path / "E")
    assert not (tmp_path / "E" / "shards").exists()


def test_judges_say_what_they_see(tmp_path):
    plan = plan_demo(judges=[describe_demo(), Source("lenet5", weights="random:0")])
    make(plan, tmp_path / "D")
    row = next(iter(open_store(tmp_path / "D").read_rows()))
    own, other = row["judges"]
    assert own["network"] == "demo" and own["wanted"] == 0
    assert own["rank"] == row["metrics"]["rank"]
    assert other["network"] == "lenet5" and "wanted" not in other and 0 < other["probability"] <= 1
