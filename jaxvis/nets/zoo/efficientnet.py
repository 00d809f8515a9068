"""EfficientNet-B0 to B4, exactly as torchvision has them.

Taps and parameters have torchvision's module names: features.0.0 (a convolution),
features.0.1 (its batch norm), features.0.2 (its SiLU), features.1.0.block.0.0, ...,
features.8.2, classifier.1. A squeeze has the taps features.1.0.block.1.avgpool, fc1,
activation, fc2, scale_activation and mul, the map that is multiplied. The sums are called
features.2.1.add.
"""

from math import ceil

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.zoo.blocks import conv_rows, expand_rows, round_width, squeeze_rows
from jaxvis.network import Network

STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Of each stage of B0: how much wider the inner convolution is, its kernel, the first
stride, channels and blocks."""
FACTORS = {
    "efficientnet_b0": (1.0, 1.0),
    "efficientnet_b1": (1.0, 1.1),
    "efficientnet_b2": (1.1, 1.2),
    "efficientnet_b3": (1.2, 1.4),
    "efficientnet_b4": (1.4, 1.8),
}
"""Name -> the factors of all channels and of the number of blocks."""


def efficientnet(
    name: str,
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns an EfficientNet, which ends with a global mean and a fully connected layer.

    Args:
      name: "efficientnet_b0" to "efficientnet_b4".
      head: "softmax", "linear" or "relu": what follows classifier.1.
      input_size: (H, W) in pixels of the native image; any size passes.
      classes: the number of classes, which is the width of classifier.1.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head.

    Source: Tan & Le, EfficientNet: rethinking model scaling for convolutional neural
      networks, 2019, as torchvision.models has it.
    """
    wider, deeper = FACTORS[name]
    width = round_width(32 * wider)
    rows = conv_rows("features.0", width, 3, stride=2, act="silu")
    for stage, (expansion, size, first, base, depth) in enumerate(STAGES, 1):
        out = round_width(base * wider)
        for i in range(ceil(depth * deeper)):
            window = (size, 1 if i else first)
            rows += _block(f"features.{stage}.{i}.", rows[-1].name, (width, out), expansion, window)
            width = out
    rows += conv_rows(f"features.{len(STAGES) + 1}", 4 * width, 1, act="silu")
    rows += [
        Layer("avgpool", "gap"),
        Layer("classifier.1", "fc", classes),
        *head_rows(head, relu_name="relu_classifier"),
    ]
    return build_network(
        name, tuple(rows), input_size=input_size, scores="classifier.1", channels=channels
    )


def _block(
    name: str, above: str, widths: tuple[int, int], expansion: int, window: tuple[int, int]
) -> list[Layer]:
    """Returns one block's rows.

    Args:
      name: of the block.
      above: name of the row that it reads.
      widths: the channels before and after it.
      expansion: how much wider the inner convolution is.
      window: kernel and stride of the inner convolution.
    """
    (width, out), (_, stride) = widths, window
    inner = round_width(width * expansion)
    rows = expand_rows(f"{name}block.", above, (width, inner), window, act="silu")
    part = 2 if inner != width else 1  # number of the next module
    squeeze = f"{name}block.{part}"
    rows += squeeze_rows(squeeze, rows[-1].name, inner, max(1, width // 4), act="silu")
    rows += conv_rows(f"{name}block.{part + 1}", out, 1, act=None)
    if stride == 1 and width == out:
        rows.append(Layer(f"{name}add", "add", inputs=(rows[-1].name, above)))
    return rows
