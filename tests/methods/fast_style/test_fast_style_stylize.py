"""Pictures by style networks: styles, sizes, tiles, augmentation, export."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxvis.methods.fast_style.stylize import exported, of_style, restyled, stylize
from jaxvis.nets import random_params
from jaxvis.nets.zoo.style_net import NAMES, transform
from jaxvis.weights.style_file import load_transform, save_transform

SIZE = (27, 38)


def _net(name, styles=0, width=2):
    net = transform(name, width=width, blocks=1, styles=styles)
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
    return _net("transform_reflect", styles=2)


@pytest.mark.parametrize(
    "name",
    [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])],
)
def test_tiles_give_the_picture_of_the_whole(name, photo):
    net, params = _net(name)
    whole = stylize(net, params, photo)
    assert whole.shape == (*SIZE, 3) and whole.std() > 0.01
    tiles = stylize(net, params, photo, tile=11)  # 12: three rows, four columns
    np.testing.assert_allclose(tiles, whole, atol=2e-5)
    assert 0 <= whole.min() and whole.max() <= 1


def test_a_style_is_chosen_or_mixed(two_styles, photo):
    net, params = two_styles
    pictures = [stylize(net, params, photo, style=s) for s in (0, 1, [1, 1], [2, 0])]
    first, second, both, again = pictures
    np.testing.assert_array_equal(first, again)
    assert min(np.abs(first - second).max(), np.abs(both - first).max()) > 0.01


def test_the_same_size_compiles_once(two_styles, photo):
    from tests.tiny_nets import compilations

    net, params = two_styles
    stylize(net, params, photo, style=0)
    assert not compilations(lambda: stylize(net, params, photo[::-1], style=[0.2, 1]))


def test_augmentation_stays_between_photograph_and_picture(two_styles, photo):
    net, params = two_styles
    none = restyled(net, params, 3, photo, strength=(0, 0))
    np.testing.assert_array_equal(none, photo)
    found = [restyled(net, params, key, photo) for key in (3, 3, 4)]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0.01
    assert all(0 <= x.min() and x.max() <= 1 for x in found)


def test_an_exported_program_paints_the_same(two_styles, photo):
    net, params = two_styles
    program = exported(net, params, size=SIZE, style=1, platforms=("cpu",))
    again = export.deserialize(bytearray(program)).call(jnp.asarray(photo))
    np.testing.assert_allclose(again, stylize(net, params, photo, style=1), atol=1e-5)


def test_a_file_says_how_large_its_network_is(two_styles, tmp_path):
    net, params = two_styles
    save_transform(tmp_path / "a.safetensors", net, params, styles=["wave", "scream"])
    found = load_transform(tmp_path / "a.safetensors")
    assert found.net == net and found.styles == ("wave", "scream")
    jax.tree.map(np.testing.assert_array_equal, found.params, params)
    with pytest.raises(ValueError, match="1 names for 2 styles"):
        save_transform(tmp_path / "b.safetensors", net, params, styles=["wave"])


def test_what_does_not_fit_is_refused(two_styles, photo, tmp_path):
    net, params = two_styles
    one, own = _net("transform_same")
    for style, message in (
        (None, "choose one, or mix"),
        (2, "from 0 to 1"),
        ([1.0], "each of 2 styles"),
        ([1.0, -1.0], "sum to 0"),
        ([1.0, np.nan], "each of 2 styles"),
    ):
        with pytest.raises(ValueError, match=message):
            of_style(params, style)
    with pytest.raises(ValueError, match="one style"):
        of_style(own, 1)
    with pytest.raises(ValueError, match="must be one image"):
        stylize(one, own, photo[None])
    with pytest.raises(ValueError, match="at least 1 pixel"):
        stylize(one, own, photo, tile=0)
    with pytest.raises(ValueError, match="strength"):
        restyled(one, own, 0, photo, strength=(0.5, 0.2))
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_transform(tmp_path / "none.safetensors")
    from jaxvis import load
    from jaxvis.weights import file as weights_file

    demo = tmp_path / "demo.safetensors"
    weights_file.save(demo, *load("demo"))
    with pytest.raises(ValueError, match="holds demo, which is no style network"):
        load_transform(demo)
