"""Engines: what they refuse before any work, and the engine that is always there."""

import sys

import pytest

from jaxvis.sweep.engines import ENGINES, find_engine
from jaxvis.sweep.engines.worker import describe_setting, prepare_worker
from jaxvis.sweep.leftovers import list_leftovers, remove_leftovers
from jaxvis.sweep.store import open_store
from tests.sweep.stores import make_store, plan_shards
from tests.sweep.sweeps import plan_demo


def test_every_engine_is_there():
    assert set(ENGINES) == {"local", "ray", "slurm"}
    assert all(callable(find_engine(name)) for name in ENGINES)
    with pytest.raises(ValueError, match="--engine 'dask' is unknown: choose one of local, ray"):
        find_engine("dask")


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_an_engine_that_is_not_installed_names_the_pip_line(tmp_path, monkeypatch, engine, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf'pip install "jaxvis\[{engine}\]"'):
        find_engine(engine)(plan_shards(), open_store(tmp_path / "D"))
    assert not (tmp_path / "D").exists()


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_the_memory_of_one_process_is_refused(engine, package):
    pytest.importorskip("fsspec")
    pytest.importorskip(package, reason=f"needs the extra {engine}")
    with pytest.raises(ValueError, match="memory:// is the memory of one process"):
        find_engine(engine)(plan_shards(), open_store("memory://engines"))


@pytest.mark.parametrize(
    ("engine", "given", "message"),
    [
        ("local", {"workers": 2}, "--workers is of the engines ray and slurm"),
        ("local", {"options": {"mem": "1"}}, "--slurm is of the engine slurm"),
        ("local", {"part": (3, 2)}, "a part is I/N"),
        ("ray", {"workers": 0}, "--workers must be at least 1"),
        ("ray", {"options": {"mem": "1"}}, "--slurm is of the engine slurm"),
        ("slurm", {"workers": 0}, "--workers must be at least 1"),
        ("slurm", {"part": (1, 2)}, "leave --part out"),
    ],
)
def test_flags_of_another_engine_are_refused(tmp_path, engine, given, message):
    with pytest.raises(ValueError, match=message):
        find_engine(engine)(plan_shards(), open_store(tmp_path / "D"), **given)


def test_the_local_engine_makes_what_is_missing_and_clears_what_was_left(tmp_path):
    plan = plan_demo(shard=1)
    store = open_store(tmp_path / "D")
    find_engine("local")(plan, store, part=(2, 2))
    (left := tmp_path / f"D/shards/.{plan.shards[0].name}.1.part").mkdir()
    told = []
    find_engine("local")(plan, store, tell=lambda shard, rows: told.append(shard.name))
    assert told == [plan.shards[0].name] and not left.exists()
    assert store.list_done() == sorted(shard.name for shard in plan.shards)
    find_engine("local")(plan, store)


def test_what_was_left_of_another_part_stays(tmp_path):
    store, plan = make_store(tmp_path / "D")
    names = [shard.name for shard in plan.shards]
    for name in names:
        (tmp_path / f"D/shards/.{name}.77.part").mkdir()
        (tmp_path / f"D/records/.{name}.json.77.part").write_text("{")
    (tmp_path / "D/shards/.other").write_text("")
    remove_leftovers(tmp_path / "D", plan, part=(2, 3))
    left = [path.name for path in list_leftovers(tmp_path / "D")]
    assert len(left) == 4 and not any(names[1] in name for name in left)
    remove_leftovers(tmp_path / "D", plan)
    assert list_leftovers(tmp_path / "D") == [] and (tmp_path / "D/shards/.other").exists()
    assert list_leftovers(None) == [] and remove_leftovers(None, plan) is None


def test_a_worker_is_set_up_as_the_process_that_started_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", "")
    setting = describe_setting(cores=1)
    monkeypatch.chdir("/")
    prepare_worker(setting)
    import os

    assert os.getcwd() == str(tmp_path) and "ynn" in os.environ["XLA_FLAGS"]
