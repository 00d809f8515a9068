"""The network that a command was asked for."""

import sys
from typing import Any, NotRequired, TypedDict

from jaxvis.cli.flags import NetworkFlags, WeightsFlags
from jaxvis.cli.style_flags import PoolFlags
from jaxvis.escape import escape_characters
from jaxvis.nets.network_file import hash_network_file, is_network_file
from jaxvis.weights.load import LoadedNetwork, load_network


class NetworkFacts(TypedDict):
    """What a record says of a network, as `jaxvis.output.record.make_record` takes it."""

    net: str
    weights: str
    sha256: str | None
    net_file: NotRequired[dict[str, str]]


def describe_network(opened: LoadedNetwork) -> NetworkFacts:
    """Gives what a record says of a network: its name, its file, where its weights are from.

    Args:
      opened: the network.
    """
    facts: NetworkFacts = {
        "net": opened.net.name,
        "weights": opened.weights,
        "sha256": opened.sha256,
    }
    if opened.net_file:
        facts["net_file"] = dict(zip(("path", "sha256"), opened.net_file))
    return facts


def open_net(name: str, flags: WeightsFlags, **options: Any) -> LoadedNetwork:
    """Opens the network that a command was asked for; says what was converted for it.

    Args:
      name: a name of `jaxvis.nets.registry`, or the path of a file that describes a network.
      flags: its weights, and how it computes.
      **options: stop, pool, head and input_size, as `jaxvis.load` takes them.

    Raises:
      OSError, ValueError: as `jaxvis.load`.
    """
    given: dict[str, Any] = {"weights": flags.weights}
    given |= {"classes": flags.classes_count, "channels": flags.channels}
    if isinstance(flags, NetworkFlags):
        given |= {one: getattr(flags, one) for one in ("labels", "skip_first_label", "precision")}
    net_file = (name, hash_network_file(name)) if is_network_file(name) else ()
    opened = load_network(name, **given, **options)._replace(net_file=net_file)
    for note in opened.notes:
        print(escape_characters(note), file=sys.stderr, flush=True)
    return opened


def open_pooled(name: str, network: NetworkFlags, pool: PoolFlags) -> LoadedNetwork:
    """Opens a network, with the pooling asked for where it has a choice.

    Args:
      name: a name of `jaxvis.nets.registry`.
      network: its weights and precision.
      pool: how it pools.

    Raises:
      OSError, ValueError: as `open_net`.
    """
    return open_net(name, network, pool=pool.pool if name.startswith("vgg") else None)
