"""Names of vision transformers in files -> rows, and what tells size and preprocessing."""

import numpy as np
import pytest

from weights_convert.checkpoint import StoredTensor
from weights_convert.preprocessing import PRESETS
from weights_convert.vit_names import (
    Source,
    choose_preset,
    find_input_size,
    find_sources,
    is_harmless,
    unify,
)

VIT = ("tokens", "head")
CLIP = ("tokens", "proj")


@pytest.mark.parametrize(
    "rows, theirs, ours",
    [
        (VIT, "cls_token", "tokens/cls_token"),
        (VIT, "blocks.11.norm2.bias", "blocks.11.norm2/bias"),
        (VIT, "blocks.0.attn.qkv.weight", "blocks.0.attn.qkv/kernel"),
        (VIT, "norm.weight", "norm.tokens/scale"),
        (VIT, "head.weight", "head/kernel"),
        (VIT, "conv_proj.weight", "patch_embed.proj/kernel"),
        (VIT, "class_token", "tokens/cls_token"),
        (VIT, "encoder.pos_embedding", "tokens/pos_embed"),
        (
            VIT,
            "encoder.layers.encoder_layer_3.self_attention.in_proj_weight",
            "blocks.3.attn.qkv/kernel",
        ),
        (VIT, "encoder.layers.encoder_layer_3.mlp.3.bias", "blocks.3.mlp.fc2/bias"),
        (VIT, "encoder.layers.encoder_layer_3.mlp.linear_1.bias", "blocks.3.mlp.fc1/bias"),
        (VIT, "encoder.ln.bias", "norm.tokens/bias"),
        (VIT, "heads.head.weight", "head/kernel"),
        (VIT, "vit.embeddings.position_embeddings", "tokens/pos_embed"),
        (VIT, "vit.encoder.layer.7.layernorm_before.weight", "blocks.7.norm1/scale"),
        (VIT, "vit.encoder.layer.7.attention.output.dense.bias", "blocks.7.attn.proj/bias"),
        (VIT, "vit.encoder.layer.7.output.dense.bias", "blocks.7.mlp.fc2/bias"),
        (VIT, "deit.layernorm.bias", "norm.tokens/bias"),
        (VIT, "classifier.bias", "head/bias"),
        (CLIP, "visual.conv1.weight", "patch_embed.proj/kernel"),
        (CLIP, "visual.ln_pre.weight", "norm_pre.tokens/scale"),
        (CLIP, "visual.transformer.resblocks.2.mlp.c_fc.weight", "blocks.2.mlp.fc1/kernel"),
        (CLIP, "visual.proj", "proj/kernel"),
        (CLIP, "vision_model.post_layernorm.bias", "norm.tokens/bias"),
        (CLIP, "visual_projection.weight", "proj/kernel"),
        (CLIP, "head.weight", "proj/kernel"),
    ],
)
def test_known_names_become_rows(rows, theirs, ours):
    found = find_sources({theirs: (4, 4)}, rows)
    assert list(found) == [ours] and found[ours].names == (theirs,)


def test_queries_keys_and_values_are_joined_in_this_order():
    name = "vit.encoder.layer.0.attention.attention.{}.weight"
    parts = {name.format(part): (4, 4) for part in ("value", "key", "query")}
    names = tuple(name.format(part) for part in ("query", "key", "value"))
    assert find_sources(parts, VIT) == {"blocks.0.attn.qkv/kernel": Source(names, (12, 4), False)}


def test_tensors_are_joined_and_arranged_when_they_are_read():
    name = "vision_model.encoder.layers.0.self_attn.{}_proj.bias"
    arrays = {name.format(part): np.full(2, i) for i, part in enumerate("qkv")}
    arrays["vision_model.embeddings.position_embedding.weight"] = np.arange(6).reshape(3, 2)
    arrays["vision_model.embeddings.class_embedding"] = np.arange(2)
    arrays["text_model.final_layer_norm.weight"] = np.ones(2)
    arrays["something.weight"] = np.ones(2)
    stored = {n: StoredTensor(a.shape, lambda a=a: a) for n, a in arrays.items()}
    found = unify(stored, CLIP)
    assert set(found) == {
        "blocks.0.attn.qkv.bias",
        "tokens.pos_embed",
        "tokens.cls_token",
        "something.weight",
    }
    assert found["blocks.0.attn.qkv.bias"].shape == (6,)
    assert found["blocks.0.attn.qkv.bias"].read().tolist() == [0, 0, 1, 1, 2, 2]
    # Outputs first, as torch has them, although the file has the positions first.
    assert found["tokens.pos_embed"].shape == (2, 3)
    assert found["tokens.pos_embed"].read().tolist() == [[0, 2, 4], [1, 3, 5]]


@pytest.mark.parametrize(
    "name, harmless",
    [
        ("vit.pooler.dense.weight", True),
        ("vision_model.embeddings.position_ids", True),
        ("text_model.encoder.layers.0.mlp.fc1.weight", True),
        ("transformer.resblocks.0.ln_1.weight", True),
        ("logit_scale", True),
        ("dist_token", False),
        ("blocks.0.ls1.gamma", False),
    ],
)
def test_only_what_lies_beside_the_tower_is_harmless(name, harmless):
    assert is_harmless(name) == harmless


def test_the_text_tower_is_not_taken_for_the_image_tower():
    shapes = {"visual.positional_embedding": (5, 4), "positional_embedding": (77, 4)}
    found = find_sources(shapes, CLIP)
    assert found["tokens/pos_embed"].names == ("visual.positional_embedding",)


@pytest.mark.parametrize(
    "positions, wanted",
    [((1, 197, 8), (224, 224)), ((577, 8), (384, 384)), ((1, 7, 8), None), ((1, 1, 8), None)],
)
def test_the_positions_tell_the_size_of_the_images(positions, wanted):
    shapes = {"pos_embed": positions, "patch_embed.proj.weight": (8, 3, 16, 16)}
    assert find_input_size(find_sources(shapes, VIT)) == wanted


def test_without_positions_the_size_is_unknown():
    assert find_input_size(find_sources({"cls_token": (1, 1, 8)}, VIT)) is None


@pytest.mark.parametrize(
    "names, net, preset",
    [
        (["cls_token"], "vit_b_16", "symmetric"),
        (["cls_token"], "deit_s_16", "imagenet"),
        (["conv_proj.weight"], "vit_b_16", "imagenet"),
        (["vit.embeddings.cls_token"], "vit_b_16", "symmetric"),
        (["deit.embeddings.cls_token"], "vit_b_16", "imagenet"),
        (["visual.proj"], "clip_vit_b_32", "clip"),
        (["visual.ln_pre.weight"], "mine", "clip"),
    ],
)
def test_names_tell_the_preprocessing(names, net, preset):
    assert choose_preset(names, net) == preset
    assert preset in PRESETS
