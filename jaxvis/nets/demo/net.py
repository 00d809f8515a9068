"""The demo network: a small network like VGG that comes with its trained weights.

This project trained it (`python -m benchmarks.quality.train_demo`) on the images of
`jaxvis.nets.demo.images`, so it is known what a picture of each of its classes must show.
"""

from pathlib import Path

from jaxvis.nets.demo.images import CLASSES, SIDE
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.head import head_rows
from jaxvis.nets.table.layers import Layer
from jaxvis.network import Network

__all__ = ["CLASSES", "WEIGHTS", "demo"]

WEIGHTS = Path(__file__).with_name("demo.safetensors")
"""The file of the trained parameters, in float16; the tensors are named `row/leaf`."""
DEPTHS, WIDTHS = (1, 2, 2, 2), (16, 32, 64, 96)
"""How many convolutions each of the four blocks has, and their channels."""


def demo(*, head: str = "softmax", input_size: tuple[int, int] = (SIDE, SIDE)) -> Network:
    """Returns the demo network: four blocks of convolutions, a global mean and fc8.

    Args:
      head: "softmax", "linear" or "relu": what follows fc8.
      input_size: (H, W) in pixels of the native image. Any size from 8 pixels a side
        passes, since fc8 reads the means of channels.

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
    rows += [Layer("gap", "gap"), Layer("fc8", "fc", len(CLASSES)), *head_rows(head)]
    return build_network("demo", tuple(rows), input_size=input_size, scores="fc8")
