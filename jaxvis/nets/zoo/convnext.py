"""ConvNeXt, tiny, small and base, exactly as torchvision has them.

Taps and parameters have torchvision's module names: features.0.0 (the first convolution),
features.0.1 (its layer norm), features.1.0.block.0 (a depthwise convolution),
features.1.0.block.2 (a layer norm), features.1.0.block.3 and 5 (fully connected at every
pixel, that is, convolutions of 1x1) with the GELU features.1.0.block.4 between them,
features.1.0.layer_scale (a factor for every channel), classifier.2. The sums are called
features.1.0.add.
"""

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network

STAGES = {
    "convnext_tiny": ((96, 192, 384, 768), (3, 3, 9, 3)),
    "convnext_small": ((96, 192, 384, 768), (3, 3, 27, 3)),
    "convnext_base": ((128, 256, 512, 1024), (3, 3, 27, 3)),
}
"""Name -> channels and number of blocks of the four stages."""
EPSILON = 1e-6
"""What its layer norms add to the variance."""


def convnext(
    name: str,
    *,
    head: str = "softmax",
    input_size: tuple[int, int] = (224, 224),
    classes: int = 1000,
    channels: int = 3,
) -> Network:
    """Returns a ConvNeXt, which ends with a global mean, a norm and a fully connected layer.

    Args:
      name: "convnext_tiny", "convnext_small" or "convnext_base".
      head: "softmax", "linear" or "relu": what follows classifier.2.
      input_size: (H, W) in pixels of the native image; any size from 32 passes.
      classes: the number of classes, which is the width of classifier.2.
      channels: of the image: 3 for colours, 1 for grey.

    Raises:
      ValueError: for an unknown head or too small a size.

    Source: Liu et al., A ConvNet for the 2020s, 2022, as torchvision.models.convnext.
    """
    widths, depths = STAGES[name]
    rows = [Layer("features.0.0", "conv", widths[0], 4, 4), _norm("features.0.1")]
    for stage, (width, depth) in enumerate(zip(widths, depths)):
        if stage:
            shrink = f"features.{2 * stage}."
            rows += [_norm(f"{shrink}0"), Layer(f"{shrink}1", "conv", width, 2, 2)]
        for i in range(depth):
            rows += _block(f"features.{2 * stage + 1}.{i}.", rows[-1].name, width)
    rows += [
        Layer("avgpool", "gap"),
        _norm("classifier.0"),
        Layer("classifier.2", "fc", classes),
        *head_rows(head, relu_name="relu_classifier"),
    ]
    return build_network(
        name, tuple(rows), input_size=input_size, scores="classifier.2", channels=channels
    )


def _norm(name: str) -> Layer:
    return Layer(name, "ln", epsilon=EPSILON)


def _block(name: str, above: str, width: int) -> list[Layer]:
    scale = f"{name}layer_scale"
    return [
        Layer(f"{name}block.0", "conv", width, 7, pad=3, groups=width),
        _norm(f"{name}block.2"),
        Layer(f"{name}block.3", "conv", 4 * width),
        Layer(f"{name}block.4", "gelu"),
        Layer(f"{name}block.5", "conv", width),
        Layer(scale, "gain"),
        Layer(f"{name}add", "add", inputs=(scale, above)),
    ]
