"""Shards made by an array of SLURM jobs, which submitit submits and requeues."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxvis.escape import escape, escape_path
from jaxvis.sweep.engines.slurm_task import Task
from jaxvis.sweep.engines.worker import check_shared, describe_setting
from jaxvis.sweep.extras import import_extra
from jaxvis.sweep.locking import hold_sweep
from jaxvis.sweep.plan import Plan
from jaxvis.sweep.run import Tell, list_missing
from jaxvis.sweep.store import Store

log = logging.getLogger("jaxvis")

WORKERS = 8
"""Jobs of an array where nothing else is asked for."""
FOLDER = ".slurm"
"""Where submitit keeps what it sends, and what the jobs print, in the folder of the sweep."""
OWN = {"wait": "yes", "cluster": "slurm", "folder": ""}
"""Options that are not sbatch's: whether the command waits for the jobs; local runs them as
processes of this machine, to try them; where the files of submitit are."""
ALSO = {"timeout_min": "time", "mem_gb": "mem", "gpus": "gpus_per_node", "name": "job_name"}
"""Other words for options of submitit."""
DEFAULTS: dict[str, Any] = {"time": 240, "signal_delay_s": 120, "wckey": None}
"""Minutes of a job, after which it is requeued; seconds that it is warned before; no account
key, which some clusters refuse."""
REQUEUES = 1000
"""How often a job may run out of its time: it goes on each time, and ends when it is done."""
PAUSE, PAUSE_LOCAL = 5.0, 0.3
"""Seconds between two looks at the store."""


def run_slurm(
    plan: Plan,
    store: Store,
    *,
    workers: int | None = None,
    part: tuple[int, int] = (1, 1),
    tell: Tell | None = None,
    options: Mapping[str, str] | None = None,
) -> None:
    """Makes what is missing of a plan with an array of SLURM jobs, and waits for them.

    Each job makes a part, i of n. The jobs go on when this process ends.

    Args:
      plan: what is made.
      store: where; every node must reach it.
      workers: how many parts; None makes 8.
      part: must be (1, 1): the jobs are the parts.
      tell: told of each shard that is there.
      options: of sbatch, such as {"partition": "gpu", "gpus_per_node": "1", "time": "600"};
        also wait=no, cluster=local and folder=PATH.

    Raises:
      KeyboardInterrupt: on Ctrl-C or SIGTERM; the jobs go on.
      OSError: if the store cannot be written, or all jobs ended with shards missing.
      ValueError: if submitit is not installed, there is no SLURM, an option is none of
        sbatch's, another process writes, or the store was begun with another plan.
    """
    if part != (1, 1):
        raise ValueError("--engine slurm makes the parts itself: leave --part out")
    if workers is not None and workers < 1:
        raise ValueError(f"--workers must be at least 1, a whole number, got {workers}")
    submitit, url = import_extra("submitit", "slurm"), check_shared(store, "slurm")
    own, given = split_options(options or {})
    with hold_sweep(store.folder):
        store.begin(plan)
    missing = list_missing(plan, store)
    if not missing:
        return
    folder = Path(own["folder"] or (store.folder or Path.cwd()) / FOLDER).absolute()
    executor = open_executor(submitit, folder, own["cluster"], given)
    grace = max(1, int(given["signal_delay_s"]) - 30)
    tasks = make_tasks(plan, store, url, count=workers or WORKERS, grace=grace)
    jobs = executor.submit_array(tasks)
    number = str(jobs[0].job_id).partition("_")[0]
    log.warning(
        "%d parts were submitted as job %s, which goes on when this command ends; what the "
        "jobs print is in %s",
        *(len(jobs), number, escape_path(folder)),
    )
    if own["wait"] == "no":
        return
    if own["cluster"] == "slurm":
        _follow(plan, store, jobs, tell, pause=PAUSE)
        return
    try:
        _follow(plan, store, jobs, tell, pause=PAUSE_LOCAL)
    finally:
        for job in jobs:
            job.cancel()


def split_options(options: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Splits options in those of this engine and those of sbatch, by submitit's names.

    Args:
      options: name -> value, as the user wrote them.

    Raises:
      ValueError: for a value that an option cannot have.
    """
    own = {name: options.get(name, value) for name, value in OWN.items()}
    if own["wait"] not in ("yes", "no") or own["cluster"] not in ("slurm", "local"):
        raise ValueError("--slurm: wait is yes or no, and cluster is slurm or local")
    given = dict(DEFAULTS)
    for name, value in options.items():
        if name in OWN:
            continue
        known = ALSO.get(name, name).replace("-", "_")
        number = value.isdecimal()
        given[known] = int(value) if number else value
        if name == "mem_gb" and number:
            given[known] = f"{value}GB"
    given["time"] = read_minutes(str(given["time"]))
    if not isinstance(given["signal_delay_s"], int) or given["signal_delay_s"] < 1:
        raise ValueError("--slurm: signal_delay_s is a whole number of seconds from 1 up")
    return own, given


def read_minutes(text: str) -> int:
    """Reads a time as sbatch takes it, in minutes: 90, 90:00, 1:30:00, 2-12, 2-12:30.

    Args:
      text: the time.

    Raises:
      ValueError: for another text.
    """
    days, dash, rest = text.rpartition("-")
    words = (rest if dash else text).split(":")
    known = [*words, days] if dash else words
    if len(words) > 3 or not all(word.isdecimal() for word in known):
        raise ValueError(
            f"--slurm: time={escape(text)} is no time: write minutes, or hours:minutes:seconds"
        )
    numbers = [int(word) for word in words]
    if dash:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, minutes, seconds = 0, *(*numbers, 0)[:2]
    return max(1, int(days or 0) * 1440 + hours * 60 + minutes + (seconds > 0))


def open_executor(submitit: Any, folder: Path, cluster: str, given: Mapping[str, Any]) -> Any:
    """Opens submitit's executor, with options of sbatch.

    Args:
      submitit: the package.
      folder: for its files; every node must reach it.
      cluster: "slurm", or "local".
      given: options by submitit's names; those that it does not know go to sbatch as they
        are.

    Raises:
      ValueError: where there is no SLURM.
    """
    if cluster == "local":
        local = submitit.LocalExecutor(folder, max_num_timeout=REQUEUES)
        local.update_parameters(timeout_min=given["time"], signal_delay_s=given["signal_delay_s"])
        return local
    kind = submitit.SlurmExecutor
    if kind.affinity() <= 0:
        raise ValueError(
            "there is no srun here: call it on a machine of a SLURM cluster that submits jobs, or "
            "try it with --slurm cluster=local"
        )
    known = kind._valid_parameters()
    others = {name: value for name, value in given.items() if name not in known}
    executor = kind(folder, max_num_timeout=REQUEUES)
    executor.update_parameters(
        **{"job_name": "jaxvis", **{name: one for name, one in given.items() if name in known}},
        additional_parameters=others,
    )
    return executor


def make_tasks(plan: Plan, store: Store, url: str, *, count: int, grace: int) -> list[Task]:
    """Makes a task for every part of which something is missing.

    Args:
      plan: what is made.
      store: where.
      url: how the nodes reach it.
      count: of the parts.
      grace: seconds that a task has after a warning.

    Raises:
      OSError: if the store cannot be read.
    """
    done, setting = set(store.list_done()), describe_setting()
    parts = [(number, count) for number in range(1, count + 1)]
    return [
        Task(plan, url, part, setting, grace)
        for part in parts
        if list_missing(plan, store, part=part, done=done)
    ]


def _follow(
    plan: Plan, store: Store, jobs: Sequence[Any], tell: Tell | None, *, pause: float
) -> None:
    """Waits for the jobs, and tells of each shard that they have written."""
    planned = {shard.name: shard for shard in list_missing(plan, store)}
    while True:
        ended = all(job.done() for job in jobs)  # before the look: they write no more
        for name in [name for name in store.list_done() if name in planned]:
            shard = planned.pop(name)
            if tell is not None:
                tell(shard, store.read_record(name)["rows"])
        if not planned:
            return
        if ended:
            raise OSError(_explain(jobs, len(planned)))
        time.sleep(pause)


def _explain(jobs: Sequence[Any], missing: int) -> str:
    """Says why shards are missing although all jobs have ended, in the words of one job."""
    for job in jobs:
        error = job.exception() if job.paths.result_pickle.exists() else None
        if error is not None:
            last = [line for line in str(error).splitlines() if line.strip()][-1:]
            return f"all jobs have ended, and {missing} shards are missing: {' '.join(last)}"
    return (
        f"all jobs have ended, and {missing} shards are missing: look into "
        f"{escape_path(jobs[0].paths.stderr)}, then call jaxvis sweep resume"
    )
