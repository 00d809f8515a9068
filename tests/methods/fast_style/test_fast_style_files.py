"""Files of style networks: written, read again, and refused where they hold something else."""

import chex
import jax
import pytest

import jaxvis
from jaxvis.nets import random_params
from jaxvis.nets.zoo.style_net import build_style_net
from jaxvis.weights import file as weights_file
from jaxvis.weights.style_file import load_transform, save_transform


@pytest.fixture(scope="module")
def two_styles():
    net = build_style_net("transform_reflect", width=2, blocks=1, styles=2)
    return net, random_params(net, jax.random.key(1))


def test_a_file_says_how_large_its_network_is(two_styles, tmp_path):
    net, params = two_styles
    save_transform(tmp_path / "a.safetensors", net, params, styles=["wave", "scream"])
    found = load_transform(tmp_path / "a.safetensors")
    assert found.net == net and found.styles == ("wave", "scream")
    chex.assert_trees_all_equal(found.params, params)
    with pytest.raises(ValueError, match="1 names for 2 styles"):
        save_transform(tmp_path / "b.safetensors", net, params, styles=["wave"])


def test_files_without_a_style_network_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_transform(tmp_path / "none.safetensors")
    demo = tmp_path / "demo.safetensors"
    weights_file.save(demo, *jaxvis.load("demo"))
    with pytest.raises(ValueError, match="holds demo, which is no style network"):
        load_transform(demo)
