"""Natural pre-images: constants, departures from print, one stage and two."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, photograph, relu_net

from jaxvis.images import MEAN
from jaxvis.loss.objectives import Match
from jaxvis.loss.views import Crop
from jaxvis.optimize import step_programs
from jaxvis.optimize.keys import keys_of_places
from jaxvis.optimize.rules import transformation_of
from jaxvis.optimize.runs import repeat_item
from jaxvis.recipes.natural import (
    NATURALS,
    Natural,
    change_natural,
    jitter_of,
    natural_stages,
    solve_stages,
    without_priors,
)
from jaxvis.types import Interrupted, Status


def test_rates_of_code_and_print_differ_by_the_pixels():
    size = (227, 227)
    assert Natural().eta(size) == pytest.approx(53.333 * 227**2, rel=1e-4)
    assert Natural(rate="print").eta(size) == pytest.approx(0.01 * 6400 / 6)
    assert Natural(rate=3.0).eta(size) == 3.0


def test_departures_are_options_and_none_keeps_them():
    natural = change_natural(Natural(), rate="12.5", beta=None, jitter=1, exponent=0.5)
    assert natural == Natural(rate=12.5, jitter=1, exponent=0.5)
    assert change_natural(Natural(), rate="print").rate == "print"
    stripped = without_priors(Natural())
    assert (stripped.prior, stripped.radius, stripped.jitter) == (0.0, None, 1)
    assert stripped.priors() == ()


@pytest.mark.parametrize("name", ["rate", "jitter", "second"])
def test_settings_of_algorithm_1_are_refused_beside_lbfgs(name):
    with pytest.raises(ValueError, match=f"{name} is Algorithm 1's: leave it out, or take"):
        change_natural(NATURALS["lbfgs"], **{name: 2})
    assert change_natural(NATURALS["lbfgs"], beta=1.0).optimizer is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": "fast"}, "rate is 'code', 'print' or a number, not 'fast'"),
        ({"rate": -1.0}, "rate must be above 0"),
        ({"norm": "l2"}, "norm is 'code' or 'print'"),
        ({"bound": 0.0}, "bound must be above 0"),
        ({"jitter": 0}, "jitter is at least 1"),
        ({"second": -1}, "at least 0"),
    ],
)
def test_constants_without_a_meaning_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Natural(**options)
    with pytest.raises(ValueError, match=message):
        change_natural(Natural(), **options)


def test_the_printed_exponent_is_the_mean_length_over_b_to_the_alpha():
    image = jnp.broadcast_to(jnp.asarray(MEAN) + jnp.array([40 / 255, 0, 0]), (4, 5, 3))
    value = {
        exponent: float(Natural(exponent=exponent).priors()[0].prior(image))
        for exponent in (None, 0.5)
    }
    assert value[None] == pytest.approx(0.5**6, rel=1e-4)
    assert value[0.5] == pytest.approx(40 / 80.0**6, rel=1e-4)


def test_priors_of_a_grey_canvas_count_its_one_channel_once():
    natural = Natural(grey=True)
    z = np.random.default_rng(0).normal(0, 40, (6, 7, 1)).astype(np.float32)
    canvas = natural.canvas((6, 7))
    image = canvas.decode(None, jnp.asarray(z), None)
    assert canvas.init(jax.random.key(0)).shape == (6, 7, 1)
    found = [entry.weight * float(entry.prior(image)) for entry in natural.priors()]
    down = np.diff(z[..., 0], axis=0, append=z[-1:, :, 0])
    across = np.diff(z[..., 0], axis=1, append=z[:, -1:, 0])
    variation = np.mean(down**2 + across**2) / (80 / 6.5) ** 2
    np.testing.assert_allclose(found, [np.mean((z / 80) ** 6), variation], rtol=1e-3)
    np.testing.assert_allclose(canvas.encode(image), z, atol=2e-3)


def test_stages_are_two_the_second_without_jitter_at_a_tenth_of_the_rate():
    first, second = natural_stages(Natural(), size=(SIDE, SIDE), stride=16, steps=300)
    assert first.canvas.size == (SIDE + 3, SIDE + 3) and first.steps == 300
    assert first.view == Crop((SIDE, SIDE))
    assert second.canvas.size == (SIDE, SIDE) and second.steps == 50
    assert second.view is None
    assert first.size == second.size == (SIDE, SIDE)
    assert first.projection.radius == second.projection.radius == 160
    z = jnp.zeros((1, 1, 3))
    small = jnp.full((1, 1, 3), 1e-9)
    steps = []
    for stage in (first, second):
        optimizer = transformation_of(stage.optimizer)
        steps.append(float(optimizer.update(small, optimizer.init(z), z)[0][0, 0, 0]))
    assert steps[0] == pytest.approx(10 * steps[1], rel=1e-3)
    (alone,) = natural_stages(Natural(second=0), size=(SIDE, SIDE), stride=4)
    assert alone.canvas.size == (SIDE, SIDE)
    (own,) = natural_stages(Natural(second=0, jitter=3), size=(SIDE, SIDE), stride=4)
    assert own.canvas.size == (SIDE + 2, SIDE + 2)


def stage_items(net, params):
    item = 100.0 * Match("relu1", net.code(params, photograph(SIDE), "relu1"))
    return repeat_item(item, 2)


@pytest.mark.slow
def test_the_second_stage_goes_on_where_the_first_ended(key):
    net, params = relu_net(SIDE)
    recipes = natural_stages(Natural(jitter=3, second=2), size=(SIDE, SIDE), stride=1, steps=3)
    items, keys = stage_items(net, params), keys_of_places(key, 2)
    whole = solve_stages(net, recipes, params, items, keys)
    assert whole.trace["loss"].shape == (2, 5)
    assert whole.status.tolist() == [Status.DONE, Status.DONE]
    assert whole.facts["steps"].tolist() == [5, 5]
    assert whole.image.shape == (2, SIDE, SIDE, 3)
    first = solve_stages(net, recipes[:1], params, items, keys)
    np.testing.assert_array_equal(whole.trace["loss"][:, :3], first.trace["loss"])
    middle = first.z[:, 1 : SIDE + 1, 1 : SIDE + 1]
    loss = recipes[1].problem(net).loss
    one = jax.tree.map(lambda leaf: leaf[0], items)
    value, _, _ = loss(params, jnp.asarray(middle[0]), one, keys[0])
    assert whole.trace["loss"][0, 3] == pytest.approx(float(value), rel=1e-4)


@pytest.mark.parametrize(("number", "stages", "done"), [(2, 1, 0), (3, 1, 0), (4, 2, 1)])
def test_an_interrupt_carries_the_stages_so_far(number, stages, done, key, monkeypatch):
    """Two items take one step each, one after the other, in either stage."""
    net, params = relu_net(SIDE)
    recipes = natural_stages(Natural(jitter=3, second=1), size=(SIDE, SIDE), stride=1, steps=1)
    items, keys = stage_items(net, params), keys_of_places(key, 2)
    step_once, calls = step_programs.step_once, []

    def press(*arguments):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return step_once(*arguments)

    press.trace = step_once.trace
    monkeypatch.setattr(step_programs, "step_once", press)
    with pytest.raises(Interrupted) as stop:
        solve_stages(net, recipes, params, items, keys, chunk=1)
    run = stop.value.run
    assert run.image.shape == (2, SIDE, SIDE, 3)
    assert run.trace["loss"].shape == (2, stages)
    wanted = [Status.DONE] * done + [Status.UNFINISHED] * (2 - done)
    assert run.status.tolist() == wanted


@pytest.mark.parametrize(("stride", "margin"), [(1, 0), (2, 0), (4, 0), (8, 1), (16, 3), (32, 7)])
def test_the_canvas_is_larger_by_the_jitter_and_finished_in_the_middle(stride, margin, key):
    (recipe,) = natural_stages(Natural(second=0), size=(9, 11), stride=stride)
    assert recipe.canvas.size == (9 + margin, 11 + margin)
    assert recipe.view == (Crop((9, 11)) if margin else None)
    image = jax.random.uniform(key, (*recipe.canvas.size, 3))
    at = margin // 2
    np.testing.assert_array_equal(recipe.finish(key, image), image[at : at + 9, at : at + 11])


@pytest.mark.parametrize("margin", [0, 1, 2, 7])
def test_a_picture_to_begin_from_lies_where_the_finish_looks_for_it(margin, key):
    (recipe,) = natural_stages(Natural(second=0, jitter=margin + 1), size=(5, 6), stride=1)
    image = jax.random.uniform(key, (5, 6, 3))
    z = recipe.encode(image)
    assert z.shape == (5 + margin, 6 + margin, 3)
    shown = recipe.finish(key, recipe.canvas.decode(None, z, key))
    np.testing.assert_allclose(shown, image, atol=1e-6)
    # The border is the mean colour, z = 0.
    outside = np.ones(z.shape[:2], bool)
    outside[margin // 2 : margin // 2 + 5, margin // 2 : margin // 2 + 6] = False
    np.testing.assert_array_equal(z[outside], 0)
    with pytest.raises(ValueError, match="has 5x5 pixels, this recipe makes 5x6: resize it"):
        recipe.encode(image[:, :5])


def test_the_canvas_counts_grey_levels_around_the_mean_colour(key):
    canvas = Natural().canvas((33, 33))
    z = canvas.init(key)
    # U(-1, 1) over its 0.95 quantile 0.9, times 80 / sqrt 3.
    assert 50 < float(jnp.abs(z).max()) < 53
    one, none = (canvas.decode(None, value, key) for value in (jnp.ones_like(z), 0 * z))
    np.testing.assert_allclose(one - none, 1 / 255, rtol=1e-4)
    np.testing.assert_allclose(none[3, 4], MEAN, rtol=1e-6)


@pytest.mark.parametrize(("stride", "expected"), {1: 1, 2: 1, 4: 1, 8: 2, 16: 4, 32: 8}.items())
def test_jitter_is_a_quarter_of_the_stride(stride, expected):
    assert jitter_of(stride) == expected


@pytest.mark.parametrize(("stride", "expected"), [(6, 2), (10, 3), (14, 4), (5, 1)])
def test_jitter_rounds_halves_away_from_zero(stride, expected):
    assert jitter_of(stride) == expected


def test_settings_hash_and_compare_by_value():
    assert hash(Natural()) == hash(Natural()) and Natural() == Natural()
    assert dataclasses.replace(Natural(), beta=1.5) != Natural()


@pytest.mark.parametrize(
    ("natural", "expected"),
    [
        (Natural(), 6),
        (Natural(grey=True), 1),
        (Natural(grey=True, jitter=3), 3),
        (Natural(jitter=1), 1),
    ],
)
def test_a_grey_image_has_no_jitter_unless_it_is_asked_for(natural, expected):
    assert natural.offsets(24) == expected
