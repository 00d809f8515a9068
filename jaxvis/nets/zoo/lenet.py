"""LeNet-5 in its present form, for grey images of digits: ReLU and max pooling.

The taps are conv1, relu1, pool1, conv2, relu2, pool2, fc1, relu3, fc2, relu4 and fc3, the
class scores.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network


def lenet5(
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (28, 28),
    classes: int = 10,
    channels: int = 1,
) -> Network:
    """Returns LeNet-5: two convolutions and three fully connected layers.

    Args:
      head: "softmax", "linear" or "relu": what follows fc3.
      input_size: (H, W) in pixels; fc1 is made for it. An image of 28x28 gets two zeros
        around it, so that fc1 always has the paper's 5*5*16 inputs with 32x32 too.
      classes: the number of classes, which is the width of fc3.
      channels: of the image: 1 for grey, 3 for colours.

    Raises:
      ValueError: for an unknown head or too small a size.

    Source: LeCun et al., Gradient-based learning applied to document recognition, 1998.
    Departures: the activations are ReLU, pooling takes the maximum, every map of conv2
      reads all of conv1, and the last layer is fully connected, as is usual today.
    """
    rows = [
        Layer("conv1", "conv", 6, 5, pad=2 if max(input_size) <= 28 else 0),
        Layer("relu1", "relu"),
        Layer("pool1", "max", size=2, stride=2),
        Layer("conv2", "conv", 16, 5),
        Layer("relu2", "relu"),
        Layer("pool2", "max", size=2, stride=2),
        Layer("fc1", "fc", 120),
        Layer("relu3", "relu"),
        Layer("fc2", "fc", 84),
        Layer("relu4", "relu"),
        Layer("fc3", "fc", classes),
        *head_rows(head, relu_name="relu_fc3"),
    ]
    return build_network(
        "lenet5", tuple(rows), input_size=input_size, scores="fc3", channels=channels
    )
