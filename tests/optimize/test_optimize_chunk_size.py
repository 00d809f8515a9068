"""How many items go together, and what happens where that was too many."""

import logging
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import FunctionLoss, Grey, compilations, counted_net

from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import compose
from jaxvis.loss.objectives import Excite
from jaxvis.optimize import Problem, memory, solve, solve_chunks, step_programs, stepping
from jaxvis.optimize.chunk_size import Sweep, chunk_size
from jaxvis.optimize.keys import keys_of_places
from jaxvis.optimize.rules import adam
from jaxvis.optimize.runs import join_chunks
from jaxvis.tuning import Tuning

FULL = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")


def excite(side, count):
    net, params, traced = counted_net(side)
    canvas = Pixels((side, side), noise=0.1)
    problem = Problem(compose(net, canvas), canvas, adam(0.1), 2)
    items = jax.vmap(lambda i: Excite("scores", i))(jnp.zeros(count, jnp.int32))
    return problem, params, items, traced


def choose(side, count, **options):
    problem, params, items, _ = excite(side, count)
    keys = jax.random.split(jax.random.key(0), count)
    return chunk_size(problem, Sweep(params, None, items, keys, None, None), **options)


@pytest.mark.slow
def test_small_items_go_together_up_to_the_processors_limit():
    assert choose(8, 3) == 3
    assert choose(8, 50) == Tuning().cpu_items
    assert choose(8, 50, chunk=20) == 20
    assert choose(8, 3, chunk=20) == 3


@pytest.mark.parametrize("count", [1, 50])
def test_one_item_that_takes_far_more_than_there_is_is_refused(count):
    """16384x16384 pixels: 3 GiB of colours, and several times as much around them."""
    with pytest.raises(ValueError, match=r"one picture alone takes about \d+ GiB"):
        choose_with_free(2**30, 16384, count)
    assert choose_with_free(2**30, 64, count) >= 1


def choose_with_free(free, side, count):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "free_bytes", lambda: free)
        return choose(side, count)


def test_items_with_networks_of_their_own_go_alone_on_a_processor():
    problem, params, items, _ = excite(8, 3)
    keys = jax.random.split(jax.random.key(0), 3)
    own = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), params)
    sweep = Sweep(None, None, items, keys, None, own)
    assert chunk_size(problem, sweep) == 1
    assert chunk_size(problem, sweep, chunk=2) == 2


def test_on_an_accelerator_all_items_are_worth_taking_together(monkeypatch):
    monkeypatch.setattr(sys.modules[chunk_size.__module__], "platform_of", lambda tree: "gpu")
    assert choose(8, 50) == 50


def test_chunk_shrinks_with_the_canvas_and_the_budget(monkeypatch):
    sizes = []
    for budget in (10**9, 400_000, 100_000, 10):
        monkeypatch.setattr(memory, "budget", lambda budget=budget: budget)
        sizes.append(choose(32, 8))
    assert sizes[0] == 8
    assert 8 > sizes[1] > sizes[2] >= 1
    assert sizes[3] == 1


def test_what_is_chosen_is_what_the_compiled_step_has_room_for(monkeypatch):
    problem, params, items, _ = excite(32, 8)
    keys = jax.random.split(jax.random.key(0), 8)

    def need(size):
        some = jax.tree.map(lambda leaf: leaf[:size], (items, keys))
        batch = Sweep(params, None, *some, None, None).batch(problem)
        carry = jax.eval_shape(step_programs.begin, batch.program, batch.keys, None)
        step = stepping.trace_step(batch, carry, problem.steps)
        return memory.step_bytes(step.lower().compile(), params)

    for wanted in (3, 5, 7):
        monkeypatch.setattr(memory, "budget", lambda wanted=wanted: need(wanted) + 50)
        assert choose(32, 8) in (wanted - 1, wanted)


@pytest.mark.parametrize("side", [30_000])
def test_a_huge_canvas_is_taken_one_by_one(side):
    # Only traced: nothing of the 10 GB per array is ever made.
    assert choose(side, 8) == 1


def test_the_compiler_is_asked_once_how_much_memory_a_program_takes():
    problem, params, items, _ = excite(20, 3)
    sweep = Sweep(params, None, items, jax.random.split(jax.random.key(0), 3), None, None)
    before = memory._analyse.cache_info()
    assert [chunk_size(problem, sweep) for _ in range(3)] == [3, 3, 3]
    after = memory._analyse.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)


def test_choosing_the_chunk_compiles_nothing_that_does_not_run(monkeypatch):
    problem, params, items, traced = excite(24, 4)
    key = jax.random.key(0)

    def run():
        solve(problem, params, items, key)

    def choose_alone():
        sweep = Sweep(problem.loss.prepare(params), None, items, keys_of_places(key, 4), None, None)
        assert chunk_size(problem, sweep) == 4

    assert compilations(choose_alone) >= 1
    assert traced() == 1
    programs = step_programs.step_once.count_compilations()
    run()
    assert traced() == 1
    assert step_programs.step_once.count_compilations() == programs + 1  # the call's, not a program
    assert compilations(run) == 0


def test_a_chunk_that_cannot_fit_is_refused_with_the_number_that_does(monkeypatch):
    problem, params, items, _ = excite(32, 8)
    monkeypatch.setattr(memory, "free_bytes", lambda: 300_000)
    message = r"chunk=8 takes 0\.00 GiB .* about \d items fit; leave chunk out"
    with pytest.raises(ValueError, match=message):
        solve(problem, params, items, jax.random.key(0), chunk=8)
    run = solve(problem, params, items, jax.random.key(0), chunk=1)
    assert run.image.shape == (8, 32, 32, 3)


def away(params, z, item, key):
    value = params * jnp.sum((z - item + 0.1 * jax.random.normal(key)) ** 2)
    return value, {}


PROBLEM = Problem(FunctionLoss(away), Grey((2, 2)), adam(0.1), 4)


def targets(count):
    return np.float32(np.random.default_rng(0).normal(size=(count, 2, 2, 3)))


@pytest.fixture
def crowded(monkeypatch):
    """Makes steps of more than `most` items run out of memory, in their second step."""
    step_once = step_programs.step_once

    def make(most, error=FULL):
        seen = []

        def limited(*arguments):
            size, step = len(arguments[5]), int(arguments[7])
            seen.append(size)
            if size > most and step == 1:
                raise error
            return step_once(*arguments)

        limited.trace = step_once.trace
        monkeypatch.setattr(step_programs, "step_once", limited)
        return seen

    return make


@pytest.mark.slow
@pytest.mark.parametrize("error", [FULL, MemoryError()])
def test_a_chunk_out_of_memory_is_halved_and_nothing_is_lost(crowded, caplog, error):
    key = jax.random.key(0)
    whole = solve(PROBLEM, np.float32(1), targets(11), key, chunk=2)
    seen = crowded(2, error)
    with caplog.at_level(logging.WARNING, logger="jaxvis"):
        chunks = list(solve_chunks(PROBLEM, np.float32(1), targets(11), key, chunk=8))
    assert [seen[0], seen[2], seen[4]] == [8, 4, 2]
    wheres = [where.tolist() for where, _ in chunks]
    assert wheres == [list(range(i, min(i + 2, 11))) for i in range(0, 11, 2)]
    # From there on it is the same program with the same items at the same places.
    chex.assert_trees_all_equal(join_chunks(chunks, 11), whole)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "out of memory: going on with 4 items together",
        "out of memory: going on with 2 items together",
    ]


def test_chunks_that_were_finished_are_kept(crowded, monkeypatch):
    """Memory runs out once, in the third chunk of four."""
    key, chunks, step_once = jax.random.key(0), [], step_programs.step_once

    def limited(*arguments):
        if len(chunks) == 2 and len(arguments[5]) == 4:
            raise FULL
        return step_once(*arguments)

    limited.trace = step_once.trace
    monkeypatch.setattr(step_programs, "step_once", limited)
    for chunk in solve_chunks(PROBLEM, np.float32(1), targets(16), key, chunk=4):
        chunks.append(chunk)
    wheres = [where.tolist() for where, _ in chunks]
    assert wheres[:3] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert wheres[-1] == [14, 15]
    run = join_chunks(chunks, 16)
    np.testing.assert_array_equal(run.facts["chunk"], [4] * 8 + [2] * 8)
    monkeypatch.undo()
    whole = solve(PROBLEM, np.float32(1), targets(16), key, chunk=4)
    np.testing.assert_allclose(run.z, whole.z, atol=1e-5)


def test_one_item_that_does_not_fit_and_other_errors_come_through(crowded):
    crowded(0)
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        solve(PROBLEM, np.float32(1), targets(3), jax.random.key(0), chunk=2)
    crowded(0, jax.errors.JaxRuntimeError("INTERNAL: a bug"))
    with pytest.raises(jax.errors.JaxRuntimeError, match="a bug"):
        solve(PROBLEM, np.float32(1), targets(3), jax.random.key(0), chunk=2)


def test_the_bar_still_ends_at_its_total(crowded, monkeypatch):
    bars = []

    class Bar:
        def __init__(self, **options):
            self.total, self.n = None, 0
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def update(self, steps):
            self.n += steps

    monkeypatch.setattr(sys.modules[solve.__module__], "tqdm", Bar)
    crowded(2)
    solve(PROBLEM, np.float32(1), targets(5), jax.random.key(0), chunk=4)
    assert bars[0].n == bars[0].total > 4 * 3


def test_a_compiler_that_runs_out_is_asked_for_less(monkeypatch):
    asked = []

    class Traced:
        def __init__(self, size):
            self.size, self.jaxpr = size, jax.make_jaxpr(lambda x: x + 1)(1.0)

        def lower(self):
            return self

        def compile(self):
            asked.append(self.size)
            if self.size > 4:
                raise FULL
            return self

        def memory_analysis(self):
            return None

    def trace_step(batch, carry, steps):
        return Traced(len(batch.keys))

    monkeypatch.setattr(stepping, "trace_step", trace_step)
    size = choose(8, 8)
    assert 1 <= size <= 4
    assert asked[0] == 8
