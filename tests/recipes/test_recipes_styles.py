"""The published settings: they fit VGG-19, and what is wrong with others is said."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from tiny_nets import SIDE, relu_net

from jaxvis.methods.style.style import style
from jaxvis.nets import build
from jaxvis.recipes.styles import (
    BLOCKS,
    STYLES,
    TEXTURES,
    TextureRecipe,
    choose_style,
    choose_texture,
    list_block_taps,
)

OWN = replace(STYLES["gatys"], content_taps=("relu2",), style_taps=("relu1", "relu2"))
TEXTURE = TextureRecipe(("relu1", "relu2"), "equal")


@pytest.fixture(scope="module")
def net():
    """Returns a network of two rectified convolutions."""
    return relu_net(SIDE, depth=2)[0]


def test_presets_name_taps_of_vgg19():
    vgg = build("vgg19", pool="avg")
    for recipe in STYLES.values():
        vgg.check_taps((*recipe.content_taps, *recipe.style_taps))
    for recipe in TEXTURES.values():
        vgg.check_taps(recipe.taps)
    assert vgg.check_taps(BLOCKS) == BLOCKS


def test_the_paper_ratio_of_ranvgg_is_100_to_1_to_1000():
    recipe = STYLES["ranvgg"]
    assert (recipe.alpha, recipe.beta, recipe.gamma) == (100, 1, 1000)
    strong = STYLES["ranvgg_strong"]
    assert (strong.alpha, strong.beta, strong.gamma) == (1, 30, 3000)
    # A sum over pixels, as the text can be read as well, would blur the picture away.
    assert recipe.variation == strong.variation == "mean"
    assert recipe.content_taps == ("relu2_2",) and STYLES["pmci"].denoise == 0.2


def test_gatys_keeps_the_published_numbers_and_the_default_its_own():
    gatys, relative = STYLES["gatys"], STYLES["relative"]
    assert (gatys.alpha, gatys.beta, gatys.scales, gatys.steps) == (1, 1e3, 1, 300)
    assert (gatys.content_weights, gatys.style_weights) == ("mean", "channels")
    assert inspect.signature(style).parameters["recipe"].default == "relative"
    assert relative.scales is None and relative.noise == 0 and relative.variation == "mean"


def test_the_first_blocks_of_vgg_are_listed():
    assert list_block_taps(1) == ("relu1_1",) and list_block_taps(5) == BLOCKS
    for count in (0, 6):
        with pytest.raises(ValueError, match=f"blocks 1 to 5, not {count}"):
            list_block_taps(count)


def test_changes_that_are_none_keep_the_presets_own(net):
    assert choose_style(net, OWN, beta=None, alpha=2.0) == replace(OWN, alpha=2.0)
    assert choose_texture(net, TEXTURE, steps=None, bounds="unit") == replace(
        TEXTURE, bounds="unit"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content_taps": ("relu9",)}, "no tap 'relu9'"),
        ({"style_taps": ("relu9",)}, "no tap 'relu9'"),
        ({"alpha": 0.0, "beta": 0.0}, "alpha and beta are both 0"),
        ({"alpha": -1.0}, "must not be negative"),
        ({"beta": np.nan}, "beta must be a finite number, not nan"),
        ({"gamma": np.inf}, "gamma must be a finite number, not inf"),
        ({"denoise": np.nan}, "denoise must be a finite number, not nan"),
        ({"noise": 2.0}, "noise is a part"),
        ({"noise": np.nan}, "noise is a part"),
    ],
)
def test_settings_of_a_style_that_do_not_fit_are_refused(changes, message, net):
    with pytest.raises(ValueError, match=message):
        choose_style(net, OWN, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"taps": ("relu9",)}, "no tap 'relu9'"),
        ({"taps": ()}, "at least one tap"),
        ({"bounds": "wide"}, "bounds must be one of source, unit, none, not 'wide'"),
    ],
)
def test_settings_of_a_texture_that_do_not_fit_are_refused(changes, message, net):
    with pytest.raises(ValueError, match=message):
        choose_texture(net, TEXTURE, **changes)


@pytest.mark.parametrize("recipe", ["monet", None, TEXTURE])
def test_unknown_presets_are_refused(recipe, net):
    with pytest.raises(ValueError, match="recipe must be one of relative, gatys, ranvgg"):
        choose_style(net, recipe)
    if recipe is not TEXTURE:
        with pytest.raises(ValueError, match="recipe must be one of gatys, ranvgg, or a Texture"):
            choose_texture(net, recipe)
