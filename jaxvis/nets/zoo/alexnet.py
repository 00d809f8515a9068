"""AlexNet in three versions: torchvision's, and Caffe's two with groups and normalisation.

The taps have the papers' names: conv1, relu1, norm1, pool1, ..., pool5, fc6, relu6, fc7,
relu7, fc8, prob. The version of torchvision has no norm taps.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import classifier_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network


def alexnet(
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns AlexNet as torchvision has it, with 64 first filters and no normalisation.

    Args:
      head: "softmax", "linear" or "relu": what follows fc8.
      input_size: (H, W) in pixels; fc6 is made for it.
      classes: the number of classes, which is the width of fc8.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head or too small a size.

    Source: Krizhevsky, One weird trick for parallelizing convolutional neural
      networks, 2014, as torchvision.models.alexnet.

    Departures: there is no adaptive mean before fc6; it is the identity at 224x224.
    """
    rows = [
        *_conv(1, 64, 11, stride=4, pad=2),
        *_pool(1),
        *_conv(2, 192, 5, pad=2),
        *_pool(2),
        *_conv(3, 384, 3, pad=1),
        *_conv(4, 256, 3, pad=1),
        *_conv(5, 256, 3, pad=1),
        *_pool(5),
        *classifier_rows(head, classes=classes),
    ]
    return build_network(
        "alexnet", tuple(rows), input_size=input_size, scores="fc8", channels=channels
    )


def caffe_alexnet(
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (227, 227),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns AlexNet as Caffe has it, with the normalisation before the pooling.

    Args:
      head: "softmax", "linear" or "relu": what follows fc8.
      input_size: (H, W) in pixels; fc6 is made for it.
      classes: the number of classes, which is the width of fc8.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head or too small a size.

    Source: Krizhevsky et al., ImageNet classification with deep convolutional
      neural networks, 2012, as Caffe's bvlc_alexnet; table 1 of Mahendran & Vedaldi.
    """
    rows = _list_caffe_rows((_norm, _ceil_pool), classifier_rows(head, classes=classes))
    return build_network(
        "caffe_alexnet", rows, input_size=input_size, scores="fc8", channels=channels
    )


def caffenet(
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (227, 227),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns CaffeNet, which is Caffe's AlexNet with the pooling before the normalisation.

    Args:
      head: "softmax", "linear" or "relu": what follows fc8.
      input_size: (H, W) in pixels; fc6 is made for it.
      classes: the number of classes, which is the width of fc8.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head or too small a size.

    Source: Caffe's bvlc_reference_caffenet (Jia et al., 2014).
    """
    rows = _list_caffe_rows((_ceil_pool, _norm), classifier_rows(head, classes=classes))
    return build_network("caffenet", rows, input_size=input_size, scores="fc8", channels=channels)


def _list_caffe_rows(after: tuple, classifier: list[Layer]) -> tuple[Layer, ...]:
    """Returns the rows of Caffe's two; `after` gives those after relu1 and relu2, in order."""
    return (
        *_conv(1, 96, 11, stride=4),
        *(row for op in after for row in op(1)),
        *_conv(2, 256, 5, pad=2, groups=2),
        *(row for op in after for row in op(2)),
        *_conv(3, 384, 3, pad=1),
        *_conv(4, 384, 3, pad=1, groups=2),
        *_conv(5, 256, 3, pad=1, groups=2),
        *_ceil_pool(5),
        *classifier,
    )


def _conv(
    number: int, width: int, size: int, *, stride: int = 1, pad: int = 0, groups: int = 1
) -> list[Layer]:
    return [
        Layer(f"conv{number}", "conv", width, size, stride, pad, groups),
        Layer(f"relu{number}", "relu"),
    ]


def _norm(number: int) -> list[Layer]:
    # Caffe's constants: kappa is 1, alpha is divided by the 5 channels, the exponent is 0.75.
    return [Layer(f"norm{number}", "lrn", size=5, alpha=1e-4)]


def _pool(number: int) -> list[Layer]:
    return [Layer(f"pool{number}", "max", size=3, stride=2)]


def _ceil_pool(number: int) -> list[Layer]:
    return [Layer(f"pool{number}", "max", size=3, stride=2, ceil=True)]
