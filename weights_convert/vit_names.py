"""The names of vision transformers in files -> rows of the table; some are parts of one.

timm (and DeiT) name their modules as the rows are called. torchvision, Hugging Face's ViT
and CLIP, and OpenAI's CLIP have names of their own. Hugging Face keeps queries, keys and
values apart, which are one product here.
"""

import re
from collections.abc import Collection, Mapping
from math import isqrt
from typing import NamedTuple

import numpy as np

from weights_convert.checkpoint import StoredTensor
from weights_convert.layout import Shape

PARTS = {
    "norm1": ("norm1", "ln_1", "layernorm_before", "layer_norm1"),
    "attn.qkv": ("attn.qkv", "attn.in_proj", "self_attention.in_proj"),
    "attn.qkv 0": ("attention.attention.query", "attention.q_proj", "self_attn.q_proj"),
    "attn.qkv 1": ("attention.attention.key", "attention.k_proj", "self_attn.k_proj"),
    "attn.qkv 2": ("attention.attention.value", "attention.v_proj", "self_attn.v_proj"),
    "attn.proj": (
        "attn.proj",
        "attn.out_proj",
        "attention.o_proj",
        "attention.output.dense",
        "self_attention.out_proj",
        "self_attn.out_proj",
    ),
    "norm2": ("norm2", "ln_2", "layernorm_after", "layer_norm2"),
    "mlp.fc1": ("mlp.fc1", "mlp.0", "mlp.linear_1", "mlp.c_fc", "intermediate.dense"),
    "mlp.fc2": ("mlp.fc2", "mlp.3", "mlp.linear_2", "mlp.c_proj", "output.dense"),
}
"""Row of a block -> what files call it. A number says which third of the row it is."""
ENDS = {
    "patch_embed.proj": (
        "patch_embed.proj",
        "conv_proj",
        "embeddings.patch_embeddings.projection",
        "embeddings.patch_embedding",
        "conv1",
    ),
    "norm_pre.tokens": ("norm_pre", "pre_layrnorm", "ln_pre"),
    "norm.tokens": ("norm", "encoder.ln", "layernorm", "post_layernorm", "ln_post"),
    "head": ("head", "heads.head", "classifier", "visual_projection"),
}
"""Row outside the blocks -> what files call it; Hugging Face writes "layrnorm"."""
TOKENS = {
    "tokens/cls_token": (
        "cls_token",
        "class_token",
        "embeddings.cls_token",
        "embeddings.class_embedding",
        "class_embedding",
    ),
    "tokens/pos_embed": (
        "pos_embed",
        "encoder.pos_embedding",
        "embeddings.position_embeddings",
        "embeddings.position_embedding.weight",
        "positional_embedding",
    ),
    "proj/kernel": ("proj",),
}
"""Parameter -> what files call it, where that does not end in weight or bias."""
BLOCK = re.compile(
    r"(?:blocks|encoder\.layers?|layers|transformer\.resblocks)\.(?:encoder_layer_)?(\d+)\.(.+)"
)
TOWER = re.compile(r"(vit|deit|vision_model|visual)\.")
"""What stands before the names of an image network that is part of something larger."""
HARMLESS = re.compile(
    r"(?:vit\.|deit\.)?pooler\.|.*position_ids$|text_model\.|text_projection|logit_scale$|"
    r"transformer\.resblocks\.|token_embedding\.|positional_embedding$|ln_final\.|"
    r"(?:input_resolution|context_length|vocab_size)$"
)
"""Names that a file may have beyond the image network: CLIP's text tower, a pooling layer."""


class Source(NamedTuple):
    """Where a parameter is in a file.

    Attributes:
      names: of its parts, which are joined along their first axis; mostly one.
      shape: of the joined array, in the file's arrangement.
      as_it_is: whether the array is arranged as here already, but for axes of one in front.
        If not, its outputs come first, as in all files of torch.
    """

    names: tuple[str, ...]
    shape: Shape
    as_it_is: bool


def find_sources(shapes: Mapping[str, Shape], rows: Collection[str]) -> dict[str, Source]:
    """Returns `row/leaf` -> where in the file it is, for the names that are known.

    Args:
      shapes: name in the file -> shape.
      rows: names of the rows of the network: CLIP ends with `proj`, a ViT with `head`.
    """
    tower = any(re.match(r"(vision_model|visual)\.", name) for name in shapes)
    found: dict[str, dict[int, str]] = {}
    for name in shapes:
        bare = TOWER.sub("", name, count=1) if TOWER.match(name) else name
        # Beside CLIP's image tower, names without its prefix are those of the text tower.
        if tower and bare == name and not name.startswith("visual_projection"):
            continue
        target = find_target(bare, rows)
        if target is not None:
            found.setdefault(target[0], {})[target[1]] = name
    return {
        target: _describe_source(target, [parts[i] for i in sorted(parts)], shapes)
        for target, parts in found.items()
    }


def unify(tensors: Mapping[str, StoredTensor], rows: Collection[str]) -> dict[str, StoredTensor]:
    """Returns the tensors of a vision transformer under the names of timm, outputs first.

    What is in parts is joined when it is read. Harmless names are left out, and others that
    are not known stay as they are.

    Args:
      tensors: name in the file -> tensor, in torch's arrangement.
      rows: names of the rows of the network.
    """
    sources = find_sources({name: tensor.shape for name, tensor in tensors.items()}, rows)
    used = {name for source in sources.values() for name in source.names}
    rest = {n: each for n, each in tensors.items() if n not in used and not is_harmless(n)}
    for target, source in sources.items():
        row, _, leaf = target.rpartition("/")
        leaf = "weight" if leaf in ("kernel", "scale") else leaf
        parts = [tensors[name] for name in source.names]
        rest[f"{row}.{leaf}"] = _join_parts(parts, source)
    return rest


def is_harmless(name: str) -> bool:
    """Says whether a file may have a name that the image network has no row for.

    Args:
      name: the name in the file.
    """
    return HARMLESS.match(name) is not None


def find_input_size(sources: Mapping[str, Source]) -> tuple[int, int] | None:
    """Returns (H, W) in pixels of the images that a file was trained with.

    Args:
      sources: from `find_sources`.

    Returns:
      The size of the square whose patches have as many positions as the file; None if no
      square has.
    """
    if not {"tokens/pos_embed", "patch_embed.proj/kernel"} <= sources.keys():
        return None
    cells = sources["tokens/pos_embed"].shape[-2] - 1
    side = isqrt(max(cells, 0)) * sources["patch_embed.proj/kernel"].shape[-1]
    return (side, side) if isqrt(max(cells, 0)) ** 2 == cells and side else None


def choose_preset(names: Collection[str], net: str) -> str:
    """Returns the preprocessing that goes with names, a key of `preprocessing.PRESETS`.

    Files do not say it. torchvision's and DeiT's expect ImageNet's mean and standard
    deviation, CLIP's their own, and Google's, in timm and on Hugging Face, [-1, 1].

    Args:
      names: the names in the file.
      net: the network's name, which tells DeiT from ViT in files of timm.
    """
    layers = {part for name in names for part in name.split(".")}
    if net.startswith("clip") or not layers.isdisjoint(ENDS["norm_pre.tokens"]):
        return "clip"
    torchvision = any(name.startswith("conv_proj.") for name in names)
    deit = net.startswith("deit") or any(name.startswith("deit.") for name in names)
    return "imagenet" if torchvision or deit else "symmetric"


def find_target(name: str, rows: Collection[str]) -> tuple[str, int] | None:
    """Returns (`row/leaf`, number of the part) of a name without its tower; or None.

    Args:
      name: the name in the file.
      rows: names of the rows of the network.
    """
    for target, spellings in TOKENS.items():
        if name in spellings:
            return target, 0
    layer, _, leaf = name.replace("in_proj_", "in_proj.").rpartition(".")
    row, part = _find_row(layer), 0
    if row is None or leaf not in ("weight", "bias"):
        return None
    row, _, number = row.partition(" ")
    part = int(number or 0)
    if row == "head" and "head" not in rows:
        row = "proj"
    norm = "norm" in row.removeprefix("blocks")
    return f"{row}/{'bias' if leaf == 'bias' else 'scale' if norm else 'kernel'}", part


def _find_row(layer: str) -> str | None:
    """Returns the row of a layer in a file, with the number of its part; or None."""
    block = BLOCK.fullmatch(layer)
    table, inner = (ENDS, layer) if block is None else (PARTS, block[2])
    row = next((row for row, spellings in table.items() if inner in spellings), None)
    return row if block is None or row is None else f"blocks.{block[1]}.{row}"


def _describe_source(target: str, names: list[str], shapes: Mapping[str, Shape]) -> Source:
    first, *others = (shapes[name] for name in names)
    if others and first and all(shape[1:] == first[1:] for shape in others):
        first = (sum(shape[0] for shape in (first, *others)), *first[1:])
    as_it_is = target.startswith("tokens/") or names[0].rpartition(".")[2] == "proj"
    return Source(tuple(names), first, as_it_is)


def _join_parts(parts: list[StoredTensor], source: Source) -> StoredTensor:
    if not source.as_it_is:
        if len(parts) == 1:
            return parts[0]
        return StoredTensor(source.shape, lambda: np.concatenate([part.read() for part in parts]))
    shape = source.shape
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    # The converter will bring the outputs, which torch has first, to the end.
    return StoredTensor(shape[::-1], lambda: parts[0].read().reshape(shape).T)
