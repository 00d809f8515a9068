"""Numbers that another program's network has elsewhere, folded into the parameters."""

from collections.abc import Callable, Collection

import numpy as np

from jaxvis.network import Network
from weights_convert.names import keras, style

Folder = Callable[[str, np.ndarray], np.ndarray]

TIMM_EPSILON = 1e-5
"""What timm's MobileNets add to the variance; torchvision's third ones add 1e-3."""


def make_folder(net: Network, names: Collection[str]) -> Folder:
    """Returns the function of (`row/leaf`, array) that gives the parameter of the table.

    A norm that adds another number to its variance gets the difference added to it. The
    last layer of a style network whose pictures are 0 to 255 is divided by 255.

    Args:
      net: the network.
      names: the names of the parameters in the file, which tell whose network it is.
    """
    if net.name == style.NAME:
        return lambda target, array: array / 255 if target.startswith("image/") else array
    theirs = _find_epsilon(net, names)
    ours = {row.name: row.epsilon for row in net.rows if row.op == "bn"}
    if theirs is None:
        return lambda target, array: array

    def fold(target: str, array: np.ndarray) -> np.ndarray:
        row, _, leaf = target.rpartition("/")
        return array + np.float32(theirs - ours[row]) if leaf == "var" else array

    return fold


def _find_epsilon(net: Network, names: Collection[str]) -> float | None:
    """Returns what the norms of the file's network add to the variance, if that differs."""
    if net.name.startswith("densenet") and any("_bn" in name for name in names):
        return keras.DENSE_EPSILON
    if net.name.startswith("mobilenet_v3") and any(name.startswith("conv_stem") for name in names):
        return TIMM_EPSILON
    return None
