"""VGG-M, the medium network of Chatfield et al.; the taps have the papers' names."""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import classifier_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network


def vgg_m(
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns VGG-M, which is AlexNet with smaller strides and wider late layers.

    Args:
      head: "softmax", "linear" or "relu": what follows fc8.
      input_size: (H, W) in pixels; fc6 is made for it, 6x6x512 at 224x224.
      classes: the number of classes, which is the width of fc8.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head or too small a size.

    Source: Chatfield et al., Return of the devil in the details, 2014 (CNN-M);
      table 2 of Mahendran & Vedaldi, Visualizing deep convolutional neural networks
      using natural pre-images.
    """
    rows = [
        Layer("conv1", "conv", 96, 7, 2),
        Layer("relu1", "relu"),
        _norm(1),
        Layer("pool1", "max", size=3, stride=2, ceil=True),
        Layer("conv2", "conv", 256, 5, 2, pad=1),
        Layer("relu2", "relu"),
        _norm(2),
        # From 26 to 13 pixels. Rounding down would leave 12, and 5x5 for fc6.
        Layer("pool2", "max", size=3, stride=2, ceil=True),
    ]
    for number in (3, 4, 5):
        rows.append(Layer(f"conv{number}", "conv", 512, 3, pad=1))
        rows.append(Layer(f"relu{number}", "relu"))
    rows.append(Layer("pool5", "max", size=3, stride=2, ceil=True))
    rows += classifier_rows(head, classes=classes)
    return build_network(
        "vgg_m", tuple(rows), input_size=input_size, scores="fc8", channels=channels
    )


def _norm(number: int) -> Layer:
    # MatConvNet writes [5 2 1e-4 0.75] for these, because its alpha is already divided by 5.
    return Layer(f"norm{number}", "lrn", size=5, alpha=5e-4, kappa=2.0)
