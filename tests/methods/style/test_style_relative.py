"""What the default of style is made of: relative losses, coarse scales, a start of one's own."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from tiny_nets import SIDE, photograph, relu_net

from jaxvis.methods.style.style import style
from jaxvis.nets.table.fields import least_side
from tests.methods.style.painting import RECIPE, TAPS, paint


def test_the_mean_variation_weighs_as_much_at_any_size(net, painting):
    content = np.asarray(photograph(SIDE))
    changes = {"gamma": 3.0, "variation": "mean"}
    run = paint(net, content, painting, changes, steps=1)
    expected = sum((np.diff(content, axis=axis) ** 2).sum() for axis in (0, 1)) / SIDE**2
    assert run.trace["variation"][0, 0] == pytest.approx(3 * expected, rel=1e-4)


def test_relative_losses_do_not_depend_on_the_networks_weights(net, painting):
    net, params = net
    changes = {"content_weights": "relative", "style_weights": "relative", "noise": 1.0}
    first = params[TAPS[0].replace("relu", "conv")]
    larger = {
        **params,
        TAPS[0].replace("relu", "conv"): jax.tree.map(lambda leaf: 100 * leaf, first),
    }
    losses = [
        paint((net, weights), photograph(SIDE), painting, changes, steps=1).trace["loss"][0, 0]
        for weights in (params, larger)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_a_start_of_ones_own_is_what_is_painted_over(net, painting):
    begin = 1 - np.asarray(photograph(SIDE))
    run = paint(net, photograph(SIDE), painting, steps=1, init=begin)
    assert np.abs(run.image[0] - begin).max() < 0.021  # Adam's first step is 0.02 far
    other = paint(net, photograph(SIDE), painting, steps=1, init=np.repeat(begin, 2, axis=0))
    assert np.abs(other.image[0] - begin).mean() < 0.05  # of any size
    grey = paint(net, photograph(SIDE), painting, {"colour": "luminance"}, steps=1, init=begin)
    assert np.abs(grey.image[0] - photograph(SIDE)).max() > 0.1


def test_coarse_scales_enlarge_a_style_that_would_be_too_small(painting):
    net, params = relu_net(SIDE, depth=5)
    taps = ("relu5",)
    least = least_side(net, taps)
    thin = np.repeat(painting, 2, axis=1)
    recipe = replace(RECIPE, content_taps=("relu2",), style_taps=taps, scales=3, steps=1)
    scale = 1.01 * least / (SIDE * (thin.shape[0] / thin.shape[1]) ** 0.5)
    run = style(net, params, photograph(SIDE), thin, recipe=replace(recipe, style_scale=scale))
    assert run.trace["loss"].shape == (1, 3)
    with pytest.raises(ValueError, match="style image 0 of .* is too small"):
        style(net, params, photograph(SIDE), thin, recipe=replace(recipe, style_scale=scale / 2))
