"""The demo network: a small VGG-style net that comes with its trained weights.

It was trained by this project (`python -m benchmarks.train_demo`) on the images of
`jaxvis.nets.demo.images`, so what a picture of each of its classes must show is known.
"""

from pathlib import Path

from jaxvis.nets.demo.images import CLASSES, SIDE
from jaxvis.nets.table.forward import network
from jaxvis.nets.table.head import ending
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network

__all__ = ["CLASSES", "WEIGHTS", "demo"]

WEIGHTS = Path(__file__).with_name("demo.safetensors")
"""The trained parameters, float16, tensors named `row/leaf`."""
DEPTHS, WIDTHS = (1, 2, 2, 2), (16, 32, 64, 96)
"""Convolutions in each of the four blocks, and their channels."""


def demo(*, head: str = "softmax", input_size: tuple[int, int] = (SIDE, SIDE)) -> Network:
    """Returns the demo network: four conv blocks, global average pooling, fc8.

    Args:
      head: "softmax", "linear" or "relu": what follows fc8.
      input_size: (H, W) in pixels, the native image; any size from 8 pixels a side
        passes, since fc8 reads channel means.

    Raises:
      ValueError: for an unknown head, or an image below 8 pixels.
    """
    rows = []
    for block, width in enumerate(WIDTHS, 1):
        for i in range(1, DEPTHS[block - 1] + 1):
            rows.append(Layer(f"conv{block}_{i}", "conv", width, 3, pad=1))
            rows.append(Layer(f"relu{block}_{i}", "relu"))
        if block < len(WIDTHS):
            rows.append(Layer(f"pool{block}", "avg", size=2, stride=2))
    rows += [Layer("gap", "gap"), Layer("fc8", "fc", len(CLASSES)), *ending(head)]
    return network("demo", tuple(rows), input_size=input_size, scores="fc8")
