"""The parts that mobile networks have in common: a normalised convolution, a squeeze.

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
