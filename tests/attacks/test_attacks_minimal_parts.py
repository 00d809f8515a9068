"""The parts of the attacks for the smallest perturbation: searches, and pairs of values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis import attacks, from_function
from jaxvis.attacks.minimal import constant, limit, smallest
from jaxvis.attacks.minimal.ddn import anneal
from jaxvis.attacks.minimal.smallest import SLACK

NO, YES = jnp.array(False), jnp.array(True)


def test_the_constant_grows_until_it_succeeds_and_is_halved_between():
    search = constant.start_search(0.1)
    found = []
    for success in (NO, NO, YES, NO, YES):
        search = constant.choose_constant(search, success, runs=9)
        found.append(float(search.constant))
    # 0.1 and 1 fail, 10 succeeds: 5.5 fails, 7.75 succeeds.
    np.testing.assert_allclose(found, [1, 10, 5.5, 7.75, 6.625], rtol=1e-6)
    assert int(search.runs) == 5
    np.testing.assert_allclose([float(search.low), float(search.high)], [5.5, 7.75])


def test_the_last_of_ten_runs_repeats_the_smallest_success():
    search = constant.start_search(1.0)
    for success in [YES] + [NO] * 8:
        search = constant.choose_constant(search, success, runs=10)
    assert float(search.constant) == 1.0 and int(search.runs) == 9


def test_a_run_ends_after_its_steps_or_a_tenth_without_progress():
    state, ends = constant.start_descent(), []
    for at in range(20):
        state, over = constant.note_loss(state, jnp.float32(20.0 - at), at == 3, steps=20)
        ends.append(bool(over))
    assert ends == [False] * 19 + [True] and bool(state.found)
    state, ends = constant.start_descent(), []
    for loss in (5.0, 4.0, 4.5, 4.1):
        state, over = constant.note_loss(state, jnp.float32(loss), NO, steps=20)
        ends.append(bool(over))
    assert ends == [False, False, False, True] and not bool(state.found)
    broken = constant.note_loss(constant.start_descent(), jnp.float32(jnp.nan), NO, steps=1)
    assert bool(broken[1])


def test_the_limit_shrinks_with_every_success_and_is_given_up_at_last():
    weight = limit.choose_limit(limit.start_limit(1.0), jnp.float32(0.5))
    np.testing.assert_allclose([weight.limit, weight.constant], [0.45, 0.5], rtol=1e-6)
    weight = limit.choose_limit(weight, jnp.float32(0.5))
    np.testing.assert_allclose([weight.limit, weight.constant], [0.45, 2.0], rtol=1e-6)
    assert not bool(weight.is_hopeless)
    for _ in range(8):
        weight = limit.choose_limit(weight, jnp.float32(0.5))
    assert bool(weight.is_hopeless)


def test_rates_fall_along_half_a_cosine():
    found = [float(anneal(1.0, 0.2, jnp.int32(step), 4)) for step in range(5)]
    np.testing.assert_allclose(found[::2], [1.0, 0.6, 0.2], atol=1e-6)
    assert found == sorted(found, reverse=True)


def test_a_class_wins_surely_by_more_than_rounding():
    label, none = jnp.int32(0), jnp.int32(-1)
    sure_margin = jax.jit(smallest.sure_margin)
    near = jnp.array([100.0, 100.0 + 1e-4, 0.0])
    assert float(sure_margin(near, label, none)) < 0
    clear = jnp.array([100.0, 101.0, 0.0])
    np.testing.assert_allclose(sure_margin(clear, label, none), 1 - SLACK * 101, rtol=1e-5)
    assert float(sure_margin(clear, label, jnp.int32(2))) < 0
    slope = jax.grad(sure_margin)(clear, label, none)
    np.testing.assert_array_equal(slope, [-1, 1, 0])


def linear_of_three(side, seed=3):
    """Returns (net, params) of a linear network of three classes."""
    kernel = np.random.default_rng(seed).normal(size=(3, side * side * 3)).astype(np.float32)

    def score(params, image):
        return {"scores": params["kernel"] @ image.ravel()}

    return from_function(
        score, {"kernel": kernel}, input_size=(side, side), scores="scores", name="three"
    )


def find_best_pair(kernel, target, change):
    """Returns the best pair of all, by NumPy, and -a b of it."""
    rise = np.sign(change) * kernel[target].astype(np.float64)
    fall = np.sign(change) * (kernel[target] - kernel.sum(0)).astype(np.float64)
    up, down = rise[:, None] + rise, fall[:, None] + fall
    product = np.where((up > 0) & (down > 0), up * down, -np.inf)
    np.fill_diagonal(product, -np.inf)
    return set(np.unravel_index(product.argmax(), product.shape)), product.max()


@pytest.mark.parametrize(
    ("side", "candidates", "change"),
    [(3, 1024, 1.0), pytest.param(12, 100, -0.25, marks=pytest.mark.slow)],
)
def test_jsma_changes_the_best_pair_of_all(side, candidates, change):
    net, params = linear_of_three(side)
    image = np.full((side, side, 3), 0.5, np.float32)
    label = int((params["kernel"] @ image.ravel()).argmax())
    target = (label + 1) % 3
    run = attacks.jsma(
        net, params, image, targets=target, steps=1, change=change, candidates=candidates
    )
    changed = np.flatnonzero(run.image.ravel() != 0.5)
    pair, _ = find_best_pair(np.asarray(params["kernel"]), target, change)
    assert set(changed) == pair
    wanted = np.clip(0.5 + change, 0, 1)
    np.testing.assert_allclose(run.image.ravel()[changed], wanted)


@pytest.mark.slow
def test_jsma_goes_on_until_the_target_wins():
    net, params = linear_of_three(3, seed=4)
    image = np.full((3, 3, 3), 0.5, np.float32)
    scores = params["kernel"] @ image.ravel()
    label, target = int(scores.argmax()), int(scores.argmin())
    run = attacks.jsma(net, params, image, targets=target, steps=13)
    assert run.facts["success"] and int(run.facts["label"]) == target != label
    changed = run.image != image
    # Three pairs, by a computation of its own; one of the images sees the success.
    assert changed.sum() == 6 and (run.image[changed] == 1).all()
    assert int(run.facts["queries"]) == 5
    # Without targets the class that comes second is raised.
    free = attacks.jsma(net, params, image, steps=13)
    assert free.facts["success"] and int(free.facts["label"]) == int(np.argsort(scores)[1])
    assert (free.image != image).sum() == 2


@pytest.mark.slow
def test_jsma_stops_where_no_pair_helps():
    def score(params, image):
        return {"scores": params["kernel"] * jnp.sum(image)}

    # Both classes rise together: no pair raises the target and lowers the other.
    net, params = from_function(
        score, {"kernel": jnp.array([2.0, 1.0])}, input_size=(3, 3), scores="scores", name="both"
    )
    image = np.full((3, 3, 3), 0.5, np.float32)
    run = attacks.jsma(net, params, image, steps=5)
    assert not run.facts["success"] and run.trace["loss"].shape == (1,)
    np.testing.assert_array_equal(run.image, image)
