"""RegNetY, exactly as torchvision has it.

Taps and parameters have torchvision's module names: stem.0, stem.1, stem.2,
trunk_output.block1.block1-0.proj.0, trunk_output.block1.block1-0.f.a.0, ..., fc. A squeeze
has the taps f.se.avgpool, fc1, activation, fc2, scale_activation and mul, the map that is
multiplied. A block ends with its sum, add, and the ReLU of that, activation.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.zoo.blocks import conv_rows, squeeze_rows
from jaxvis.network import Network

STAGES = {
    "regnet_y_400mf": ((48, 104, 208, 440), (1, 3, 6, 6), 8),
    "regnet_y_16gf": ((224, 448, 1232, 3024), (2, 4, 11, 1), 112),
}
"""Name -> channels and number of blocks of the four stages, and the channels of a group."""


def regnet_y(
    name: str,
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns a RegNetY, which ends with a global mean and a fully connected layer.

    Args:
      name: "regnet_y_400mf" or "regnet_y_16gf".
      head: "softmax", "linear" or "relu": what follows fc.
      input_size: (H, W) in pixels of the native image; any size passes.
      classes: the number of classes, which is the width of fc.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head.

    Source: Radosavovic et al., Designing network design spaces, 2020, as
      torchvision.models has it.
    """
    widths, depths, group = STAGES[name]
    rows, width = conv_rows("stem", 32, 3, stride=2), 32
    for stage, (out, depth) in enumerate(zip(widths, depths), 1):
        for i in range(depth):
            block = f"trunk_output.block{stage}.block{stage}-{i}."
            rows += _block(block, rows[-1].name, (width, out), out // group, 1 if i else 2)
            width = out
    rows += [
        Layer("avgpool", "gap"),
        Layer("fc", "fc", classes),
        *head_rows(head, relu_name="relu_fc"),
    ]
    return build_network(name, tuple(rows), input_size=input_size, scores="fc", channels=channels)


def _block(name: str, above: str, widths: tuple[int, int], groups: int, stride: int) -> list[Layer]:
    """Returns one block's rows; `widths` are the channels before and after it."""
    width, out = widths
    rows, shortcut = [], above
    if stride > 1 or width != out:
        rows += conv_rows(f"{name}proj", out, 1, stride=stride, act=None, above=above)
        shortcut = rows[-1].name
    rows += conv_rows(f"{name}f.a", out, 1, above=above)
    rows += conv_rows(f"{name}f.b", out, 3, stride=stride, groups=groups)
    rows += squeeze_rows(f"{name}f.se", rows[-1].name, out, round(width / 4))
    rows += conv_rows(f"{name}f.c", out, 1, act=None)
    rows.append(Layer(f"{name}add", "add", inputs=(shortcut, rows[-1].name)))
    rows.append(Layer(f"{name}activation", "relu"))
    return rows
