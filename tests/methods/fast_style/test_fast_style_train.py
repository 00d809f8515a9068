"""Training of style networks, on the embedded network and tiny photographs."""

import jax
import numpy as np
import pytest
from tiny_nets import conv_net

import jaxvis
from jaxvis.methods.fast_style.train import _begun, fast_style
from jaxvis.nets.random import random_params
from jaxvis.nets.zoo.style_net import mixed, transform
from jaxvis.train.images import from_array

TAPS = {"content_taps": ("relu2_1",), "style_taps": ("relu1_1", "relu2_1")}
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


def trained(judge, photos, styles, **options):
    net = transform(
        "transform_same",
        width=2,
        blocks=1,
        styles=len(styles) if len(styles) > 1 else 0,
    )
    options = {"batch": 2, "learning_rate": 0.02, "transform_net": net, **options}
    return fast_style(*judge, photos, styles, **TAPS, **options)


def _same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)


@pytest.fixture(scope="module")
def both(judge, photos, styles, tmp_path_factory):
    """Returns a network of two styles after 12 steps, and its checkpoint."""
    path = tmp_path_factory.mktemp("train") / "run.checkpoint"
    found = trained(
        judge,
        photos,
        styles,
        steps=12,
        checkpoint=path,
        held_out=photos,
        validate_every=6,
    )
    return found, path


@pytest.mark.parametrize("styles", [0, 2])
def test_pictures_begin_with_the_contrast_of_photographs(photos, styles):
    net = transform("transform_reflect", width=2, blocks=1, styles=styles)
    params = mixed(_begun(net, jax.random.key(0)), np.ones(styles) / max(styles, 1))
    picture = np.asarray(net.apply(params, photos[0] / np.float32(255))["image"])
    # 0.588 tanh(0.3 n) + 0.5 with n of unit variance, a channel each.
    np.testing.assert_allclose(picture.std((0, 1)), 0.17, atol=0.02)
    np.testing.assert_allclose(picture.mean((0, 1)), 0.5, atol=0.02)


def test_a_network_without_norms_begins_as_it_is_drawn():
    net = conv_net(SIDE)[0]
    found = _begun(net, jax.random.key(1))
    drawn = random_params(net, jax.random.key(1), preprocess="imagenet")
    jax.tree.map(np.testing.assert_array_equal, found, drawn)


def test_training_lowers_the_loss_of_photographs_held_out(both):
    curves = both[0].trained.curves
    assert curves["loss"].shape == (12, 2) and set(curves) >= {"style", "content"}
    total = sum(curves[name][:, 1] for name in ("style", "content", "variation"))
    np.testing.assert_allclose(curves["loss"][:, 1], total, rtol=1e-4)
    assert curves["validation loss"][:, 0].tolist() == [6, 12]
    assert curves["validation loss"][-1, 1] < 0.7 * curves["loss"][0, 1]


def test_every_norm_learns_each_style_its_own_way(both):
    net, params = both[0].net, both[0].params
    norms = [row.name for row in net.rows if row.op == "inorm"]
    for name in norms:
        scale = params[name]["scale"]
        assert scale.shape[0] == 2 and np.abs(scale[0] - scale[1]).max() > 1e-4


def test_a_resumed_training_is_the_same_bit_for_bit(both, judge, photos, styles):
    first, path = both
    half = path.with_name("half")
    trained(judge, photos, styles, steps=5, checkpoint=half)
    again = trained(judge, photos, styles, steps=12, checkpoint=half, resume=True)
    _same(first, again)
    np.testing.assert_array_equal(first.trained.curves["loss"], again.trained.curves["loss"])


def test_a_checkpoint_of_another_network_is_refused(both, judge, photos, styles):
    wide = transform("transform_same", width=3, blocks=1, styles=2)
    with pytest.raises(ValueError, match="another network or optimizer"):
        trained(
            judge,
            photos,
            styles,
            transform_net=wide,
            steps=14,
            checkpoint=both[1],
            resume=True,
        )


def test_what_cannot_be_trained_is_refused(judge, photos, styles):
    with pytest.raises(ValueError, match="at least one style"):
        trained(judge, photos, [])
    with pytest.raises(ValueError, match="made for 1 styles, 2 came"):
        net = transform("transform_same", width=2, blocks=1)
        trained(judge, photos, styles, transform_net=net)
    with pytest.raises(ValueError, match="beta is 0"):
        trained(judge, photos, styles, beta=0.0)
    with pytest.raises(ValueError, match="style image 0 of 1x1 pixels is too small"):
        trained(judge, photos, styles[:1], style_scale=0.05)
    with pytest.raises(ValueError, match="style image 0 is grey"):
        trained(judge, photos, [styles[0][..., 0]])
    with pytest.raises(ValueError, match="no tap 'relu9_9'"):
        fast_style(*judge, photos, styles, content_taps=("relu1_1",), style_taps=("relu9_9",))
