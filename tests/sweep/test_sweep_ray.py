"""A sweep on a real Ray cluster of this machine: workers that are killed, and Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections import deque

import pytest

from jaxvis.sweep.engines import ray_actors
from jaxvis.sweep.engines.worker import Setting
from jaxvis.sweep.plan_file import write_plan
from jaxvis.sweep.store import open_store
from jaxvis.sweep.verify import verify_store
from tests.sweep.processes import list_children, make_environment, wait_until
from tests.sweep.stores import make_rows, make_store, plan_shards
from tests.sweep.sweeps import plan_demo, read_files

DRIVER = """
import sys, ray
from jaxvis.sweep.engines import find_engine
from jaxvis.sweep.plan_file import read_plan
from jaxvis.sweep.store import open_store
ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
tell = lambda shard, rows: print("wrote", shard.name, len(rows), flush=True)
find_engine("ray")(read_plan(sys.argv[1]), open_store(sys.argv[2]), workers=3, tell=tell)
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a plan of twelve shards, and what one process makes of it."""
    folder = tmp_path_factory.mktemp("ray")
    units = (("conv2_1", tuple(range(12))),)
    plan = plan_demo(units=units, shard=1, chunk=1, settings={"steps": [150]})
    write_plan(folder / "plan.json", plan)
    command = [sys.executable, "-m", "jaxvis", "sweep", "run", "plan.json", "local"]
    subprocess.run(command, cwd=folder, env=make_environment(folder), check=True)
    return folder


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(work):
    pytest.importorskip("ray", reason="needs the extra ray")
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, "plan.json", "ray"],
        cwd=work,
        env=make_environment(work, RAY_USAGE_STATS_ENABLED="0"),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        store = open_store(work / "ray")
        wait_until(lambda: len(store.list_done()) >= 2)
        makers = list_children(driver.pid, "ray::Maker")
        assert len(makers) == 3
        os.kill(makers[0], signal.SIGKILL)
        said = driver.communicate(timeout=200)[0].split("\n")
    finally:
        driver.kill()
    assert driver.returncode == 0
    wrote = sorted(line.split()[1] for line in said if line.startswith("wrote"))
    assert wrote == store.list_done() == open_store(work / "local").list_done()
    assert read_files(work / "ray") == read_files(work / "local")
    assert verify_store(store).faults == ()


@pytest.mark.slow
def test_sigterm_stops_the_workers_and_keeps_what_is_there(work):
    pytest.importorskip("ray", reason="needs the extra ray")
    words = [sys.executable, "-m", "jaxvis", "sweep", "run", "plan.json", "cut", "--engine", "ray"]
    command = subprocess.Popen(
        [*words, "--workers", "2"],
        cwd=work,
        env=make_environment(work),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        store = open_store(work / "cut")
        wait_until(lambda: store.list_done())
        makers = list_children(command.pid, "ray::Maker")
        command.send_signal(signal.SIGTERM)
        said = command.communicate(timeout=60)[0]
    finally:
        command.kill()
    assert command.returncode == 130 and "interrupted" in said, said
    assert not any(os.path.exists(f"/proc/{pid}") for pid in makers)
    done = store.list_done()
    assert 0 < len(done) < 12 and verify_store(store).faults == ()
    whole = read_files(work / "local")
    cut = read_files(work / "cut")
    assert all(cut[path] == whole[path] for path in cut if path.startswith("records/"))


class Cluster:
    """What is asked of Ray: calls end at once, in the order in which they began."""

    def __init__(self, gpus=0, nodes=(8,)):
        self.gpus, self.nodes, self.made = gpus, nodes, []
        self.exceptions = self

    class RayError(Exception):
        pass

    class RayTaskError(RayError):
        pass

    def cluster_resources(self):
        return {"CPU": float(sum(self.nodes)), **({"GPU": self.gpus} if self.gpus else {})}

    def nodes_alive(self):
        return [{"Alive": True, "Resources": {"CPU": float(one)}} for one in self.nodes]

    def remote(self, kind):
        return self

    def options(self, **given):
        self.given = given
        outer = self

        class Kind:
            @staticmethod
            def remote(plan, url, setting):
                outer.made.append(setting)
                return setting

        return Kind


@pytest.mark.parametrize(
    ("gpus", "nodes", "most", "count", "need"),
    [
        (0, (8,), 3, 3, {"num_cpus": 2}),
        (0, (8,), 99, 8, {"num_cpus": 1}),
        (0, (8, 4), 1, 1, {"num_cpus": 4}),  # one actor does not spread over nodes
        (0, (8, 0), 1, 1, {"num_cpus": 8}),
        (4, (64,), 99, 4, {"num_gpus": 1, "num_cpus": 1}),
        (4, (64,), 2, 2, {"num_gpus": 1, "num_cpus": 1}),
    ],
)
def test_an_actor_for_each_device(gpus, nodes, most, count, need):
    ray = Cluster(gpus, nodes)
    alive = ray.nodes_alive()
    ray.nodes = lambda: alive
    ray.cluster_resources = lambda: {"CPU": float(sum(nodes)), "GPU": float(gpus)}
    crew = ray_actors._start_crew(ray, plan_shards(), "url", most)
    assert len(crew) == count
    assert ray.given == {"max_restarts": -1, "max_task_retries": ray_actors.AGAIN, **need}
    assert {one.cores for one in crew} == {None if gpus else need["num_cpus"]}


class Dealer:
    """Ray, with workers whose answers are known."""

    def __init__(self, answers):
        self.exceptions, self.answers = self, answers
        self.RayTaskError, self.RayError = Cluster.RayTaskError, Cluster.RayError

    def wait(self, running, timeout):
        return running[:1], running[1:]

    def get(self, one):
        answer = self.answers.get(one)
        if isinstance(answer, Exception):
            raise answer
        return [one]


class Worker:
    """A worker that gives the name of the shard as its answer."""

    def __init__(self):
        self.make = self

    def remote(self, shard):
        return shard.name


def deal(answers):
    plan, told = plan_shards(5), []
    crew = [Worker(), Worker()]
    tell = lambda shard, rows: told.append((shard.name, rows))  # noqa: E731
    ray_actors._deal(Dealer(answers), crew, deque(plan.shards), tell)
    return plan, told


def test_every_shard_is_dealt_once():
    plan, told = deal({})
    assert sorted(told) == [(shard.name, [shard.name]) for shard in plan.shards]


def test_what_a_worker_raises_is_raised_here():
    error = Cluster.RayTaskError("a long traceback")
    error.cause = ValueError("the weights have changed")
    with pytest.raises(ValueError, match="^the weights have changed$"):
        deal({"00001_conv1_1": error})
    with pytest.raises(Cluster.RayTaskError, match="long traceback"):
        deal({"00001_conv1_1": Cluster.RayTaskError("a long traceback")})
    with pytest.raises(OSError, match="shard 00001_conv1_1 was lost 4 times .*out of memory"):
        deal({"00001_conv1_1": Cluster.RayError("out of\nmemory")})


def test_a_worker_that_comes_again_takes_what_is_there(tmp_path, monkeypatch):
    store, plan = make_store(tmp_path / "D", which={0})
    monkeypatch.setattr(ray_actors, "prepare_worker", lambda setting: None)
    maker = ray_actors.Maker(plan, str(tmp_path / "D"), Setting("/"))
    assert maker.make(plan.shards[0]) == make_rows(plan, plan.shards[0])
    monkeypatch.setattr(ray_actors, "open_studio", lambda plan, engine: engine)
    monkeypatch.setattr(ray_actors, "make_shard", lambda studio, shard: (studio, shard.name))
    monkeypatch.setattr(
        ray_actors, "write_shard", lambda studio, store, shard, made, began: [*made]
    )
    assert maker.make(plan.shards[1]) == ["ray", plan.shards[1].name]
    store.files.write(f"records/{plan.shards[0].name}.json", b"{")
    assert maker.make(plan.shards[0]) == ["ray", plan.shards[0].name]
