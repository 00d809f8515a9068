"""Runs put together: seeds of an item, chunks of a sweep, stages of an optimisation."""

import numpy as np
import pytest

from jaxvis.loss.objectives import Direction, Excite, Match
from jaxvis.optimize.runs import (
    change_when_interrupted,
    join_chunks,
    join_items,
    repeat_item,
    repeat_items,
    run_stages,
    split_axis,
    stack_objectives,
)
from jaxvis.types import Interrupted, Run, Status

DONE, FAILED, UNFINISHED, DEAD = Status.DONE, Status.FAILED, Status.UNFINISHED, Status.DEAD


def make_run(status, *, steps=2, value=1.0):
    """Makes a run of pictures of 1x2 pixels, all of whose numbers are `value`."""
    count = len(status)
    facts = {
        "steps": np.full(count, steps, np.int32),
        "chunk": np.full(count, 3, np.int32),
    }
    return Run(
        {"a": np.full((count, 2), value, np.float32)},
        np.full((count, 1, 2, 3), value, np.float32),
        {"loss": np.full((count, steps), value, np.float32)},
        np.array(status, np.int8),
        facts,
    )


def test_an_item_is_repeated_leaf_by_leaf():
    item = repeat_item({"a": 2.0, "b": np.arange(3)}, 4)
    np.testing.assert_array_equal(item["a"], [2.0] * 4)
    np.testing.assert_array_equal(item["b"], [[0, 1, 2]] * 4)
    with pytest.raises(ValueError, match="seeds must be at least 1, got 0"):
        repeat_item(1.0, 0)


def test_the_seeds_of_an_item_stay_side_by_side():
    np.testing.assert_array_equal(repeat_items(np.array([5, 6]), 3), [5, 5, 5, 6, 6, 6])


def test_objectives_that_differ_in_numbers_are_stacked():
    stacked = stack_objectives([Excite("a", 3), Excite("a", 5)])
    np.testing.assert_array_equal(stacked.parts[0].index, [3, 5])
    np.testing.assert_array_equal(stacked.weights[0], [1.0, 1.0])


@pytest.mark.parametrize(
    "other",
    [
        Excite("b", 3),
        Direction("a", np.ones(2)),
        Excite("a", 1) + Excite("a", 2),
        Excite("a", 3, position="centre"),
    ],
)
def test_objectives_that_differ_in_more_are_refused(other):
    with pytest.raises(ValueError, match="differ in their numbers alone"):
        stack_objectives([Excite("a", 3), other])


def test_objectives_whose_arrays_differ_in_shape_are_refused():
    code = np.ones((2, 2, 3))
    with pytest.raises(ValueError, match="differ in their numbers alone"):
        stack_objectives([Match("a", code), Match("a", code, mask=np.ones(3))])


def test_the_axis_of_a_sweep_is_split_on_every_leaf():
    run = split_axis(make_run([DONE] * 6), -1, 3)
    assert run.z["a"].shape == (2, 3, 2)
    assert run.image.shape == (2, 3, 1, 2, 3)
    assert run.trace["loss"].shape == (2, 3, 2)
    assert run.status.shape == run.facts["steps"].shape == (2, 3)


def test_chunks_are_put_in_their_places():
    late, early = make_run([DONE, FAILED], value=2.0), make_run([DEAD], value=5.0)
    run = join_chunks([(np.array([4, 1]), late), (np.array([0]), early)], 5)
    np.testing.assert_array_equal(run.status, [DEAD, FAILED, UNFINISHED, UNFINISHED, DONE])
    assert run.status.dtype == np.int8
    np.testing.assert_array_equal(run.image[:, 0, 0, 0], [5, 2, np.nan, np.nan, 2])
    np.testing.assert_array_equal(run.z["a"][:, 0], [5, 2, np.nan, np.nan, 2])
    np.testing.assert_array_equal(run.trace["loss"][:, 0], [5, 2, np.nan, np.nan, 2])
    np.testing.assert_array_equal(run.facts["steps"], [2, 2, 0, 0, 2])
    assert run.facts["steps"].dtype == np.int32


def test_a_chunk_that_is_everything_is_handed_through():
    run = make_run([DONE, DONE])
    joined = join_chunks([(np.arange(2), run)], 2)
    np.testing.assert_array_equal(joined.image, run.image)
    np.testing.assert_array_equal(joined.status, run.status)
    assert join_chunks([(np.arange(2), run._replace(z=()))], 2).z == ()


def stages_of(*runs):
    """Makes stages that give these runs; an exception among them is raised."""
    seen = []

    def stage(run):
        def give(before, progress):
            seen.append(before)
            if isinstance(run, BaseException):
                raise run
            return run

        return give

    return [stage(run) for run in runs], seen


def test_stages_are_joined_along_their_steps():
    first, second = make_run([DONE] * 2, steps=3), make_run([DONE] * 2, steps=2, value=4.0)
    stages, seen = stages_of(first, second)
    run = run_stages(stages)
    assert seen == [None, first]
    np.testing.assert_array_equal(run.trace["loss"], [[1, 1, 1, 4, 4]] * 2)
    np.testing.assert_array_equal(run.facts["steps"], [5, 5])
    np.testing.assert_array_equal(run.facts["chunk"], [3, 3])
    assert run.facts["steps"].dtype == np.int32
    assert run.z is second.z and run.image is second.image


def test_the_status_of_stages_is_the_worst_and_dead_only_where_all_were():
    first = make_run([DONE, FAILED, DEAD, DEAD, Status.CONVERGED, UNFINISHED])
    second = make_run([DONE, DONE, DEAD, DONE, DEAD, DONE])
    run = run_stages(stages_of(first, second)[0])
    assert run.status.tolist() == [DONE, FAILED, DEAD, DONE, DONE, UNFINISHED]
    assert first.status[1] == FAILED and second.status[2] == DEAD  # nothing was changed


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted()])
def test_an_interrupt_before_anything_carries_nothing(stop):
    with pytest.raises(Interrupted) as found:
        run_stages(stages_of(stop)[0])
    assert found.value.run is None and found.value.finished == 0


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted()])
def test_an_interrupt_between_stages_carries_the_stages_before_as_unfinished(stop):
    first = make_run([DONE, FAILED, DEAD], value=3.0)
    stages, seen = stages_of(first, stop, make_run([DONE] * 3))
    with pytest.raises(Interrupted) as found:
        run_stages(stages)
    run = found.value.run
    assert run.status.tolist() == [UNFINISHED, FAILED, UNFINISHED]
    assert run.image is first.image and len(seen) == 2


def test_what_ended_within_the_last_stage_has_ended():
    last = make_run([DONE, UNFINISHED, FAILED, DEAD])
    stages, _ = stages_of(make_run([DONE] * 4), Interrupted(last))
    with pytest.raises(Interrupted) as found:
        run_stages(stages)
    assert found.value.run.status.tolist() == [DONE, UNFINISHED, FAILED, DONE]
    assert found.value.run.trace["loss"].shape == (4, 4)
    (alone,) = stages_of(Interrupted(last))[0]
    with pytest.raises(Interrupted) as found:
        run_stages([alone])
    np.testing.assert_array_equal(found.value.run.status, last.status)


def test_what_ended_within_an_earlier_stage_has_not():
    stages, _ = stages_of(Interrupted(make_run([DONE, UNFINISHED, FAILED])), make_run([DONE] * 3))
    with pytest.raises(Interrupted) as found:
        run_stages(stages)
    assert found.value.run.status.tolist() == [UNFINISHED, UNFINISHED, FAILED]


def test_an_interrupted_run_is_changed_as_a_whole_one_is():
    with pytest.raises(Interrupted) as found:
        with change_when_interrupted(lambda run: split_axis(run, 2, 2)):
            raise Interrupted(make_run([DONE] * 4))
    assert found.value.run.image.shape == (2, 2, 1, 2, 3)
    with pytest.raises(Interrupted) as found:
        with change_when_interrupted(lambda run: run.nothing):
            raise Interrupted
    assert found.value.run is None
    with change_when_interrupted(lambda run: run.nothing):
        pass


def test_runs_of_different_items_are_joined_along_the_sweep():
    first, second = make_run([DONE] * 2, steps=3), make_run([FAILED], steps=3, value=4.0)
    second.facts["error"] = np.ones(1)
    run = join_items([first, second])
    assert run.status.tolist() == [DONE, DONE, FAILED]
    assert set(run.facts) == {"steps", "chunk"}
    np.testing.assert_array_equal(run.trace["loss"], [[1, 1, 1], [1, 1, 1], [4, 4, 4]])


def test_a_run_that_was_cut_short_has_no_values_at_the_end():
    run = join_items([make_run([DONE], steps=3), make_run([UNFINISHED], steps=2, value=4.0)])
    np.testing.assert_array_equal(run.trace["loss"], [[1, 1, 1], [4, 4, np.nan]])
    np.testing.assert_array_equal(run.facts["steps"], [3, 2])
