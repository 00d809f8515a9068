"""Pictures by style networks: styles, sizes, tiles, augmentation."""

import jax
import numpy as np
import pytest
from tiny_nets import compilations

from jaxvis.methods.fast_style.stylize import choose_style, restyle, stylize
from jaxvis.nets import random_params
from jaxvis.nets.zoo.style_net import NAMES, build_style_net

SIZE = (27, 38)


def make_net(name, styles=0, width=2):
    net = build_style_net(name, width=width, blocks=1, styles=styles)
    params = random_params(net, jax.random.key(1))
    draw = np.random.default_rng(2)
    for row in params:
        for leaf in params[row].keys() & {"scale", "bias"} if row != "input" else ():
            # Scales far from 1 make a wrong statistic show.
            noise = draw.normal(size=params[row][leaf].shape).astype(np.float32)
            params[row][leaf] = params[row][leaf] + 0.3 * noise
    return net, params


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).random((*SIZE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def two_styles():
    return make_net("transform_reflect", styles=2)


@pytest.fixture(scope="module")
def one_style():
    return make_net("transform_same")


@pytest.mark.parametrize(
    "name",
    [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])],
)
def test_tiles_give_the_picture_of_the_whole(name, photo):
    net, params = make_net(name)
    whole = stylize(net, params, photo)
    assert whole.shape == (*SIZE, 3) and whole.std() > 0.01
    tiles = stylize(net, params, photo, tile=11)  # 12: three rows, four columns
    # Two programs, whose sums round differently in a dozen layers.
    np.testing.assert_allclose(tiles, whole, atol=2e-5)
    assert 0 <= whole.min() and whole.max() <= 1


def test_a_style_is_chosen_or_mixed(two_styles, photo):
    net, params = two_styles
    pictures = [stylize(net, params, photo, style=s) for s in (0, 1, [1, 1], [2, 0], np.int64(1))]
    first, second, both, again, number = pictures
    np.testing.assert_array_equal(first, again)  # the same program with the same numbers
    np.testing.assert_array_equal(second, number)
    assert min(np.abs(first - second).max(), np.abs(both - first).max()) > 0.01


def test_a_second_picture_of_a_size_compiles_nothing(two_styles, photo):
    net, params = two_styles
    stylize(net, params, photo, style=0)
    other = jax.tree.map(lambda leaf: 2 * leaf, params)
    assert compilations(lambda: stylize(net, other, photo[::-1], style=1)) == 0
    assert compilations(lambda: stylize(net, other, photo[::-1], style=[0.2, 1])) == 0
    restyle(net, params, 0, photo)
    assert compilations(lambda: restyle(net, params, 1, photo[::-1], strength=(0.1, 0.4))) == 0


def test_augmentation_stays_between_photograph_and_picture(two_styles, photo):
    net, params = two_styles
    none = restyle(net, params, 3, photo, strength=(0, 0))
    np.testing.assert_array_equal(none, photo)
    found = [restyle(net, params, key, photo) for key in (3, 3, 4)]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0.01
    assert all(0 <= x.min() and x.max() <= 1 for x in found)


def test_images_of_bytes_are_augmented_as_images_of_floats(one_style, photo):
    pixels = np.round(255 * photo).astype(np.uint8)
    found = restyle(*one_style, 0, pixels, strength=(0.5, 0.5))
    expected = restyle(*one_style, 0, pixels / np.float32(255), strength=(0.5, 0.5))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("style", "message"),
    [
        (None, "choose one, or mix"),
        (2, "from 0 to 1"),
        ([1.0], "each of 2 styles"),
        ([1.0, -1.0], "sum to 0"),
        ([1.0, np.nan], "each of 2 styles"),
    ],
)
def test_a_style_that_is_not_there_is_refused(style, message, two_styles):
    with pytest.raises(ValueError, match=message):
        choose_style(two_styles[1], style)


def test_a_network_of_one_style_has_no_choice(one_style):
    for style in (1, [0.5, 0.5]):
        with pytest.raises(ValueError, match="one style"):
            choose_style(one_style[1], style)
    assert choose_style(one_style[1], 0) is one_style[1]


def test_what_does_not_fit_is_refused(one_style, photo):
    with pytest.raises(ValueError, match="is a batch of 1"):
        stylize(*one_style, photo[None])
    with pytest.raises(ValueError, match="at least 1 pixel"):
        stylize(*one_style, photo, tile=0)
    for strength in ((0.5, 0.2), (np.nan, 1.0), (0.0, 1.5)):
        with pytest.raises(ValueError, match="strength goes from LOW to HIGH"):
            restyle(*one_style, 0, photo, strength=strength)
