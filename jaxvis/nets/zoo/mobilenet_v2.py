"""MobileNetV2, exactly as torchvision has it.

Taps and parameters have torchvision's module names: features.0.0 (a convolution),
features.0.1 (its batch norm), features.0.2 (its ReLU6), features.2.conv.0.0, ...,
features.18.2, classifier.1. The sums are called features.3.add and so on, the mean over the
map avgpool.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.zoo.blocks import conv_rows, expand_rows
from jaxvis.network import Network

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Of each stage: how much wider the inner convolution is, channels, blocks, first stride."""


def mobilenet_v2(
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns MobileNetV2, which ends with a global mean and a fully connected layer.

    Args:
      head: "softmax", "linear" or "relu": what follows classifier.1.
      input_size: (H, W) in pixels of the native image; any size passes.
      classes: the number of classes, which is the width of classifier.1.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head.

    Source: Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, 2018,
      as torchvision.models.mobilenet_v2.
    """
    rows, width, number = conv_rows("features.0", 32, 3, stride=2, act="relu6"), 32, 0
    for expansion, out, depth, first in STAGES:
        for i in range(depth):
            number += 1
            stride = 1 if i else first
            rows += _block(f"features.{number}.", rows[-1].name, (width, out), expansion, stride)
            width = out
    rows += conv_rows(f"features.{number + 1}", 1280, 1, act="relu6")
    rows += [
        Layer("avgpool", "gap"),
        Layer("classifier.1", "fc", classes),
        *head_rows(head, relu_name="relu_classifier"),
    ]
    return build_network(
        "mobilenet_v2",
        tuple(rows),
        input_size=input_size,
        scores="classifier.1",
        channels=channels,
    )


def _block(
    name: str, above: str, widths: tuple[int, int], expansion: int, stride: int
) -> list[Layer]:
    """Returns one block's rows; `widths` are the channels before and after it."""
    width, out = widths
    inner = width * expansion
    rows = expand_rows(f"{name}conv.", above, (width, inner), (3, stride), act="relu6")
    part = 2 if inner != width else 1  # number of the next module
    last = f"{name}conv.{part + 1}"
    rows += [Layer(f"{name}conv.{part}", "conv", out, bias=False), Layer(last, "bn")]
    if stride == 1 and width == out:
        rows.append(Layer(f"{name}add", "add", inputs=(above, last)))
    return rows
