"""What else a file may hold: harmless names, strays, and what belongs to another network."""

import re
from collections.abc import Collection

from weights_convert.names import style
from weights_convert.names.table import LEAVES, unify

HARMLESS = re.compile(
    r"(^|[./])(num_batches_tracked$|n_averaged$|aux\d?\.|AuxLogits|loss[12]/|kernel_scale_min$)"
)
"""Names that a file may have beyond the network: counters and auxiliary classifiers."""
KNOWN_ENDS = {end for ends in LEAVES.values() for end in ends}


def is_harmless(name: str, net: str) -> bool:
    """Says whether a name is of a counter, an auxiliary classifier or the like.

    Args:
      name: the name in the file, without its prefix.
      net: the network's name.
    """
    return bool(HARMLESS.search(name)) or (net == style.NAME and bool(style.DROPPED.search(name)))


def is_stray(name: str, shape: tuple[int, ...], own: Collection[str]) -> bool:
    """Says whether a tensor cannot be a weight of the network, whose own are all there.

    A name that begins as the network's own do (layer5... beside layer1 to layer4, conv9
    beside conv1) is one of a larger network, and no stray. Others belong to something
    beside it: "loss.center", "projector.0.weight". So does a single number that is called as
    no parameter is ("layer1.0.conv1.total_ops").

    Args:
      name: the name in the file, without its prefix.
      shape: of the tensor.
      own: the shortened names that the network's parameters have in files; see `shorten`.
    """
    if shorten(name) not in own:
        return True
    single = all(n == 1 for n in shape)
    return single and unify(name).rpartition(".")[2] not in KNOWN_ENDS


def shorten(name: str) -> str:
    """Returns the first part of a name without digits: "layer" of "layer1.0.conv1.weight".

    Args:
      name: the name.
    """
    return re.sub(r"\d", "", unify(name).partition(".")[0])
