"""GoogLeNet as Caffe has it (Szegedy et al.), with LRN and without batch norm.

The taps have the names of the layers in Caffe's prototxt. The tap of a convolution is the
map before its ReLU (`inception_3a/1x1`); the map after it is `inception_3a/relu_1x1`.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network

INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Block -> the widths of 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5 and pool_proj."""


def _conv(name: str, width: int, size: int = 1, above: str = "") -> list[Layer]:
    block, _, kind = name.rpartition("/")
    return [
        Layer(name, "conv", width, size, pad=size // 2, inputs=(above,) * bool(above)),
        Layer(f"{block}/relu_{kind}", "relu"),
    ]


def _inception(block: str, above: str) -> list[Layer]:
    name = f"inception_{block}/"
    one, low3, three, low5, five, proj = INCEPTIONS[block]
    branches = ("relu_1x1", "relu_3x3", "relu_5x5", "relu_pool_proj")
    return [
        *_conv(name + "1x1", one, above=above),
        *_conv(name + "3x3_reduce", low3, above=above),
        *_conv(name + "3x3", three, 3),
        *_conv(name + "5x5_reduce", low5, above=above),
        *_conv(name + "5x5", five, 5),
        Layer(name + "pool", "max", size=3, pad=1, ceil=True, inputs=(above,)),
        *_conv(name + "pool_proj", proj),
        Layer(name + "output", "concat", inputs=tuple(name + b for b in branches)),
    ]


def googlenet(
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns GoogLeNet, which ends with a global mean and a fully connected layer.

    Args:
      head: "softmax", "linear" or "relu": what follows loss3/classifier.
      input_size: (H, W) in pixels of the native image; any size from 31 passes.
      classes: the number of classes, which is the width of loss3/classifier.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head or too small a size.

    Departures: pool5/7x7_s1 averages the whole map. At 224x224 that is Caffe's window of
      7x7, and other sizes pass too.
    """
    rows = [
        Layer("conv1/7x7_s2", "conv", 64, 7, 2, pad=3),
        Layer("conv1/relu_7x7", "relu"),
        Layer("pool1/3x3_s2", "max", size=3, stride=2, ceil=True),
        Layer("pool1/norm1", "lrn", size=5, alpha=1e-4),
        *_conv("conv2/3x3_reduce", 64),
        *_conv("conv2/3x3", 192, 3),
        Layer("conv2/norm2", "lrn", size=5, alpha=1e-4),
        Layer("pool2/3x3_s2", "max", size=3, stride=2, ceil=True),
    ]
    for block in INCEPTIONS:
        rows += _inception(block, rows[-1].name)
        if block in ("3b", "4e"):
            name = f"pool{block[0]}/3x3_s2"
            rows.append(Layer(name, "max", size=3, stride=2, ceil=True))
    rows.append(Layer("pool5/7x7_s1", "gap"))
    rows.append(Layer("loss3/classifier", "fc", classes))
    rows += head_rows(head, relu_name="loss3/relu")
    return build_network(
        "googlenet",
        tuple(rows),
        input_size=input_size,
        scores="loss3/classifier",
        channels=channels,
    )
