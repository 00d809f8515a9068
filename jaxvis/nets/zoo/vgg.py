"""VGG-11, 13, 16 and 19 (Simonyan & Zisserman), with and without batch norm.

The taps have the papers' names: conv1_1, relu1_1, ..., pool5, fc6, relu6, fc7, relu7, fc8,
prob. With batch norm there are bn1_1 and so on too.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import classifier_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network

DEPTHS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
"""Name -> how many convolutions each of the five blocks has."""
WIDTHS = (64, 128, 256, 512, 512)


def vgg(
    name: str,
    *,
    pool: str = "max",
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns a VGG network: five blocks of convolutions and three fully connected layers.

    Args:
      name: "vgg11", "vgg13", "vgg16" or "vgg19", or one of them with "_bn".
      pool: "max", or "avg", which the texture papers use with the same weights.
      head: "softmax", "linear" or "relu": what follows fc8.
      input_size: (H, W) in pixels; fc6 is made for it. With 256x256 it has the 8*8*512
        inputs of ranVGG.
      classes: the number of classes, which is the width of fc8.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown pool or head, or an image below 32 pixels.
    """
    if pool not in ("max", "avg"):
        raise ValueError(f"pool is 'max' or 'avg', not {pool!r}")
    base, norm = name.removesuffix("_bn"), name.endswith("_bn")
    rows = []
    for block, (depth, width) in enumerate(zip(DEPTHS[base], WIDTHS), 1):
        for i in range(1, depth + 1):
            rows.append(Layer(f"conv{block}_{i}", "conv", width, 3, pad=1))
            if norm:
                rows.append(Layer(f"bn{block}_{i}", "bn"))
            rows.append(Layer(f"relu{block}_{i}", "relu"))
        rows.append(Layer(f"pool{block}", pool, size=2, stride=2))
    rows += classifier_rows(head, classes=classes)
    return build_network(name, tuple(rows), input_size=input_size, scores="fc8", channels=channels)
