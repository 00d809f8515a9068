"""The residual networks: ResNet, Wide ResNet, ResNeXt and ResNet-D, as torchvision has them.

Taps and parameters have torchvision's module names: conv1, bn1, relu, maxpool,
layer1.0.conv1, layer1.0.bn1, ..., avgpool, fc. A block of torchvision calls one `relu`
several times. As in torchvision's feature extraction, the calls are named layer1.0.relu,
layer1.0.relu_1 and layer1.0.relu_2. The sum before the last one is layer1.0.add.

ResNet-D is timm's; its three first convolutions are conv1.0, conv1.3 and conv1.6, and the
pooling of a shortcut is layer2.0.downsample.0. The networks for CIFAR's images of 32x32
have a first convolution of 3x3 without a stride, and no maxpool.
"""

from dataclasses import replace
from typing import NamedTuple

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network


class Plan(NamedTuple):
    """What distinguishes one residual network from another.

    Attributes:
      kind: of the blocks, "basic" or "bottleneck".
      depths: how many blocks each of the four stages has.
      groups: of the 3x3 convolutions of bottlenecks.
      base: channels of a bottleneck's inner convolutions, in one group of the first stage.
      stem: "plain", "cifar" (3x3, no stride, no pooling) or "deep" (three of 3x3).
      pooled: whether shortcuts take means of 2x2 pixels where the others skip pixels.
    """

    kind: str
    depths: tuple[int, int, int, int]
    groups: int = 1
    base: int = 64
    stem: str = "plain"
    pooled: bool = False


PLANS = {
    "resnet18": Plan("basic", (2, 2, 2, 2)),
    "resnet34": Plan("basic", (3, 4, 6, 3)),
    "resnet50": Plan("bottleneck", (3, 4, 6, 3)),
    "resnet101": Plan("bottleneck", (3, 4, 23, 3)),
    "resnet152": Plan("bottleneck", (3, 8, 36, 3)),
    "wide_resnet50_2": Plan("bottleneck", (3, 4, 6, 3), base=128),
    "wide_resnet101_2": Plan("bottleneck", (3, 4, 23, 3), base=128),
    "resnext50_32x4d": Plan("bottleneck", (3, 4, 6, 3), groups=32, base=4),
    "resnext101_32x8d": Plan("bottleneck", (3, 4, 23, 3), groups=32, base=8),
    "resnet50d": Plan("bottleneck", (3, 4, 6, 3), stem="deep", pooled=True),
    "resnet18_cifar": Plan("basic", (2, 2, 2, 2), stem="cifar"),
    "resnet50_cifar": Plan("bottleneck", (3, 4, 6, 3), stem="cifar"),
}
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4
"""The width of a bottleneck's output, in widths of a basic block's."""


def resnet(
    name: str,
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns a residual network, which ends with a global mean and a fully connected layer.

    Args:
      name: a key of `PLANS`.
      head: "softmax", "linear" or "relu": what follows fc.
      input_size: (H, W) in pixels of the native image; any size passes.
      classes: the number of classes, which is the width of fc.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head.

    Source: He et al., Deep residual learning for image recognition, 2016, as
      torchvision.models.resnet, where the 3x3 convolution of a bottleneck has its stride;
      Zagoruyko & Komodakis, Wide residual networks, 2016; Xie et al., Aggregated residual
      transformations for deep neural networks, 2017 (ResNeXt); He et al., Bag of tricks
      for image classification with convolutional neural networks, 2019 (ResNet-D).
    """
    plan = PLANS[name]
    rows, before = _list_stem_rows(plan.stem), WIDTHS[0]
    for stage, (depth, width) in enumerate(zip(plan.depths, WIDTHS), 1):
        out = width * (EXPANSION if plan.kind == "bottleneck" else 1)
        for i in range(depth):
            stride = 2 if stage > 1 and i == 0 else 1
            project = stride if stride > 1 or before != out else 0
            convs = _list_convolutions(plan, width, stride)
            block = f"layer{stage}.{i}."
            rows += _block(block, rows[-1].name, convs, project, pooled=plan.pooled)
            before = out
    rows.append(Layer("avgpool", "gap"))
    rows.append(Layer("fc", "fc", classes))
    rows += head_rows(head, relu_name="relu_fc")
    return build_network(name, tuple(rows), input_size=input_size, scores="fc", channels=channels)


def _list_stem_rows(stem: str) -> list[Layer]:
    """Returns the rows before the first stage."""
    if stem == "cifar":
        return [
            Layer("conv1", "conv", 64, 3, pad=1, bias=False),
            Layer("bn1", "bn"),
            Layer("relu", "relu"),
        ]
    first = [Layer("conv1", "conv", 64, 7, 2, pad=3, bias=False)]
    if stem == "deep":
        first = [
            Layer("conv1.0", "conv", 32, 3, 2, pad=1, bias=False),
            Layer("conv1.1", "bn"),
            Layer("conv1.2", "relu"),
            Layer("conv1.3", "conv", 32, 3, pad=1, bias=False),
            Layer("conv1.4", "bn"),
            Layer("conv1.5", "relu"),
            Layer("conv1.6", "conv", 64, 3, pad=1, bias=False),
        ]
    return [
        *first,
        Layer("bn1", "bn"),
        Layer("relu", "relu"),
        Layer("maxpool", "max", size=3, stride=2, pad=1),
    ]


def _list_convolutions(plan: Plan, width: int, stride: int) -> list[Layer]:
    """Returns a block's convolutions, still without names."""
    if plan.kind == "basic":
        return [
            Layer("", "conv", width, 3, stride, pad=1, bias=False),
            Layer("", "conv", width, 3, pad=1, bias=False),
        ]
    inner = width * plan.base // WIDTHS[0] * plan.groups
    return [
        Layer("", "conv", inner, bias=False),
        Layer("", "conv", inner, 3, stride, pad=1, groups=plan.groups, bias=False),
        Layer("", "conv", EXPANSION * width, bias=False),
    ]


def _block(
    name: str, above: str, convs: list[Layer], projection: int, *, pooled: bool
) -> list[Layer]:
    """Returns one block's rows.

    Args:
      name: of the block.
      above: name of the row that it reads.
      convs: its convolutions, without names.
      projection: the stride of the shortcut's convolution; 0 where there is none.
      pooled: see `Plan`.
    """
    rows, last = [], len(convs)
    for i, conv in enumerate(convs, 1):
        reads = (above,) if i == 1 else ()
        rows += [replace(conv, name=f"{name}conv{i}", inputs=reads), Layer(f"{name}bn{i}", "bn")]
        if i < last:
            rows.append(Layer(_relu(name, i), "relu"))
    shortcut = above
    if projection:
        rows += _list_shortcut_rows(
            f"{name}downsample.", above, convs[-1].width, projection, pooled
        )
        shortcut = rows[-1].name
    rows.append(Layer(f"{name}add", "add", inputs=(f"{name}bn{last}", shortcut)))
    rows.append(Layer(_relu(name, last), "relu"))
    return rows


def _list_shortcut_rows(
    name: str, above: str, width: int, stride: int, pooled: bool
) -> list[Layer]:
    if not pooled:
        conv = Layer(f"{name}0", "conv", width, 1, stride, bias=False, inputs=(above,))
        return [conv, Layer(f"{name}1", "bn")]
    pool = Layer(f"{name}0", "avg", size=2, stride=2, ceil=True, inputs=(above,))
    rows = [pool] if stride > 1 else []
    read = () if rows else (above,)
    return [
        *rows,
        Layer(f"{name}1", "conv", width, bias=False, inputs=read),
        Layer(f"{name}2", "bn"),
    ]


def _relu(block: str, call: int) -> str:
    return f"{block}relu" + (f"_{call - 1}" if call > 1 else "")
