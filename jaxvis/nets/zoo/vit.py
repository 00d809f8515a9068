"""Vision transformers: ViT, DeiT and CLIP's image tower.

Taps are called as timm calls its modules. Of every block there are the output of the
attention (`blocks.0.attn`), the hidden units of the perceptron after their nonlinearity
(`blocks.0.mlp.act`) and the block's output (`blocks.0`). Each is the map of the patches
`[h, w, c]`; with `.class` behind the name (`blocks.0.class`) it is the vector `[c]` of the
class token. Before the blocks there is `patch_embed.proj` `[h, w, c]`, and after them
`norm`, `norm.class`, and the scores `head`, or CLIP's embedding `proj`. A network can be
entered at the output of a block, with both of its parts: `start=("blocks.3",
"blocks.3.class")`.

An image of another size than the native one has other patches, for which the position
embeddings are resized. Pixels behind the last whole patch are not seen.

What checkpoints expect of their images (in [0, 1], minus mean, over standard deviation):
timm's ViTs and Google's on Hugging Face 0.5 and 0.5 (the preprocessing "symmetric");
torchvision's and DeiT's, here `deit_...`, ImageNet's mean and standard deviation
("imagenet"); CLIP's its own ("clip").
"""

from collections.abc import Iterator
from dataclasses import dataclass

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network


@dataclass(frozen=True)
class VitShape:
    """The numbers that tell one vision transformer from another.

    Args:
      patch: side of a patch in pixels.
      width: channels of a token.
      depth: how many blocks there are.
      heads: of the attention, side by side in the channels.
      epsilon: what the layer norms add to the variance.
      hidden: channels between the layers of a perceptron; 0 is four times `width`.
      embedding: width of the space that CLIP's images and texts share.
    """

    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    epsilon: float = 1e-6
    hidden: int = 0
    embedding: int = 512


VITS = {
    "vit_ti_16": VitShape(width=192, heads=3),
    "vit_s_16": VitShape(width=384, heads=6),
    "vit_b_16": VitShape(),
    "vit_b_32": VitShape(patch=32),
    "deit_ti_16": VitShape(width=192, heads=3),
    "deit_s_16": VitShape(width=384, heads=6),
    "deit_b_16": VitShape(),
}
"""Name -> the numbers of the network. A DeiT is a ViT whose checkpoints expect another
preprocessing; those with a distillation token are other networks."""
CLIPS = {
    "clip_vit_b_16": VitShape(epsilon=1e-5),
    "clip_vit_b_32": VitShape(patch=32, epsilon=1e-5),
}
"""Name -> the numbers of CLIP's image tower."""


def vit(
    name: str,
    shape: VitShape,
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns a vision transformer that ends with the scores of classes.

    Args:
      name: what files call it.
      shape: the numbers of the network, such as `VITS[name]`.
      head: "softmax", "linear" or "relu": what follows `head`.
      input_size: (H, W) in pixels of the native image, for which the position embeddings
        are. Any size from one patch passes.
      classes: how many classes it tells apart.
      channels: of the image.

    Raises:
      ValueError: for an unknown head, or an image below one patch.

    Source: Dosovitskiy et al., An image is worth 16x16 words, 2021; Touvron et al.,
      Training data-efficient image transformers, 2021. The classes are read from the class
      token after the last norm, as in timm and torchvision.
    """
    rows = [
        *_embed(shape, bias=True),
        *_blocks(shape, "tokens", "gelu"),
        *_norm("norm", shape, f"blocks.{shape.depth - 1}.tokens"),
        Layer("head", "fc", classes, inputs=("norm.class",)),
        *head_rows(head, relu_name="relu_head"),
    ]
    return build_network(name, tuple(rows), input_size=input_size, scores="head", channels=channels)


def clip_vit(
    name: str,
    shape: VitShape,
    *,
    input_size: tuple[int, int] = (224, 224),
    channels: int = 3,
) -> Network:
    """Returns CLIP's image tower, which ends with the embedding `proj` and has no classes.

    It differs from a ViT by a norm before the blocks (`norm_pre`), by the nonlinearity
    x sigmoid(1.702 x), and by its end: a product without bias instead of class scores.

    Args:
      name: what files call it.
      shape: the numbers of the network, such as `CLIPS[name]`.
      input_size: (H, W) in pixels of the native image, as for `vit`.
      channels: of the image.

    Raises:
      ValueError: for an image below one patch.

    Source: Radford et al., Learning transferable visual models from natural language
      supervision, 2021, and its code. The norm of the embedding is left as it is.
    """
    rows = [
        *_embed(shape, bias=False),
        *_norm("norm_pre", shape, "tokens"),
        *_blocks(shape, "norm_pre.tokens", "quick_gelu"),
        *_norm("norm", shape, f"blocks.{shape.depth - 1}.tokens"),
        Layer("proj", "fc", shape.embedding, bias=False, inputs=("norm.class",)),
    ]
    return build_network(name, tuple(rows), input_size=input_size, channels=channels)


def _embed(shape: VitShape, *, bias: bool) -> Iterator[Layer]:
    """Yields the rows from the image to the sequence `tokens`."""
    yield Layer("patch_embed.proj", "conv", shape.width, shape.patch, shape.patch, bias=bias)
    yield Layer("outline", "outline", inputs=("patch_embed.proj",))
    yield Layer("tokens", "tokens", inputs=("patch_embed.proj",))


def _blocks(shape: VitShape, above: str, nonlinearity: str) -> Iterator[Layer]:
    """Yields the rows of all blocks, of which the first reads the sequence `above`."""
    for number in range(shape.depth):
        block = f"blocks.{number}"
        yield from _attend(block, shape, above)
        middle, hidden = f"{block}.middle", shape.hidden or 4 * shape.width
        act = f"{block}.mlp.act"
        yield Layer(middle, "add", inputs=(above, f"{block}.attn.proj"))
        yield Layer(f"{block}.norm2", "ln", epsilon=shape.epsilon)
        yield Layer(f"{block}.mlp.fc1", "dense", hidden)
        yield Layer(f"{act}.tokens", nonlinearity)
        yield from _show(act, f"{act}.tokens")
        yield Layer(f"{block}.mlp.fc2", "dense", shape.width, inputs=(f"{act}.tokens",))
        above = f"{block}.tokens"
        yield Layer(above, "add", inputs=(middle, f"{block}.mlp.fc2"))
        yield from _show(block, above)


def _attend(block: str, shape: VitShape, above: str) -> Iterator[Layer]:
    yield Layer(f"{block}.norm1", "ln", epsilon=shape.epsilon, inputs=(above,))
    yield Layer(f"{block}.attn.qkv", "dense", 3 * shape.width)
    yield Layer(f"{block}.attn.heads", "attention", groups=shape.heads)
    yield Layer(f"{block}.attn.proj", "dense", shape.width)
    yield from _show(f"{block}.attn", f"{block}.attn.proj")


def _norm(name: str, shape: VitShape, above: str) -> Iterator[Layer]:
    yield Layer(f"{name}.tokens", "ln", epsilon=shape.epsilon, inputs=(above,))
    yield from _show(name, f"{name}.tokens")


def _show(name: str, sequence: str) -> Iterator[Layer]:
    """Yields the two taps of a sequence: the map of the patches and the class token."""
    yield Layer(name, "patches", inputs=(sequence, "outline"))
    yield Layer(f"{name}.class", "token", inputs=(sequence,))
