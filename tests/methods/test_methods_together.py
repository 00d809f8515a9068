"""Pictures that know of each other: diverse ones, and rows from one unit to another."""

import jax
import numpy as np
import pytest
from tiny_nets import SIDE, conv_net, fc_net

import jaxvis
from jaxvis.loss.canvas import Pixels
from jaxvis.loss.couplings import Diversity
from jaxvis.loss.objectives import Direction, Excite
from jaxvis.methods.together import diversify, interpolate, plan_row
from jaxvis.optimize.rules import adam
from jaxvis.recipes import Aligned, Diverse, Recipe
from jaxvis.recipes.together import find_map
from jaxvis.types import Status

RECIPE = Recipe(Pixels((SIDE, SIDE), noise=0.1), None, adam(0.05), 12)


def likeness(net, params, images):
    """Returns the sum of the cosines of pictures' Gram matrices at relu2."""
    return float(
        Diversity("relu2")({"relu2": np.stack([net.code(params, x, "relu2") for x in images])})
    )


def test_diverse_pictures_are_less_alike_and_excite_their_unit():
    net, params = conv_net()
    made = {
        weight: diversify(
            net, params, tap="relu2", index=[1, 3], diverse=Diverse(3, weight), recipe=RECIPE
        )
        for weight in (0.0, 3.0)
    }
    run = made[3.0]
    assert run.image.shape == (2, 1, 3, SIDE, SIDE, 3)
    assert run.trace["diversity"].shape == (2, 1, 12) and np.all(run.status == Status.DONE)
    for unit in range(2):
        apart, free = (likeness(net, params, made[w].image[unit, 0]) for w in (3.0, 0.0))
        assert apart < free - 0.05
        assert run.trace["objective"][unit, 0, -1] < run.trace["objective"][unit, 0, 0]
    assert np.all(made[0.0].trace["diversity"] == 0)


def test_a_row_begins_and_ends_with_its_objectives():
    net, params = conv_net()
    run = interpolate(net, params, 0, 3, tap="relu2", count=3, aligned=0.0, recipe=RECIPE, seeds=2)
    assert run.image.shape == (2, 3, SIDE, SIDE, 3)
    assert run.trace["alignment"].shape == run.trace["loss"].shape == (2, 12)
    codes = [net.code(params, image, "relu2").mean((0, 1)) for image in run.image[0]]
    assert codes[0][0] > codes[1][0] > codes[2][0] and codes[2][3] > codes[1][3] > codes[0][3]


def test_alignment_draws_neighbours_together():
    net, params = conv_net()
    apart = [
        interpolate(net, params, 0, 3, tap="relu2", count=3, aligned=weight, recipe=RECIPE).image[0]
        for weight in (0.0, 3.0)
    ]
    free, near = (np.mean((images[1:] - images[:-1]) ** 2) for images in apart)
    assert near < 0.8 * free


def test_the_objectives_of_a_row_by_hand():
    net, params = conv_net()
    first, last = Excite("relu2", 1), Direction("relu1", np.arange(6.0))
    row = plan_row(net, params, first, last, count=3)
    taps = {"relu2": np.ones((2, 2, 8)), "relu1": np.full((4, 4, 6), 2.0)}
    values = jax.vmap(lambda item: item(taps))(row.items)
    np.testing.assert_allclose(values, [-1.0, 0.5 * -1 + 0.5 * -30, -30.0])
    assert plan_row(net, params, lambda taps: taps["fc"][0], 2).items.taps is None


def test_layers_are_compared_below_what_is_maximised():
    net, params = conv_net()
    assert find_map(net, params, "relu2", (SIDE, SIDE), own=True) == "relu2"
    assert find_map(net, params, "relu2", (SIDE, SIDE), own=False) == "conv2"
    assert find_map(net, params, "fc", (SIDE, SIDE), own=True) == "relu2"
    with pytest.raises(ValueError, match="no layer before 'conv1'"):
        find_map(net, params, "conv1", (SIDE, SIDE), own=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, params: diversify(net, params, diverse=1), "at least 2 pictures"),
        (lambda net, params: diversify(net, params, diverse=Diverse(tap="x")), "no tap 'x'"),
        (lambda net, params: diversify(net, params, diverse=Diverse(weight=-1.0)), "at least 0"),
        (lambda net, params: diversify(net, params, index=9), "5 channels"),
        (lambda net, params: interpolate(net, params, 0, 1, count=1), "at least 2 pictures"),
        (lambda net, params: interpolate(net, params, 0, 99), "5 channels"),
        (lambda net, params: interpolate(net, params, 0, 1, aligned=np.nan), "at least 0"),
        (lambda net, params: interpolate(net, params, 0, 1, aligned=Aligned(tap="y")), "no tap"),
        (
            lambda net, params: interpolate(
                net, params, Excite("fc", 0), Excite("fc", 1), tap="relu2"
            ),
            "beside two objectives",
        ),
    ],
)
def test_what_has_no_meaning_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(*fc_net())


def test_both_are_one_dot_away():
    assert jaxvis.diversify is diversify and jaxvis.interpolate is interpolate
