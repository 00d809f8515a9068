"""The network that a command was asked for."""

from typing import Any, TypedDict

from jaxvis.cli.flags import NetworkFlags
from jaxvis.weights.load import LoadedNetwork, load_network


class NetworkFacts(TypedDict):
    """What a record says of a network, as `jaxvis.output.record.make_record` takes it."""

    net: str
    weights: str
    sha256: str | None


def describe_network(opened: LoadedNetwork) -> NetworkFacts:
    """Gives what a record says of a network: its name, and where its weights are from.

    Args:
      opened: the network.
    """
    return {"net": opened.net.name, "weights": opened.weights, "sha256": opened.sha256}


def open_net(name: str, flags: NetworkFlags, **options: Any) -> LoadedNetwork:
    """Opens the network that a command was asked for.

    Args:
      name: a name of `jaxvis.nets.registry`.
      flags: its weights and precision.
      **options: stop, pool, head and input_size, as `jaxvis.load` takes them.

    Raises:
      OSError, ValueError: as `jaxvis.load`.
    """
    return load_network(name, weights=flags.weights, precision=flags.precision, **options)
