"""A planned sweep: run whole or chunk by chunk, it makes the same pictures."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import FunctionLoss, Grey

from jaxvis.optimize import Job, Problem, step_programs
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.rules import adam
from jaxvis.optimize.runs import join_chunks, repeat_items, split_axis
from jaxvis.types import Interrupted, Status


def far(params, z, item, key):
    value = params * jnp.sum((z - item) ** 2)
    return value, {"objective": value}


@pytest.fixture
def job(key):
    """Gives a job of three items and two seeds."""
    problem = Problem(FunctionLoss(far), Grey((2, 2)), adam(0.1), 3)
    keys = item_keys(key, seeds=2, indices=[4, 1, 9])
    items = repeat_items(np.float32([0.1, 0.2, 0.3]), 2)
    return Job(problem, 1.0, items, keys, 2)


@pytest.mark.slow
def test_pictures_have_an_axis_for_items_and_one_for_seeds(job):
    run = job.run(chunk=4)
    assert job.count == 6
    assert run.image.shape == (3, 2, 2, 2, 3)
    assert run.trace["loss"].shape == (3, 2, 3)
    assert run.status.tolist() == [[Status.DONE] * 2] * 3
    assert run.facts["chunk"].tolist() == [[4] * 2] * 3
    starts = run.trace["loss"][..., 0]
    assert len(np.unique(starts)) == 6


def test_chunk_by_chunk_it_makes_the_same_pictures(job):
    chunks = list(job.chunks(chunk=4))
    assert [where.tolist() for where, _ in chunks] == [[0, 1, 2, 3], [4, 5]]
    joined = split_axis(join_chunks(chunks, 6), -1, 2)
    np.testing.assert_array_equal(joined.image, job.run(chunk=4).image)
    (rest,) = job.chunks(chunk=4, skip=[0, 1, 2, 3, 4])
    assert rest[0].tolist() == [5]
    np.testing.assert_array_equal(rest[1].image[0], joined.image[2, 1])


def test_skipped_pictures_are_unfinished(job):
    run = job.run(chunk=2, skip=[1, 2, 3])
    done, left = Status.DONE, Status.UNFINISHED
    assert run.status.tolist() == [[done, left], [left, left], [done, done]]


def test_a_job_may_begin_elsewhere_and_leave_z_out(job):
    start = np.full((6, 2, 2, 3), 0.25, np.float32)
    run = replace(job, start=start, keep_z=False).run()
    assert run.z == ()
    np.testing.assert_allclose(run.trace["loss"][0, :, 0], 12 * 0.15**2, rtol=1e-5)


def test_an_interrupted_job_has_both_axes_too(job, monkeypatch):
    step_once, calls = step_programs.step_once, []

    def press(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return step_once(*arguments)

    press.trace = step_once.trace
    monkeypatch.setattr(step_programs, "step_once", press)
    with pytest.raises(Interrupted) as stop:
        job.run(chunk=2)
    assert stop.value.run.image.shape == (3, 2, 2, 2, 3)
    done, left = Status.DONE, Status.UNFINISHED
    assert stop.value.run.status.tolist() == [[done, done], [left, left], [left, left]]
