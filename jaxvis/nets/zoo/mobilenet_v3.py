"""MobileNetV3, small and large, exactly as torchvision has them.

Taps and parameters have torchvision's module names: features.0.0 (a convolution),
features.0.1 (its batch norm), features.0.2 (its activation), features.1.block.0.0, ...,
classifier.3. A squeeze has the taps features.4.block.2.avgpool, fc1, activation, fc2,
scale_activation and mul, the map that is multiplied. The sums are called features.2.add.
"""

from typing import NamedTuple

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.zoo.blocks import conv_rows, expand_rows, round_width, squeeze_rows
from jaxvis.network import Network

EPSILON = 1e-3
"""What its batch norms add to the variance."""


class _Block(NamedTuple):
    """One block: kernel, inner and outer channels, whether it squeezes, activation, stride."""

    size: int
    inner: int
    out: int
    squeeze: bool
    act: str
    stride: int


BLOCKS = {
    "mobilenet_v3_small": (
        _Block(3, 16, 16, True, "relu", 2),
        _Block(3, 72, 24, False, "relu", 2),
        _Block(3, 88, 24, False, "relu", 1),
        _Block(5, 96, 40, True, "hswish", 2),
        _Block(5, 240, 40, True, "hswish", 1),
        _Block(5, 240, 40, True, "hswish", 1),
        _Block(5, 120, 48, True, "hswish", 1),
        _Block(5, 144, 48, True, "hswish", 1),
        _Block(5, 288, 96, True, "hswish", 2),
        _Block(5, 576, 96, True, "hswish", 1),
        _Block(5, 576, 96, True, "hswish", 1),
    ),
    "mobilenet_v3_large": (
        _Block(3, 16, 16, False, "relu", 1),
        _Block(3, 64, 24, False, "relu", 2),
        _Block(3, 72, 24, False, "relu", 1),
        _Block(5, 72, 40, True, "relu", 2),
        _Block(5, 120, 40, True, "relu", 1),
        _Block(5, 120, 40, True, "relu", 1),
        _Block(3, 240, 80, False, "hswish", 2),
        _Block(3, 200, 80, False, "hswish", 1),
        _Block(3, 184, 80, False, "hswish", 1),
        _Block(3, 184, 80, False, "hswish", 1),
        _Block(3, 480, 112, True, "hswish", 1),
        _Block(3, 672, 112, True, "hswish", 1),
        _Block(5, 672, 160, True, "hswish", 2),
        _Block(5, 960, 160, True, "hswish", 1),
        _Block(5, 960, 160, True, "hswish", 1),
    ),
}
"""Name -> the blocks."""
LAST = {"mobilenet_v3_small": 1024, "mobilenet_v3_large": 1280}
"""Name -> units of the first fully connected layer."""


def mobilenet_v3(
    name: str,
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns a MobileNetV3, which ends with a global mean and two fully connected layers.

    Args:
      name: "mobilenet_v3_small" or "mobilenet_v3_large".
      head: "softmax", "linear" or "relu": what follows classifier.3.
      input_size: (H, W) in pixels of the native image; any size passes.
      classes: the number of classes, which is the width of classifier.3.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head.

    Source: Howard et al., Searching for MobileNetV3, 2019, as torchvision.models has it.
    """
    rows = conv_rows("features.0", 16, 3, stride=2, act="hswish", epsilon=EPSILON)
    width, blocks = 16, BLOCKS[name]
    for number, block in enumerate(blocks, 1):
        rows += _list_rows(f"features.{number}.", rows[-1].name, width, block)
        width = block.out
    rows += conv_rows(f"features.{len(blocks) + 1}", 6 * width, 1, act="hswish", epsilon=EPSILON)
    rows += [
        Layer("avgpool", "gap"),
        Layer("classifier.0", "fc", LAST[name]),
        Layer("classifier.1", "hswish"),
        Layer("classifier.3", "fc", classes),
        *head_rows(head, relu_name="relu_classifier"),
    ]
    return build_network(
        name, tuple(rows), input_size=input_size, scores="classifier.3", channels=channels
    )


def _list_rows(name: str, above: str, width: int, block: _Block) -> list[Layer]:
    """Returns the rows of a block that reads a map of `width` channels."""
    inner, window = block.inner, (block.size, block.stride)
    rows = expand_rows(
        f"{name}block.", above, (width, inner), window, act=block.act, epsilon=EPSILON
    )
    part = 2 if inner != width else 1  # number of the next module
    if block.squeeze:
        units = round_width(inner // 4)
        rows += squeeze_rows(f"{name}block.{part}", rows[-1].name, inner, units, gate="hsigmoid")
        part += 1
    rows += conv_rows(f"{name}block.{part}", block.out, 1, act=None, epsilon=EPSILON)
    if block.stride == 1 and width == block.out:
        rows.append(Layer(f"{name}add", "add", inputs=(rows[-1].name, above)))
    return rows
