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
from jaxvis.recipes.natural import Natural, bare, departed, pursue, stages
from jaxvis.types import Status


def test_rates_of_code_and_print_differ_by_the_pixels():
    size = (227, 227)
    assert Natural().eta(size) == pytest.approx(53.333 * 227**2, rel=1e-4)
    assert Natural(rate="print").eta(size) == pytest.approx(0.01 * 6400 / 6)
    assert Natural(rate=3.0).eta(size) == 3.0


def test_departures_are_options_and_none_keeps_them():
    natural = departed(Natural(), rate="12.5", beta=None, jitter=1, exponent=0.5)
    assert natural == Natural(rate=12.5, jitter=1, exponent=0.5)
    assert departed(Natural(), rate="print").rate == "print"
    stripped = bare(Natural())
    assert (stripped.prior, stripped.radius, stripped.jitter) == (0.0, None, 1)
    assert stripped.priors() == ()


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
        departed(Natural(), **options)


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
    image = canvas.decode(jnp.asarray(z), None)
    assert canvas.init(jax.random.key(0)).shape == (6, 7, 1)
    found = [entry.weight * float(entry.prior(image)) for entry in natural.priors()]
    down = np.diff(z[..., 0], axis=0, append=z[-1:, :, 0])
    across = np.diff(z[..., 0], axis=1, append=z[:, -1:, 0])
    variation = np.mean(down**2 + across**2) / (80 / 6.5) ** 2
    np.testing.assert_allclose(found, [np.mean((z / 80) ** 6), variation], rtol=1e-3)
    np.testing.assert_allclose(canvas.encode(image), z, atol=2e-3)


def test_stages_are_two_the_second_without_jitter_at_a_tenth_of_the_rate():
    net, _ = relu_net(SIDE)
    first, second = stages(net, Natural(), size=(SIDE, SIDE), stride=16, steps=300)
    assert first.canvas.size == (SIDE + 3, SIDE + 3) and first.steps == 300
    assert first.loss.view == Crop((SIDE, SIDE))
    assert second.canvas.size == (SIDE, SIDE) and second.steps == 50
    assert first.projection.radius == second.projection.radius == 160
    z = jnp.zeros((1, 1, 3))
    small = jnp.full((1, 1, 3), 1e-9)
    steps = [
        float(stage.optimizer.update(small, stage.optimizer.init(z), z)[0][0, 0, 0])
        for stage in (first, second)
    ]
    assert steps[0] == pytest.approx(10 * steps[1], rel=1e-3)
    (alone,) = stages(net, Natural(second=0), size=(SIDE, SIDE), stride=4)
    assert alone.canvas.size == (SIDE, SIDE)
    (own,) = stages(net, Natural(second=0, jitter=3), size=(SIDE, SIDE), stride=4)
    assert own.canvas.size == (SIDE + 2, SIDE + 2)


def test_the_second_stage_goes_on_where_the_first_ended():
    net, params = relu_net(SIDE)
    natural = Natural(jitter=3, second=2)
    problems = stages(net, natural, size=(SIDE, SIDE), stride=1, steps=3)
    item = 100.0 * Match("relu1", net.code(params, photograph(SIDE), "relu1"))
    items = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), jax.tree.map(jnp.asarray, item))
    key = jax.random.key(0)
    whole = pursue(problems, params, items, key)
    assert whole.trace["loss"].shape == (2, 5)
    assert whole.trace["status"].tolist() == [Status.DONE, Status.DONE]
    assert whole.image.shape == (2, SIDE, SIDE, 3)
    first = pursue(problems[:1], params, items, key)
    np.testing.assert_array_equal(whole.trace["loss"][:, :3], first.trace["loss"])
    middle = first.z[:, 1 : SIDE + 1, 1 : SIDE + 1]
    value, _ = problems[1].loss(
        params, jnp.asarray(middle[0]), jax.tree.map(lambda leaf: leaf[0], items), key
    )
    assert whole.trace["loss"][0, 3] == pytest.approx(float(value), rel=1e-4)


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
