"""jaxvis check: does a network read photographs as it was trained to?"""

from jaxvis.cli.flags import NETWORK, NetworkFlags
from jaxvis.cli.opening import open_net
from jaxvis.cli.parsing import parse_indices
from jaxvis.cli.photographs import read_photograph
from jaxvis.methods.check.check import check as check_network
from jaxvis.weights.load import LoadedNetwork


def check(
    net: str,
    image: str,
    /,
    *,
    shows: str | None = None,
    network: NetworkFlags = NETWORK,
) -> int:
    """Checks that a network reads photographs as it was trained to.

    Prints what enters its first layer, its answer to a photograph, and the answers to the
    same photograph preprocessed as other networks want it. Exits with 1 where something
    looks wrong. Values on a wrong scale are found nearly always; red for blue, or a missing
    mean, only with --shows, and not with every photograph. For example:
    jaxvis check googlenet goldfish.jpg --shows goldfish

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket; it is cropped to the
        network's own size.
      shows: the class that the photograph shows, such as 1 or goldfish.

    Raises:
      OSError: if image, weights or labels cannot be opened.
      ValueError: for an unknown network or class, and for labels that are not one for each
        class.
    """
    opened = open_net(net, network)
    classes = _count_classes(opened)
    number = None
    if shows is not None:
        if classes is None:
            raise ValueError(f"{net} names no class scores: leave --shows out")
        number = parse_indices(shows, count=classes, what="class", labels=opened.labels)[0]
    photo = read_photograph(image, size=opened.net.input_size, channels=opened.net.channels)
    found = check_network(opened.net, opened.params, photo, labels=opened.labels, shows=number)
    if "preprocess" in opened.metadata:
        print(f"{opened.weights} was converted with --preprocess {opened.metadata['preprocess']}")
    print(found)
    return 1 if found.warnings else 0


def _count_classes(opened: LoadedNetwork) -> int | None:
    net = opened.net
    return net.shape(opened.params, net.scores)[-1] if net.scores else None
