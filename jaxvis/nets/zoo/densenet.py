"""DenseNet-121, 161, 169 and 201, exactly as torchvision has it.

Taps and parameters have torchvision's module names: features.conv0, features.norm0,
features.relu0, features.pool0, features.denseblock1.denselayer1.norm1, ...,
features.norm5, classifier. Calls that have no module there have names of their own:
features.denseblock1.denselayer2.cat (the input of the layer), features.denseblock1.cat,
relu, avgpool.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network

PLANS = {
    "densenet121": (32, (6, 12, 24, 16)),
    "densenet161": (48, (6, 12, 36, 24)),
    "densenet169": (32, (6, 12, 32, 32)),
    "densenet201": (32, (6, 12, 48, 32)),
}
"""Name -> the channels that every dense layer adds (the growth), and how many dense layers
each of the four blocks has."""
BOTTLENECK = 4
"""The inner width of a dense layer, in multiples of the growth."""


def densenet(
    name: str,
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns a DenseNet, which ends with a global mean and a fully connected layer.

    Args:
      name: "densenet121", "densenet161", "densenet169" or "densenet201".
      head: "softmax", "linear" or "relu": what follows classifier.
      input_size: (H, W) in pixels of the native image; any size from 29 passes.
      classes: the number of classes, which is the width of classifier.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head or too small a size.

    Source: Huang et al., Densely connected convolutional networks, 2017, as
      torchvision.models.densenet.
    """
    growth, depths = PLANS[name]
    width = 2 * growth
    rows = [
        Layer("features.conv0", "conv", width, 7, 2, pad=3, bias=False),
        Layer("features.norm0", "bn"),
        Layer("features.relu0", "relu"),
        Layer("features.pool0", "max", size=3, stride=2, pad=1),
    ]
    for number, depth in enumerate(depths, 1):
        rows += _block(f"features.denseblock{number}.", rows[-1].name, depth, growth)
        width += depth * growth
        if number < len(depths):
            width //= 2
            rows += _transition(f"features.transition{number}.", width)
    rows += [
        Layer("features.norm5", "bn"),
        Layer("relu", "relu"),
        Layer("avgpool", "gap"),
        Layer("classifier", "fc", classes),
        *head_rows(head, relu_name="relu_classifier"),
    ]
    return build_network(
        name, tuple(rows), input_size=input_size, scores="classifier", channels=channels
    )


def _block(name: str, above: str, depth: int, growth: int) -> list[Layer]:
    rows, parts = [], [above]
    for i in range(1, depth + 1):
        layer = f"{name}denselayer{i}."
        read = above
        if i > 1:
            read = f"{layer}cat"
            rows.append(Layer(read, "concat", inputs=tuple(parts)))
        rows += [
            Layer(f"{layer}norm1", "bn", inputs=(read,)),
            Layer(f"{layer}relu1", "relu"),
            Layer(f"{layer}conv1", "conv", BOTTLENECK * growth, bias=False),
            Layer(f"{layer}norm2", "bn"),
            Layer(f"{layer}relu2", "relu"),
            Layer(f"{layer}conv2", "conv", growth, 3, pad=1, bias=False),
        ]
        parts.append(f"{layer}conv2")
    rows.append(Layer(f"{name}cat", "concat", inputs=tuple(parts)))
    return rows


def _transition(name: str, width: int) -> list[Layer]:
    return [
        Layer(f"{name}norm", "bn"),
        Layer(f"{name}relu", "relu"),
        Layer(f"{name}conv", "conv", width, bias=False),
        Layer(f"{name}pool", "avg", size=2, stride=2),
    ]
