"""The ops of transformers, with values by hand; hidden rows, geometry, precision."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.nets.random import random_params
from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.fields import canvas_of, check_field, field_of, reach_of
from jaxvis.nets.table.forward import build_network, parameter_shapes, with_compute
from jaxvis.nets.table.geometry import geometry, layers_table, parameter_counts, stride_of
from jaxvis.nets.table.layers import Layer, minimum, rows_between, shapes
from jaxvis.nets.table.segments import segments
from jaxvis.nets.table.token_ops import Attention, Tokens, resize_positions, weigh_cubically
from jaxvis.nets.zoo.vit import VitShape, vit
from jaxvis.weights.file import read, save, tensor_shapes
from tests.tiny_nets import run_once

TINY = VitShape(patch=8, width=8, depth=2, heads=2, hidden=12)
SIDE = 24


@functools.cache
def tiny_vit():
    """Returns (net, params, image, taps of the image)."""
    net = vit("tiny_vit", TINY, input_size=(SIDE, SIDE), classes=5)
    params = random_params(net, jax.random.key(0), preprocess="imagenet")
    positions = jax.random.normal(jax.random.key(1), (10, 8))
    params["tokens"] = {**params["tokens"], "pos_embed": positions}
    image = jax.random.uniform(jax.random.key(2), (SIDE, SIDE, 3))
    return net, params, image, run_once(net.apply, params, image)


def close(got, wanted, atol=1e-5):
    np.testing.assert_allclose(got, wanted, atol=atol, rtol=1e-4)


def test_cubic_weights_by_hand():
    # The second of four new cells lies a quarter behind the first of two old ones. At the
    # distances 1.25, 0.25, 0.75 and 1.75 the kernel is -0.10546875, 0.87890625, 0.26171875
    # and -0.03515625; what lies beyond an end counts for the end.
    weights = weigh_cubically(2, 4)
    close(weights[1], [0.7734375, 0.2265625])
    close(weights.sum(axis=1), 1)
    close(weights[::-1, ::-1], weights)
    close(weigh_cubically(5, 5), np.eye(5))


def test_positions_are_resized_along_both_sides():
    positions = jax.random.normal(jax.random.key(0), (2, 3, 4))
    tall, wide = weigh_cubically(2, 5), weigh_cubically(3, 2)
    close(resize_positions(positions, (5, 2)), np.einsum("ah,bw,hwc->abc", tall, wide, positions))
    np.testing.assert_array_equal(resize_positions(positions, (2, 3)), positions)


def test_tokens_are_the_class_token_and_the_cells_in_reading_order():
    tokens = Tokens((1, 2, 1))
    tokens.cls_token[...] = jnp.asarray([5.0])
    tokens.pos_embed[...] = jnp.asarray([[0.5], [0.1], [0.2]])
    close(tokens(jnp.asarray([[[[1.0], [2.0]]]])), [[[5.5], [1.1], [2.2]]])


def test_attention_by_hand():
    # One head of one channel, columns query, key, value. The first query is zero, so it
    # gets the mean of 1 and 5; the second one, ln 3, weighs the values 1/4 and 3/4.
    x = jnp.asarray([[[0.0, 0.0, 1.0], [np.log(3), 1.0, 5.0]]])
    close(Attention(1, Compute())(x), [[[3.0], [4.0]]])
    # Two heads side by side: in the second one both queries are zero.
    q, k, v = x[0, :, 0], x[0, :, 1], x[0, :, 2]
    both = jnp.stack([q, 0 * q, k, k, v, v], axis=-1)[None]
    close(Attention(2, Compute())(both), [[[3.0, 3.0], [4.0, 3.0]]])


def test_attention_divides_by_the_root_of_the_width_of_a_head():
    # Four equal channels: q . k is four times as large, and its root 2 is divided out.
    x = jnp.asarray([[[0.0, 0.0, 1.0], [np.log(3), 0.5, 5.0]]]).repeat(4, axis=-1)
    close(Attention(1, Compute())(x), [[[3.0] * 4, [4.0] * 4]])


def test_nonlinearity_of_clip():
    rows = (Layer("act", "quick_gelu"),)
    net = build_network("act", rows, input_size=(1, 1), channels=1)
    params = {"input": {"scale": jnp.ones(1), "shift": jnp.zeros(1)}}
    close(net.apply(params, jnp.ones((1, 1, 1)))["act"][0, 0, 0], 1 / (1 + np.exp(-1.702)))


def test_taps_are_maps_and_vectors_and_nothing_else():
    net, _, _, taps = tiny_vit()
    assert list(net.taps[:6]) == [
        "input",
        "patch_embed.proj",
        "blocks.0.attn",
        "blocks.0.attn.class",
        "blocks.0.mlp.act",
        "blocks.0.mlp.act.class",
    ]
    assert net.taps[-6:] == ("blocks.1", "blocks.1.class", "norm", "norm.class", "head", "prob")
    assert set(taps) == set(net.taps)
    at = shapes(net.rows, net.input_size)
    assert {tap: value.shape for tap, value in taps.items()} == {tap: at[tap] for tap in net.taps}
    assert at["blocks.0.mlp.act"] == (3, 3, 12) and at["blocks.0.class"] == (8,)
    assert at["blocks.0.attn.qkv"] == (10, 24)


def test_views_show_the_sequence():
    net, params, image, taps = tiny_vit()
    values = {"input": image}
    sequence = run_once(lambda x: net.forward(params, x, ("blocks.0.tokens",)), values)
    close(taps["blocks.0.class"], sequence["blocks.0.tokens"][0])
    close(taps["blocks.0"][1, 2], sequence["blocks.0.tokens"][1 + 3 + 2])


def test_a_stop_computes_what_it_needs_and_the_views_on_the_way():
    net, params, image, _ = tiny_vit()
    found = jax.eval_shape(lambda x: net.apply(params, x, stop="blocks.0.attn.class"), image)
    assert set(found) == {"input", "patch_embed.proj", "blocks.0.attn", "blocks.0.attn.class"}


def test_both_parts_of_a_block_are_an_entrance():
    net, params, _, taps = tiny_vit()
    start = ("blocks.0", "blocks.0.class")
    parts = tuple(taps[tap] for tap in start)
    found = run_once(lambda parts: net.apply(params, parts, start=start), parts)
    for tap in ("blocks.1.attn", "blocks.1", "norm.class", "prob"):
        close(found[tap], taps[tap])
    spare = net.rematerialise()
    found = run_once(lambda p: spare.apply(params, p, start=start, stop=("norm", "prob")), parts)
    close(found["norm"], taps["norm"])
    assert set(found) <= set(net.taps)


@pytest.mark.parametrize("name", ["blocks.0.attn.qkv", "blocks.1.tokens", "outline"])
def test_a_hidden_row_is_refused(name):
    net, params, image, _ = tiny_vit()
    for options in ({"stop": name}, {"start": name}):
        with pytest.raises(ValueError, match=f"'{name}' is a sequence of tokens, no tap"):
            net.apply(params, image, **options)


def test_one_part_alone_is_no_entrance():
    net, params, _, taps = tiny_vit()
    wanted = re.escape("start=('blocks.0', 'blocks.0.class')")
    for tap in ("blocks.0", "blocks.0.class"):
        with pytest.raises(ValueError, match=wanted):
            net.apply(params, taps[tap], start=tap)


def test_another_size_has_other_positions():
    net, params, _, _ = tiny_vit()
    # Pixels behind the last whole patch are not seen: 33 x 17 are 4 x 2 patches of 8.
    image = jax.random.uniform(jax.random.key(3), (33, 17, 3))
    other = vit("tiny_vit", TINY, input_size=(32, 16), classes=5)
    moved = resize_positions(params["tokens"]["pos_embed"][1:].reshape(3, 3, 8), (4, 2))
    positions = jnp.concatenate([params["tokens"]["pos_embed"][:1], moved.reshape(8, 8)])
    native = {**params, "tokens": {**params["tokens"], "pos_embed": positions}}
    got = net.forward(params, {"input": image}, ("tokens",))["tokens"]
    close(got, other.forward(native, {"input": image[:32, :16]}, ("tokens",))["tokens"])
    assert got.shape == (9, 8)


def test_an_image_below_a_patch_is_too_small():
    net, params, _, _ = tiny_vit()
    assert minimum(net.rows) == 8
    with pytest.raises(ValueError, match="at least 8 pixels"):
        net.apply(params, jnp.ones((7, 9, 3)))


def test_jit_vmap_and_eager_agree():
    net, params, image, taps = tiny_vit()
    images = jnp.stack([image, 1 - image])
    batch = run_once(jax.vmap(net.apply, (None, 0)), params, images)
    eager = net.apply(params, image, stop="blocks.0")
    for tap in net.taps:
        close(batch[tap][0], taps[tap])
        close(eager.get(tap, taps[tap]), taps[tap])


def test_rematerialisation_changes_nothing():
    net, params, image, _ = tiny_vit()

    def energy(net, image):
        found = net.apply(params, image, stop=("blocks.0", "head"))
        return jnp.sum(found["blocks.0"] ** 2) + jnp.sum(found["head"] ** 2)

    one, other = (
        run_once(jax.grad(functools.partial(energy, each)), image)
        for each in (net, net.rematerialise())
    )
    close(one, other, atol=1e-5 * np.abs(one).max())


def test_a_network_is_cut_between_blocks():
    net = vit("deep", VitShape(patch=8, width=8, depth=6, heads=2), input_size=(SIDE, SIDE))
    wanted = ("blocks.5",)
    needed = rows_between(net.rows, frozenset(["input"]), wanted)
    parts = segments(net.rows, net.input_size, needed, wanted)
    assert len(parts) > 3
    assert {name for inner, _ in parts for name in inner} == needed


@pytest.mark.parametrize("precision", ["bfloat16", "tf32"])
def test_other_precisions_are_near(precision):
    net, params, image, taps = tiny_vit()
    other = with_compute(net, Compute(precision))
    found = run_once(other.apply, other.prepare(params), image)
    for tap in net.taps:
        assert found[tap].dtype == jnp.float32
        assert np.abs(found[tap] - taps[tap]).max() < 0.05 * np.abs(taps[tap]).max()


def test_random_parameters_are_small_where_they_are_added():
    net, params, _, _ = tiny_vit()
    params = random_params(net, jax.random.key(0))
    assert jax.tree.map(jnp.shape, params) == parameter_shapes(net)
    assert 0.01 < np.std(params["tokens"]["pos_embed"]) < 0.03
    assert np.abs(params["tokens"]["cls_token"]).max() < 0.1
    close(params["blocks.0.norm1"]["scale"], 1)
    close(np.std(params["blocks.0.attn.qkv"]["kernel"]), 0.5, atol=0.1)
    cut = random_params(net, jax.random.key(0), stop="blocks.0")
    assert "blocks.1.attn.qkv" not in cut
    np.testing.assert_array_equal(
        cut["blocks.0.mlp.fc2"]["kernel"], params["blocks.0.mlp.fc2"]["kernel"]
    )


def test_files_hold_the_hidden_rows_too(tmp_path):
    net, params, _, _ = tiny_vit()
    assert {name.partition("/")[0] for name in tensor_shapes(net)} == set(parameter_shapes(net))
    save(tmp_path / "tiny.safetensors", net, params)
    back = read(tmp_path / "tiny.safetensors", net)
    np.testing.assert_array_equal(back["tokens"]["pos_embed"], params["tokens"]["pos_embed"])


def test_units_behind_an_attention_see_the_whole_image():
    net, params, _, _ = tiny_vit()
    rows = {row.name: row for row in geometry(net)}
    assert tuple(rows) == net.taps
    patch, block = rows["patch_embed.proj"], rows["blocks.1"]
    assert (patch.receptive_field, patch.stride, patch.offset) == (8, 8, 3.5)
    assert (block.receptive_field, block.stride, block.offset) == (SIDE, 8, 3.5)
    assert field_of(net, "blocks.0.attn.class") == field_of(net, "head") == SIDE
    assert stride_of(net, params, "blocks.0.mlp.act") == 8
    assert canvas_of(net, "blocks.0") == canvas_of(net, "blocks.0.class") == (SIDE, SIDE)
    assert canvas_of(net, "patch_embed.proj") == (15, 15)
    check_field(net, ("blocks.0", "norm"), (8, 8), "a picture")


def test_parameters_of_hidden_rows_count_with_the_next_tap():
    net, _, _, _ = tiny_vit()
    rows = {row.name: row.parameters for row in geometry(net)}
    assert sum(rows.values()) == sum(parameter_counts(net).values())
    # Tokens (8 and 10 x 8), the norm, queries, keys and values, and the projection.
    assert rows["blocks.0.attn"] == 8 + 80 + 16 + (8 * 24 + 24) + (64 + 8)
    assert "blocks.0.attn.qkv" not in layers_table(net)


def test_layers_are_described_as_the_taps_are():
    net, _, _, _ = tiny_vit()
    layers = net.forward.describe_layers()
    assert tuple(layer.tap for layer in layers) == net.taps
    assert layers[2].what == "patches of the tokens" and layers[3].what == "class token"


def test_tiles_and_tori_are_refused_behind_an_attention():
    net, _, _, _ = tiny_vit()
    assert reach_of(net, ("patch_embed.proj",)).margin == 0
    with pytest.raises(ValueError, match="'blocks.0.attn' comes after an attention"):
        reach_of(net, ("blocks.0.attn",))
