"""ResNet-18, 34, 50 and 101, exactly as torchvision has them.

Taps and parameters have torchvision's module names: conv1, bn1, relu, maxpool,
layer1.0.conv1, layer1.0.bn1, ..., avgpool, fc. A block of torchvision calls one `relu`
several times. As in torchvision's feature extraction, the calls are named layer1.0.relu,
layer1.0.relu_1 and layer1.0.relu_2. The sum before the last one is layer1.0.add.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network

BLOCKS = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
}
"""Name -> the kind of block, and how many of them each of the four stages has."""
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4
"""The width of a bottleneck's output, in widths of its inner convolutions."""


def resnet(
    name: str, *, head: str = "softmax", input_size: tuple[int, int] = (224, 224)
) -> Network:
    """Returns a ResNet, which ends with a global mean and a fully connected layer.

    Args:
      name: "resnet18", "resnet34", "resnet50" or "resnet101".
      head: "softmax", "linear" or "relu": what follows fc.
      input_size: (H, W) in pixels of the native image; any size passes.

    Raises:
      ValueError: for an unknown head.

    Source: He et al., Deep residual learning for image recognition, 2016, as
      torchvision.models.resnet, where the 3x3 convolution of a bottleneck has its stride.
    """
    kind, depths = BLOCKS[name]
    rows = [
        Layer("conv1", "conv", 64, 7, 2, pad=3, bias=False),
        Layer("bn1", "bn"),
        Layer("relu", "relu"),
        Layer("maxpool", "max", size=3, stride=2, pad=1),
    ]
    channels = 64
    for stage, (depth, width) in enumerate(zip(depths, WIDTHS), 1):
        out = width * (EXPANSION if kind == "bottleneck" else 1)
        for i in range(depth):
            stride = 2 if stage > 1 and i == 0 else 1
            plan = _plan_block(kind, width, stride)
            project = stride > 1 or channels != out
            above = rows[-1].name
            rows += _block(f"layer{stage}.{i}.", above, plan, stride if project else 0)
            channels = out
    rows.append(Layer("avgpool", "gap"))
    rows.append(Layer("fc", "fc", 1000))
    rows += head_rows(head, relu_name="relu_fc")
    return build_network(name, tuple(rows), input_size=input_size, scores="fc")


def _plan_block(kind: str, width: int, stride: int) -> tuple[tuple[int, int, int], ...]:
    """Returns (width, kernel size, stride) of each convolution of a block."""
    if kind == "basic":
        return ((width, 3, stride), (width, 3, 1))
    return ((width, 1, 1), (width, 3, stride), (EXPANSION * width, 1, 1))


def _block(
    name: str, above: str, plan: tuple[tuple[int, int, int], ...], projection: int
) -> list[Layer]:
    """Returns one block's rows; `projection` is the stride of the shortcut's convolution.

    A shortcut without a convolution has a `projection` of 0.
    """
    rows, last = [], len(plan)
    for i, (width, size, stride) in enumerate(plan, 1):
        reads = (above,) if i == 1 else ()
        conv = Layer(
            f"{name}conv{i}",
            "conv",
            width,
            size,
            stride,
            pad=size // 2,
            bias=False,
            inputs=reads,
        )
        rows += [conv, Layer(f"{name}bn{i}", "bn")]
        if i < last:
            rows.append(Layer(_relu(name, i), "relu"))
    shortcut = above
    if projection:
        shortcut = f"{name}downsample.1"
        rows += [
            Layer(
                f"{name}downsample.0",
                "conv",
                plan[-1][0],
                1,
                projection,
                bias=False,
                inputs=(above,),
            ),
            Layer(shortcut, "bn"),
        ]
    rows.append(Layer(f"{name}add", "add", inputs=(f"{name}bn{last}", shortcut)))
    rows.append(Layer(_relu(name, last), "relu"))
    return rows


def _relu(block: str, call: int) -> str:
    return f"{block}relu" + (f"_{call - 1}" if call > 1 else "")
