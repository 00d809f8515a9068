"""LeGrad, rollout and Grad-CAM where tokens are: uniform attentions, and what is refused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.attribution.cam.layers import choose_layer
from jaxvis.nets import random_params
from jaxvis.nets.zoo.vit import VitShape, vit
from tests.tiny_nets import conv_net, counted_net

BLOCKS = 2


@functools.cache
def tiny_vit():
    shape = VitShape(patch=8, width=8, depth=BLOCKS, heads=2, hidden=8)
    net = vit("tiny_vit", shape, input_size=(16, 16), classes=3, head="linear")
    return net, random_params(net, jax.random.key(1))


def picture():
    return np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)


def without_attention(params):
    """Returns parameters whose attentions see all tokens alike: queries and keys are 0."""
    changed = dict(params)
    for i in range(BLOCKS):
        row = dict(params[f"blocks.{i}.attn.qkv"])
        keep = jnp.arange(24) >= 16
        changed[f"blocks.{i}.attn.qkv"] = {name: leaf * keep for name, leaf in row.items()}
    return changed


@pytest.mark.slow
def test_uniform_attentions_roll_out_alike():
    net, params = tiny_vit()
    found = jaxvis.attention_rollout(net, without_attention(params), picture(), size="layer")
    # A block passes (1/5 + I) / 2: after two the class token has 0.15 of every patch.
    np.testing.assert_allclose(found, np.full((2, 2), 0.15), rtol=1e-5)
    own = jaxvis.attention_rollout(net, params, [picture(), picture()], normalize=True)
    assert own.shape == (2, 16, 16) and own.min() == 0 and own.max() == 1


def test_le_grad_of_the_last_block_is_the_gradient_of_its_attention():
    net, params = tiny_vit()
    image = picture()
    names = ("blocks.0.tokens", "blocks.1.attn.qkv")
    hidden = jax.jit(lambda: net.forward(params, {"input": image}, names))()
    values = hidden["blocks.1.attn.qkv"][:, 16:].reshape(5, 2, 4)

    def dense(row, x):
        return x @ params[row]["kernel"] + params[row]["bias"]

    def norm(row, x):
        centred = x - x.mean(-1, keepdims=True)
        root = jnp.sqrt(jnp.mean(centred**2, -1, keepdims=True) + 1e-6)
        return centred / root * params[row]["scale"] + params[row]["bias"]

    def score(attention):
        mixed = jnp.einsum("hqk,khd->qhd", attention, values).reshape(5, 8)
        middle = hidden["blocks.0.tokens"] + dense("blocks.1.attn.proj", mixed)
        inner = jax.nn.gelu(
            dense("blocks.1.mlp.fc1", norm("blocks.1.norm2", middle)), approximate=False
        )
        tokens = middle + dense("blocks.1.mlp.fc2", inner)
        return dense("head", norm("norm.tokens", tokens.mean(0)))[1]

    query, key = (hidden["blocks.1.attn.qkv"][:, i : i + 8].reshape(5, 2, 4) for i in (0, 8))

    def rise():
        attention = jax.nn.softmax(jnp.einsum("qhd,khd->hqk", query, key) / 2, axis=-1)
        return jnp.maximum(jax.grad(score)(attention), 0).mean((0, 1))[1:].reshape(2, 2)

    found = jaxvis.le_grad(net, params, image, index=[1, 2], blocks=1, size="layer")
    assert found.shape == (2, 2, 2) and found.min() >= 0
    np.testing.assert_allclose(found[0], jax.jit(rise)(), rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_grad_cam_takes_patches_that_an_attention_still_reads():
    net, params = tiny_vit()
    assert choose_layer(net, params) == "blocks.0"
    image = picture()
    taps = jax.jit(lambda: net.apply(params, image))()
    found = jaxvis.grad_cam(net, params, image, index=[2], size="layer")

    def score(patches):
        given = (patches, taps["blocks.0.class"])
        return net.apply(params, given, start=("blocks.0", "blocks.0.class"))["head"][2]

    weights = jax.jit(jax.grad(score))(taps["blocks.0"]).mean((0, 1))
    expected = np.maximum(taps["blocks.0"] @ weights, 0)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-7)
    with pytest.raises(ValueError, match="does not depend on 'blocks.1'.*such as 'blocks.0'"):
        jaxvis.grad_cam(net, params, image, layer="blocks.1")


def test_networks_whose_attentions_are_not_known_are_refused():
    net, params, _ = counted_net()
    for method in (jaxvis.le_grad, jaxvis.attention_rollout):
        with pytest.raises(ValueError, match="not built from a table.*vit_b_16.*grad_cam"):
            method(net, params, picture())
        with pytest.raises(ValueError, match="tiny_conv has no attention"):
            method(*conv_net(), picture())


def test_le_grad_reads_what_follows_the_last_block():
    net, params = tiny_vit()
    with pytest.raises(ValueError, match="follows the last block"):
        jaxvis.le_grad(net, params, picture(), tap="blocks.0", index=0)
    with pytest.raises(ValueError, match="blocks is from 1 to 2"):
        jaxvis.le_grad(net, params, picture(), blocks=3)
