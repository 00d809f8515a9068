"""SqueezeNet 1.0 and 1.1 (Iandola et al.).

The taps have the names of the layers in Caffe's prototxt. The tap of a convolution is the
map before its ReLU; the map after it is `fire2/relu_squeeze1x1` and so on. The class scores
are means of rectified maps. To maximise a class use `conv10`, whose gradient does not
vanish where every cell is negative.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network

FIRES = {
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}
"""Fire module -> (width of the squeeze layer, width of each expand layer)."""
STEMS = {
    "squeezenet1_0": (Layer("conv1", "conv", 96, 7, 2), (4, 8)),
    "squeezenet1_1": (Layer("conv1", "conv", 64, 3, 2), (3, 5)),
}
"""Version -> the first convolution, and the fire modules that are followed by pooling."""


def _fire(number: int, above: str) -> list[Layer]:
    squeeze, expand = FIRES[number]
    name = f"fire{number}/"
    low = (name + "relu_squeeze1x1",)
    return [
        Layer(name + "squeeze1x1", "conv", squeeze, inputs=(above,)),
        Layer(low[0], "relu"),
        Layer(name + "expand1x1", "conv", expand, inputs=low),
        Layer(name + "relu_expand1x1", "relu"),
        Layer(name + "expand3x3", "conv", expand, 3, pad=1, inputs=low),
        Layer(name + "relu_expand3x3", "relu"),
        Layer(
            name + "concat",
            "concat",
            inputs=(name + "relu_expand1x1", name + "relu_expand3x3"),
        ),
    ]


def squeezenet(
    name: str,
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns SqueezeNet 1.0 or 1.1, which ends with a global mean.

    Args:
      name: "squeezenet1_0" or "squeezenet1_1".
      head: "softmax", "linear" or "relu".
      input_size: (H, W) in pixels of the native image; any size passes.
      classes: the number of classes, which is the width of conv10.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head or too small a size.
    """
    stem, pooled = STEMS[name]
    rows = [stem, Layer("relu_conv1", "relu")]
    rows.append(Layer("pool1", "max", size=3, stride=2, ceil=True))
    for number in FIRES:
        rows += _fire(number, rows[-1].name)
        if number in pooled:
            rows.append(Layer(f"pool{number}", "max", size=3, stride=2, ceil=True))
    rows.append(Layer("conv10", "conv", classes))
    rows.append(Layer("relu_conv10", "relu"))
    rows.append(Layer("pool10", "gap"))
    rows += head_rows(head, relu_name="relu_pool10")
    return build_network(
        name,
        tuple(rows),
        input_size=input_size,
        scores="pool10",
        classes="conv10",
        channels=channels,
    )
