"""Training of style networks, on the embedded network and tiny photographs."""

from dataclasses import replace

import chex
import jax
import numpy as np
import pytest
from tiny_nets import compilations, conv_net

import jaxvis
from jaxvis.methods.fast_style.train import Schedule, draw_params, fast_style
from jaxvis.nets.random import random_params
from jaxvis.nets.zoo.style_net import build_style_net, mix_styles
from jaxvis.recipes.styles import FAST_STYLES
from jaxvis.train.images import from_array
from jaxvis.train.loop import CheckpointFile

RECIPE = replace(
    FAST_STYLES["johnson"], content_taps=("relu2_1",), style_taps=("relu1_1", "relu2_1")
)
SCHEDULE = Schedule(steps=12, batch=2, learning_rate=0.02, validate_every=6)
SIDE = 16


@pytest.fixture(scope="module")
def judge():
    return jaxvis.load("demo")


@pytest.fixture(scope="module")
def photos():
    draw = np.random.default_rng(0)
    return from_array(draw.integers(0, 256, (6, SIDE, SIDE, 3), np.uint8))


@pytest.fixture(scope="module")
def styles():
    stripes = np.indices((24, 20))[1] // 2 % 2
    red = np.stack([stripes, 0 * stripes, 0 * stripes], -1).astype(np.float32)
    return [red, red[..., ::-1].copy()]


def train(judge, photos, styles, changes=(), **options):
    net = build_style_net(
        "transform_same", width=2, blocks=1, styles=len(styles) if len(styles) > 1 else 0
    )
    options = {"style_net": net, "recipe": RECIPE, **options}
    return fast_style(
        *judge, photos, styles, schedule=replace(SCHEDULE, **dict(changes)), **options
    )


@pytest.fixture(scope="module")
def both(judge, photos, styles, tmp_path_factory):
    """Returns a network of two styles after 12 steps, and its checkpoint."""
    path = tmp_path_factory.mktemp("train") / "run.checkpoint"
    return train(judge, photos, styles, checkpoint=CheckpointFile(path), held_out=photos), path


@pytest.mark.parametrize("styles", [0, 2])
def test_pictures_begin_with_the_contrast_of_photographs(photos, styles):
    net = build_style_net("transform_reflect", width=2, blocks=1, styles=styles)
    params = draw_params(net, jax.random.key(0))
    params = mix_styles(params, np.ones(styles) / max(styles, 1))
    picture = np.asarray(net.apply(params, photos[0] / np.float32(255))["image"])
    # 0.588 tanh(0.3 n) + 0.5 with n of unit variance, a channel each.
    np.testing.assert_allclose(picture.std((0, 1)), 0.17, atol=0.02)
    np.testing.assert_allclose(picture.mean((0, 1)), 0.5, atol=0.02)


def test_a_network_without_norms_begins_as_it_is_drawn():
    net = conv_net(SIDE)[0]
    found = draw_params(net, jax.random.key(1))
    plain = random_params(net, jax.random.key(1), preprocess="imagenet")
    chex.assert_trees_all_equal(found, plain)


@pytest.mark.slow
def test_training_lowers_the_loss_of_photographs_held_out(both):
    curves = both[0].training.curves
    assert curves["loss"].shape == (12, 2) and set(curves) >= {"style", "content"}
    total = sum(curves[name][:, 1] for name in ("style", "content", "variation"))
    np.testing.assert_allclose(curves["loss"][:, 1], total, rtol=1e-4)
    assert curves["validation loss"][:, 0].tolist() == [6, 12]
    assert curves["validation loss"][-1, 1] < 0.7 * curves["loss"][0, 1]


@pytest.mark.slow
def test_every_norm_learns_each_style_its_own_way(both):
    net, params = both[0].net, both[0].params
    norms = [row.name for row in net.rows if row.op == "inorm"]
    for name in norms:
        scale = params[name]["scale"]
        assert scale.shape[0] == 2 and np.abs(scale[0] - scale[1]).max() > 1e-4


@pytest.mark.slow
def test_a_resumed_training_is_the_same_bit_for_bit(both, judge, photos, styles):
    # The same program in the same process, so that even the rounding is the same.
    first, path = both
    half = path.with_name("half")
    train(judge, photos, styles, {"steps": 5}, checkpoint=CheckpointFile(half))
    again = train(judge, photos, styles, checkpoint=CheckpointFile(half, resume=True))
    chex.assert_trees_all_equal(first.params, again.params)
    curves = [one.training.curves["loss"] for one in (first, again)]
    np.testing.assert_array_equal(*curves)


@pytest.mark.slow
def test_a_second_training_compiles_nothing(both, judge, photos, styles):
    other = from_array(np.random.default_rng(1).integers(0, 256, (6, SIDE, SIDE, 3), np.uint8))
    changes = {"steps": 2, "learning_rate": 0.01, "seed": 3}
    recipe = replace(RECIPE, alpha=0.5, beta=7.0, gamma=0.1)

    def call():
        train(judge, other, [1 - one for one in styles], changes, recipe=recipe, key=5)

    # Its programs may have been dropped since the fixture's own training.
    train(judge, photos, styles, {"steps": 1})
    assert compilations(call) == 0


def test_a_checkpoint_of_another_network_is_refused(both, judge, photos, styles):
    wide = build_style_net("transform_same", width=3, blocks=1, styles=2)
    checkpoint = CheckpointFile(both[1], resume=True)
    with pytest.raises(ValueError, match="another network or optimizer"):
        train(judge, photos, styles, {"steps": 14}, style_net=wide, checkpoint=checkpoint)


def test_a_network_for_another_number_of_styles_is_refused(judge, photos, styles):
    with pytest.raises(ValueError, match="at least one style"):
        train(judge, photos, [])
    with pytest.raises(ValueError, match="made for 1 styles, 2 came"):
        net = build_style_net("transform_same", width=2, blocks=1)
        train(judge, photos, styles, style_net=net)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": 0.0}, "beta must be above 0"),
        ({"alpha": np.nan}, "alpha must be a finite number"),
        ({"gamma": -1.0}, "must not be negative"),
        ({"style_taps": ("relu9_9",)}, "no tap 'relu9_9'"),
    ],
)
def test_a_balance_that_teaches_nothing_is_refused(changes, message, judge, photos, styles):
    with pytest.raises(ValueError, match=message):
        train(judge, photos, styles, recipe=replace(RECIPE, **changes))


def test_styles_that_are_none_are_refused(judge, photos, styles):
    with pytest.raises(ValueError, match="style image 0 of 1x1 pixels is too small"):
        train(judge, photos, styles[:1], recipe=replace(RECIPE, style_scale=0.05))
    with pytest.raises(ValueError, match="style_scale must be above 0"):
        train(judge, photos, styles[:1], recipe=replace(RECIPE, style_scale=np.inf))
    with pytest.raises(ValueError, match="style image 0 has transparent pixels"):
        train(judge, photos, [np.zeros((24, 20, 4), np.float32)])


@pytest.mark.parametrize("option", ["steps", "batch", "validate_every", "learning_rate"])
def test_a_schedule_without_steps_is_refused(option):
    with pytest.raises(ValueError, match=f"{option} must be"):
        Schedule(**{option: 0})
    with pytest.raises(ValueError, match="learning_rate must be above 0 and finite"):
        Schedule(learning_rate=np.nan)
