"""The rows of a table in words, for a reader."""

from jaxvis.nets.table.layers import Layer, is_hidden, shapes
from jaxvis.network import LayerDescription

WORDS = {
    "input": "image, scaled and shifted",
    "conv": "convolution",
    "fc": "fully connected",
    "bn": "batch norm",
    "inorm": "instance norm",
    "lrn": "local response norm",
    "max": "max pooling",
    "avg": "average pooling",
    "gap": "mean over the map",
    "relu": "ReLU",
    "leaky": "leaky ReLU",
    "concat": "concatenation",
    "add": "sum",
    "mul": "product",
    "ln": "layer norm",
    "gain": "factor for every channel",
    "relu6": "ReLU up to 6",
    "silu": "SiLU",
    "gelu": "GELU",
    "hswish": "hard swish",
    "hsigmoid": "hard sigmoid",
    "quick_gelu": "quick GELU",
    "patches": "patches of the tokens",
    "token": "class token",
    "up": "transposed convolution",
    "repeat": "doubling of every pixel",
    "same": "zeros around the map",
    "reflect": "reflected border",
    "crop": "cropping",
    "hard": "bins of directions, hard",
    "bilinear": "bins of directions, bilinear",
    "norm": "norm of each block",
}
"""Op -> what a reader calls it; other ops have names that speak for themselves."""

WINDOWS = ("conv", "max", "avg")
"""Ops with a window that moves by the row's stride."""


def describe_rows(rows: tuple[Layer, ...], size: tuple[int, int]) -> tuple[LayerDescription, ...]:
    """Describes every tap of a table.

    Args:
      rows: the table.
      size: (H, W) of the native image.
    """
    shape = shapes(rows, size)
    return tuple(
        _describe_row(row, shape[row.name]) for row in rows if not is_hidden(shape[row.name])
    )


def _describe_row(row: Layer, shape: tuple[int, ...]) -> LayerDescription:
    what = WORDS.get(row.op, row.op)
    if row.op == "conv" and row.groups > 1:
        what += f", {row.groups} groups"
    if row.op == "up":  # the row has no stride of its own: it always doubles the map
        return LayerDescription(row.name, what, shape, kernel=row.window[0])
    if row.op not in WINDOWS:
        return LayerDescription(row.name, what, shape)
    height, width = row.window
    kernel = height if height == width else row.window
    return LayerDescription(row.name, what, shape, kernel, row.stride)
