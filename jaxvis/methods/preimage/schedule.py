"""The fidelity weight C of every layer, and the layers that have a code to invert.

C weighs the code against the priors: the codes of shallow layers are followed closely,
those of deep ones less.
"""

from jaxvis.nets.table.geometry import stride_of
from jaxvis.network import Network
from jaxvis.types import Params

BY_STRIDE = ((8, 300.0), (16, 20.0))
"""(Largest stride of a tap, C), for networks without a schedule of their own; 1 beyond."""
CLASSICAL = 100.0
"""C of HOG and dense SIFT, as in the authors' code; the paper's text says 20."""
ALEXNETS = ("alexnet", "caffe_alexnet", "caffenet", "vgg_m")


def schedule_of(net: Network) -> tuple[tuple[str, float], ...]:
    """Gives (last tap, C) in forward order, for a network of the paper; else ().

    AlexNet, CaffeNet and VGG-M: 300 to relu3, 100 to relu4, 20 to relu5. The VGG
    networks: 300 to the end of block 4, 100 to conv5_1, 20 to the end of block 5.
    After the last one C is 1.

    Args:
      net: the network.

    Source: Mahendran & Vedaldi (IJCV 2016), 5.2.1.
    """
    if net.name in ALEXNETS:
        return (("relu3", 300.0), ("relu4", 100.0), ("relu5", 20.0))
    if not net.name.startswith("vgg"):
        return ()
    blocks = {tap[4]: tap for tap in net.taps if tap.startswith("relu")}
    return ((blocks["4"], 300.0), ("relu5_1", 100.0), (blocks["5"], 20.0))


def fidelity_of(net: Network, params: Params, tap: str) -> float:
    """Gives C for a tap: by the network's schedule, or by the tap's stride.

    Args:
      net, params: the network.
      tap: the tap's name.

    Raises:
      ValueError: for an unknown tap.
    """
    net.check_taps(tap)
    if net.name in ("hog", "hogb", "dsift"):
        return CLASSICAL
    steps = schedule_of(net)
    if not steps:
        stride = stride_of(net, params, tap)
        return next((c for most, c in BY_STRIDE if stride <= most), 1.0)
    at = net.taps.index(tap)
    return next((c for last, c in steps if at <= net.taps.index(last)), 1.0)


def codes_of(net: Network) -> tuple[str, ...]:
    """Gives every tap that has a code to invert: all but the image and the softmax.

    Args:
      net: the network.
    """
    ops = {row.name: row.op for row in net.rows}
    skipped = ("input", "softmax")
    return tuple(tap for tap in net.taps if tap != "input" and ops.get(tap) not in skipped)
