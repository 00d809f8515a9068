"""Stacked random networks: which candidate is kept, layer by layer, and going on."""

import functools
from dataclasses import replace

import chex
import numpy as np
import pytest
from tiny_nets import SIDE, compilations, conv_net, photograph

from jaxvis.methods.ranvgg import stack as module
from jaxvis.methods.ranvgg.candidates import (
    Distribution,
    draw_candidates,
    join_networks,
    keep_needed,
    take_network,
)
from jaxvis.methods.ranvgg.reconstruct import reconstruct
from jaxvis.methods.ranvgg.stack import Stack, StackRecipe, choose_best, plan_stack, stack
from jaxvis.types import Interrupted

NET, PARAMS = conv_net()
IMAGE = photograph(SIDE)
RECIPE = StackRecipe(candidates=3, starts=2, steps=12)
OPTIONS = {"networks": 2, "key": 5, "stop": "relu2", "recipe": RECIPE}


def plan(**options):
    return plan_stack(NET, IMAGE, **(OPTIONS | options))


@functools.cache
def build():
    """Returns the stack after every layer."""
    return list(plan().layers())


@pytest.mark.slow
def test_the_candidate_with_the_smallest_loss_is_kept():
    found = build()[-1]
    assert list(found.losses) == list(found.chosen) == ["relu1", "relu2"]
    for row, tap in (("conv1", "relu1"), ("conv2", "relu2")):
        assert found.losses[tap].shape == (2, 3)
        assert len(np.unique(found.losses[tap])) == 6
        for n, k in enumerate(found.losses[tap].argmin(axis=1)):
            assert found.chosen[tap][n] == k
            candidate = draw_candidates(NET, 5, n, 3, stop="relu2")[k]
            chex.assert_trees_all_equal(take_network(found.params[row], n), candidate[row])


@pytest.mark.slow
def test_the_method_gives_what_the_last_layer_gave():
    chex.assert_trees_all_equal(stack(NET, IMAGE, **OPTIONS), build()[-1])


@pytest.mark.slow
def test_a_loss_is_that_of_inverting_through_the_layers_kept_before():
    found = build()[-1]
    n, k = 1, 2
    trial = take_network(found.params, n)
    trial |= {"conv2": draw_candidates(NET, 5, n, 3)[k]["conv2"]}
    trial = keep_needed(NET, trial, "relu2")
    start = plan(recipe=replace(RECIPE, candidates=1)).draw_starts(n)
    options = {"tap": "relu2", "params_axis": 0, "start": start, "steps": 12}
    run = reconstruct(NET, join_networks([trial] * 2), IMAGE, **options)
    # The same program, but the host sums other numbers in the mean.
    np.testing.assert_allclose(
        found.losses["relu2"][n, k], run.trace["loss"][:, -1].mean(), rtol=1e-6
    )


def test_going_on_after_a_layer_gives_the_same_networks(monkeypatch):
    parts = build()
    assert [list(part.chosen) for part in parts] == [["relu1"], ["relu1", "relu2"]]
    kept = parts[0]._replace(params=keep_needed(NET, parts[0].params, "relu1"))
    (again,) = plan().layers(before=kept)
    chex.assert_trees_all_equal(again, parts[1])
    monkeypatch.setattr(module, "reconstruct", None)  # nothing is left to do
    (done,) = plan().layers(before=parts[1])
    chex.assert_trees_all_equal(done, parts[1])


def test_an_interruption_keeps_the_layers_before(monkeypatch):
    def interrupt(*arguments, tap, **options):
        if tap == "relu2":
            raise Interrupted
        return reconstruct(*arguments, tap=tap, **options)

    monkeypatch.setattr(module, "reconstruct", interrupt)
    kept = []
    with pytest.raises(Interrupted):
        kept.extend(plan().layers())
    chex.assert_trees_all_equal(kept, build()[:1])


def test_a_second_call_compiles_nothing():
    def call(key, steps):
        image = np.random.default_rng(key).random((SIDE, SIDE, 3))
        distribution = Distribution("gaussian", sigma=0.1 * steps)
        recipe = replace(RECIPE, steps=steps, distribution=distribution)
        stack(NET, image, **(OPTIONS | {"key": key, "recipe": recipe}))

    call(0, 2)
    assert compilations(lambda: call(1, 3)) == 0


def test_the_best_is_the_smallest_finite_loss():
    losses = np.array([[1.0, np.nan, 0.5], [np.nan, 2.0, np.inf]])
    np.testing.assert_array_equal(choose_best(losses, "relu1"), [2, 1])
    with pytest.raises(ValueError, match="no candidate of 'relu1'"):
        choose_best(np.full((2, 3), np.nan), "relu1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"networks": 0}, "networks must be at least 1"),
        ({"stop": "relu9"}, "no tap 'relu9'"),
        ({"stop": "conv1"}, "no rectified convolution"),
    ],
)
def test_mistakes_are_told_before_anything_is_drawn(options, message):
    with pytest.raises(ValueError, match=message):
        plan(**options)


@pytest.mark.parametrize("name", ["candidates", "starts", "steps"])
def test_a_recipe_counts_from_one(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1"):
        StackRecipe(**{name: 0})


def test_a_stack_that_does_not_fit_is_told():
    other = Stack({}, {"relu1": np.zeros((2, 3))}, {"relu1": np.zeros(2, int)})
    with pytest.raises(ValueError, match="2 networks with 2 candidates"):
        plan(recipe=replace(RECIPE, candidates=2)).layers(before=other)
    with pytest.raises(ValueError, match="batch of 1"):
        stack(NET, IMAGE[None])
