"""A sweep as SLURM jobs: the text for sbatch, warnings and requeues, and real jobs here."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from jaxvis.sweep.engines import find_engine, slurm_jobs, slurm_task
from jaxvis.sweep.engines.slurm_jobs import read_minutes, split_options
from jaxvis.sweep.engines.slurm_task import Notice, Task
from jaxvis.sweep.engines.worker import Setting
from jaxvis.sweep.plan_file import write_plan
from jaxvis.sweep.store import open_store
from tests.sweep.processes import list_children, make_environment, wait_until
from tests.sweep.stores import commit, make_store, plan_shards
from tests.sweep.sweeps import plan_demo, read_files


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("90:30", 91), ("1:30:00", 90), ("2-12", 3600), ("2-12:30", 3630), ("0:1", 1)],
)
def test_times_are_read_as_sbatch_does(text, minutes):
    assert read_minutes(text) == minutes


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "-5", "1.5"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="is no time"):
        read_minutes(text)


def test_options_have_the_names_that_submitit_knows():
    own, given = split_options(
        {"wait": "no", "timeout_min": "600", "mem_gb": "32", "gpus": "2", "mail-type": "END"}
    )
    assert own == {"wait": "no", "cluster": "slurm", "folder": ""}
    assert given == {
        **{"time": 600, "mem": "32GB", "gpus_per_node": 2, "mail_type": "END"},
        **{"signal_delay_s": 120, "wckey": None},
    }
    for wrong in ({"wait": "perhaps"}, {"cluster": "moon"}, {"signal_delay_s": "x"}):
        with pytest.raises(ValueError, match="--slurm"):
            split_options(wrong)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Programs that stand for SLURM's: what is submitted is kept."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {
        "sbatch": f'cp "$1" {tmp_path}/submitted.sh; echo Submitted batch job 4242',
        "srun": "exit 1",
        "sacct": 'echo "JobID|State|NodeList"',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path / "submitted.sh"


def test_the_text_that_sbatch_gets(tmp_path, slurm, caplog):
    pytest.importorskip("submitit", reason="needs the extra slurm")
    store, plan = make_store(tmp_path / "D", plan_shards(7), which={1, 5})
    options = {"partition": "gpu", "gpus": "1", "time": "2:00:00", "mem": "32G", "wait": "no"}
    options |= {"reservation": "mine", "cpus_per_task": "4"}
    find_engine("slurm")(plan, store, workers=4, options=options)
    lines = slurm.read_text().splitlines()
    # Parts 2 of 4 (shards 1 and 5) are complete: three jobs are left.
    for wanted in (
        *("array=0-2%3", "partition=gpu", "gpus-per-node=1", "time=120", "mem=32G"),
        *("signal=USR2@120", "job-name=jaxvis", "open-mode=append", "reservation=mine"),
        *("cpus-per-task=4", "nodes=1"),
    ):
        assert f"#SBATCH --{wanted}" in lines, slurm.read_text()
    assert not any("wckey" in line for line in lines)
    command = next(line for line in lines if line.startswith("srun"))
    assert f"{tmp_path}/D/.slurm" in command and "-m submitit.core._submit" in command
    assert sys.executable in command
    assert "3 parts were submitted as job 4242" in caplog.text
    # Nothing of it is seen by whoever lists the store.
    assert store.files.list("") == ["plan.json", "records", "shards", "times"]


def test_a_task_that_is_sent_knows_its_part(tmp_path, slurm):
    pytest.importorskip("submitit", reason="needs the extra slurm")
    from submitit.core.utils import DelayedSubmission

    store, plan = make_store(tmp_path / "D", which={0})
    find_engine("slurm")(plan, store, workers=3, options={"wait": "no"})
    files = sorted((tmp_path / "D/.slurm").glob("*_submitted.pkl"))
    assert [file.name for file in files] == ["4242_0_submitted.pkl", "4242_1_submitted.pkl"]
    tasks = [DelayedSubmission.load(file).function for file in files]
    assert [task.part for task in tasks] == [(2, 3), (3, 3)]
    assert {(task.url, task.grace) for task in tasks} == {(str(tmp_path / "D"), 90)}
    assert tasks[0].plan == plan and tasks[0].checkpoint().function == tasks[0]


def test_a_complete_sweep_submits_nothing(tmp_path, slurm):
    pytest.importorskip("submitit", reason="needs the extra slurm")
    store, plan = make_store(tmp_path / "D")
    find_engine("slurm")(plan, store)
    assert not slurm.exists()


def test_without_slurm_it_says_so(tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="needs the extra slurm")
    monkeypatch.setenv("PATH", "")
    store, plan = make_store(tmp_path / "D", which=set())
    with pytest.raises(ValueError, match="no srun here"):
        find_engine("slurm")(plan, store)


class Job:
    """A job as submitit gives it, which writes a shard whenever it is asked."""

    def __init__(self, store, plan, which):
        self.store, self.plan, self.which, self.job_id = store, plan, list(which), "1"
        self.paths = self
        self.result_pickle = self.stderr = store.folder / "none"

    def done(self):
        for number in self.which[:1]:
            commit(self.store, self.plan, self.plan.shards[self.which.pop(0)])
            assert number not in self.which
        return not self.which


def test_it_tells_of_shards_as_jobs_write_them(tmp_path):
    store, plan = make_store(tmp_path / "D", plan_shards(5), which={0})
    told = []
    slurm_jobs._follow(
        plan,
        store,
        [Job(store, plan, [2, 1]), Job(store, plan, [4, 3])],
        lambda shard, rows: told.append((shard.name, len(rows))),
        pause=0.01,
    )
    assert [name for name, _ in told] == [plan.shards[k].name for k in (2, 1, 4, 3)]
    assert {count for _, count in told} == {4}


def test_jobs_that_end_with_shards_missing_are_an_error(tmp_path):
    store, plan = make_store(tmp_path / "D", plan_shards(5), which={0})
    with pytest.raises(OSError, match="all jobs have ended, and 2 shards are missing: look into"):
        slurm_jobs._follow(plan, store, [Job(store, plan, [2, 1])], None, pause=0.01)


@pytest.fixture
def task(tmp_path, monkeypatch):
    """A task whose shards are written without being made; `task.during` is called in each."""
    store, plan = make_store(tmp_path / "D", plan_shards(4), which=set())
    calls = []

    def run(studio, store, shards):
        for call in calls[:1]:
            calls.pop(0)
            call()
        commit(store, plan, shards[0])

    monkeypatch.setattr(slurm_task, "prepare_worker", lambda setting: None)
    monkeypatch.setattr(slurm_task, "open_studio", lambda plan, engine: engine)
    monkeypatch.setattr(slurm_task, "run_shards", run)
    monkeypatch.setattr(slurm_task, "LATER", 0.1)
    return Task(plan, str(tmp_path / "D"), (1, 1), Setting("/"), grace=30), calls, store


@pytest.fixture
def submitit_handlers():
    """Handlers as submitit sets them: SIGUSR2 asks for a requeue and ends the process."""
    asked = []

    def requeue(number, frame):
        asked.append(number)
        raise SystemExit(144)

    before = {
        signal.SIGUSR2: signal.signal(signal.SIGUSR2, requeue),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, frame: None),
    }
    yield asked
    for number, handler in before.items():
        signal.signal(number, handler)


def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


def test_a_warned_task_finishes_its_shard_and_is_requeued(task, submitit_handlers):
    call, calls, store = task
    calls += [lambda: None, lambda: send(signal.SIGTERM, signal.SIGUSR2)]
    with pytest.raises(SystemExit, match="144"):
        call()
    assert submitit_handlers == [signal.SIGUSR2] and len(store.list_done()) == 2
    assert call() == 0 and len(store.list_done()) == 4  # it goes on with what is missing


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_task_that_is_asked_to_stop_finishes_its_shard(task, submitit_handlers, number):
    call, calls, store = task
    calls += [lambda: send(number)]
    assert call() == 3 and len(store.list_done()) == 1 and submitit_handlers == []
    assert not list(store.folder.glob(".jaxvis-sweep*"))


def test_a_shard_that_takes_too_long_is_left(task, submitit_handlers, monkeypatch):
    call, calls, store = task

    def stay():
        send(signal.SIGUSR2)
        time.sleep(10)

    def leave(code):
        raise InterruptedError(code)

    monkeypatch.setattr(slurm_task.os, "_exit", leave)
    calls += [stay]
    began = time.monotonic()
    with pytest.raises(InterruptedError, match="144"):
        Task(call.plan, call.url, call.part, call.setting, grace=1)()
    assert time.monotonic() - began < 5 and store.list_done() == []


def test_handlers_are_put_back(submitit_handlers):
    before = [signal.getsignal(number) for number in (10, 12, 14, 15)]
    with Notice(1):
        assert signal.getsignal(signal.SIGUSR1) != before[0]
    assert [signal.getsignal(number) for number in (10, 12, 14, 15)] == before


@pytest.mark.slow
def test_jobs_of_this_machine_make_the_same_and_survive_a_requeue(tmp_path):
    pytest.importorskip("submitit", reason="needs the extra slurm")
    units = (("conv2_1", tuple(range(8))),)
    plan = plan_demo(units=units, shard=1, chunk=1, settings={"steps": [150]})
    write_plan(tmp_path / "plan.json", plan)
    words = [sys.executable, "-m", "jaxvis", "sweep", "run", "plan.json"]
    given = {"cwd": tmp_path, "env": make_environment(tmp_path)}
    subprocess.run([*words, "local"], check=True, **given)
    flags = ["--engine", "slurm", "--workers", "2", "--slurm", "cluster=local,time=10"]
    command = subprocess.Popen(
        [*words, "jobs", *flags], **given, stderr=subprocess.STDOUT, stdout=subprocess.PIPE
    )
    store = open_store(tmp_path / "jobs")
    try:
        wait_until(lambda: store.list_done())
        os.kill(list_children(command.pid, "submitit.core._submit")[-1], signal.SIGUSR2)
        said = command.communicate(timeout=200)[0].decode()
    finally:
        command.kill()
    assert command.returncode == 0, said
    assert re.search(r"2 parts were submitted as job \d+", said), said
    assert read_files(tmp_path / "local") == {
        name: data
        for name, data in read_files(tmp_path / "jobs").items()
        if not name.startswith(".slurm/")
    }
    logs = "".join(path.read_text() for path in (tmp_path / "jobs/.slurm").glob("*.err"))
    logs += "".join(path.read_text() for path in (tmp_path / "jobs/.slurm").glob("*.out"))
    assert "Requeued job" in logs
