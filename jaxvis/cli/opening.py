"""The network that a command was asked for."""

import re
from typing import Any, NamedTuple

import jax

from jaxvis.cli.flags import NetworkFlags
from jaxvis.nets.registry import FIXED
from jaxvis.network import Network
from jaxvis.output.record import hash_file
from jaxvis.types import Params
from jaxvis.weights import file as weights_file
from jaxvis.weights import load as files


class Opened(NamedTuple):
    """A network as a command uses it.

    Attributes:
      net: the network.
      params: its parameters.
      labels: class names by index; () if unknown.
      weights: where the parameters came from: the path given, "random:0", "cached",
        "embedded", or "none" where there are none.
      sha256: of their file, in hex; None for random ones.
    """

    net: Network
    params: Params
    labels: tuple[str, ...]
    weights: str
    sha256: str | None


def open_net(name: str, flags: NetworkFlags, **options: Any) -> Opened:
    """Opens the network that a command was asked for.

    Args:
      name: a name of `jaxvis.nets.registry`.
      flags: its weights and precision.
      **options: pool, head, input_size of `jaxvis.load`.

    Raises:
      OSError, ValueError: as `jaxvis.load`; and for a SEED that is no number.
    """
    weights, options = flags.weights, {"precision": flags.precision, **options}
    if weights is not None and weights.partition(":")[0] == "random":
        seed = re.fullmatch(r"random:(\d{1,9})", weights)
        if seed is None:
            raise ValueError(f"{weights!r}: write random:SEED, such as random:0")
        net, params = files.load(name, weights=jax.random.key(int(seed[1])), **options)
        return Opened(net, params, (), weights, None)
    net, params = files.load(name, weights=weights, **options)
    if name in FIXED:
        return Opened(net, params, (), "none", None)
    source = weights or ("embedded" if name in files.EMBEDDED else "cached")
    with files.open_path(name, weights=weights) as path:
        return Opened(net, params, weights_file.read_labels(path), source, hash_file(path))
