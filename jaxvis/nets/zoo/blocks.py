"""What mobile networks have in common: normalised and depthwise convolutions, a squeeze.

The rows have the names that torchvision's modules of the same purpose give their parts.
"""

from jaxvis.nets.table.layers import Layer


def conv_rows(
    name: str,
    width: int,
    size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    act: str | None = "relu",
    epsilon: float = 1e-5,
    above: str = "",
) -> list[Layer]:
    """Returns a convolution `name.0`, its batch norm `name.1` and its activation `name.2`.

    Args:
      name: of the module.
      width: output channels.
      size: side of the kernel, odd; the map keeps its size but for the stride.
      stride: of the convolution.
      groups: of the convolution; as many as channels make it depthwise.
      act: the op of the activation; None for no activation.
      epsilon: what the batch norm adds to the variance.
      above: name of the row that is read; "" reads the row above.
    """
    inputs = (above,) if above else ()
    return [
        Layer(
            f"{name}.0", "conv", width, size, stride, size // 2, groups, bias=False, inputs=inputs
        ),
        Layer(f"{name}.1", "bn", epsilon=epsilon),
        *([Layer(f"{name}.2", act)] if act else []),
    ]


def expand_rows(
    name: str,
    above: str,
    widths: tuple[int, int],
    window: tuple[int, int],
    *,
    act: str,
    epsilon: float = 1e-5,
) -> list[Layer]:
    """Returns the rows that begin an inverted residual block: modules `name0` and `name1`.

    The first is a convolution of 1x1 to more channels, the second a depthwise convolution.
    Where the channels stay as many, the first is left out, and `name0` is the second.

    Args:
      name: of the list of modules, with its last dot.
      above: name of the row that is read.
      widths: channels of that row, and of the depthwise convolution.
      window: kernel and stride of the depthwise convolution.
      act: the op of both activations.
      epsilon: what the batch norms add to the variance.

    Source: Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, 2018.
    """
    (width, inner), (size, stride) = widths, window
    rows = []
    if inner != width:
        rows = conv_rows(f"{name}0", inner, 1, act=act, epsilon=epsilon, above=above)
    return rows + conv_rows(
        f"{name}{1 if rows else 0}",
        inner,
        size,
        stride=stride,
        groups=inner,
        act=act,
        epsilon=epsilon,
        above="" if rows else above,
    )


def squeeze_rows(
    name: str, above: str, width: int, inner: int, *, act: str = "relu", gate: str = "sigmoid"
) -> list[Layer]:
    """Returns the rows that multiply every channel by a number that all means decide.

    The means of the channels, `name.avgpool`, pass two layers, `name.fc1` and `name.fc2`.
    The product is `name.mul`.

    Args:
      name: of the module.
      above: name of the row that is multiplied.
      width: its channels.
      inner: units of the first layer.
      act: the op after the first layer.
      gate: the op after the second one, with values in [0, 1].

    Source: Hu, Shen & Sun, Squeeze-and-excitation networks, 2018.
    """
    return [
        Layer(f"{name}.avgpool", "gap", inputs=(above,)),
        Layer(f"{name}.fc1", "fc", inner),
        Layer(f"{name}.activation", act),
        Layer(f"{name}.fc2", "fc", width),
        Layer(f"{name}.scale_activation", gate),
        Layer(f"{name}.mul", "mul", inputs=(above, f"{name}.scale_activation")),
    ]


def round_width(width: float) -> int:
    """Returns a number of channels as a multiple of 8: the nearest, or 90 % of it at least.

    Args:
      width: how many channels there would be.
    """
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * width else nearest
