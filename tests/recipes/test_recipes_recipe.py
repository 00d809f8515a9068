"""Recipes: everything about making a picture, and the problem that they build."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net, fc_net, photograph

from jaxvis.loss.canvas import Fourier, Phase, Pixels, Tanh
from jaxvis.loss.compose import Weighted
from jaxvis.loss.priors import L2
from jaxvis.loss.views import Centre, Roll
from jaxvis.optimize import Ball, Problem
from jaxvis.optimize.rules import adam
from jaxvis.recipes import RECIPES, Recipe
from jaxvis.recipes.presets import choose_seen

SIZE = (SIDE, SIDE)


def test_a_problem_has_all_that_the_recipe_says():
    net, _ = conv_net()
    priors = (Weighted("l2", 0.1, L2()),)
    recipe = Recipe(Pixels(SIZE), Roll(2), adam(0.1), 7, priors, Ball(2.0), Centre((8, 8)), 3)
    problem = recipe.problem(net)
    assert isinstance(problem, Problem)
    assert (problem.canvas, problem.optimizer, problem.steps) == (Pixels(SIZE), adam(0.1), 7)
    assert (problem.projection, problem.finish) == (Ball(2.0), Centre((8, 8)))
    loss = problem.loss
    assert (loss.net, loss.canvas, loss.view) == (net, Pixels(SIZE), Roll(2))
    assert (loss.priors, loss.draws) == (priors, 3)
    assert recipe.size == (8, 8)


@pytest.mark.parametrize("name", RECIPES)
def test_presets_are_recipes_of_the_size_asked_for(name):
    recipe = RECIPES[name]((24, 20), seen=(16, 16))
    assert recipe.size == (24, 20) and recipe.steps == 256
    assert recipe == RECIPES[name]((24, 20), seen=(16, 16))
    assert replace(recipe, steps=3).steps == 3


@pytest.mark.parametrize("canvas", [Pixels(SIZE), Tanh(SIZE), Fourier(SIZE)])
def test_a_picture_to_begin_from_is_shown_again(canvas, key):
    recipe = Recipe(canvas, None, adam(0.1), 1)
    photo = photograph(SIDE)
    shown = canvas.decode(None, recipe.encode(photo), key)
    np.testing.assert_allclose(shown, photo, atol=2e-4)


def test_a_canvas_that_cannot_begin_from_a_picture_says_so():
    recipe = Recipe(Phase(SIZE), None, adam(0.1), 1)
    with pytest.raises(ValueError, match="Phase cannot begin from an image: leave start out"):
        recipe.encode(photograph(SIDE))


def test_networks_are_shown_six_sevenths_where_any_size_goes():
    net, params = conv_net()
    assert choose_seen(net, params, ("relu2",), (56, 28)) == (48, 24)
    assert choose_seen(net, params, None, (56, 28)) == (48, 24)
    net, params = fc_net()
    assert choose_seen(net, params, ("fc",), (24, 24)) == SIZE
    assert choose_seen(net, params, ("relu2",), (56, 56)) == (48, 48)


def test_recipes_change_their_numbers_without_another_program():
    net, _ = conv_net()
    recipe = Recipe(Pixels(SIZE), None, adam(0.1), 7, (Weighted("l2", 0.1, L2()),))
    other = replace(recipe, optimizer=adam(0.2), steps=8, priors=(Weighted("l2", 0.3, L2()),))
    structures = [jax.tree.structure(one.problem(net).program) for one in (recipe, other)]
    assert structures[0] == structures[1]
