"""A network with leaky ReLUs: its gradient never dies altogether."""

from dataclasses import replace

from jaxvis.nets.table.forward import Table
from jaxvis.network import Network


def with_leaky_relus(net: Network, slope: float) -> Network:
    """Returns the network with max(x, slope x) in place of every ReLU.

    Args:
      net: a network built from a table.
      slope: the leak, in [0, 1); 0 returns `net` itself.

    Raises:
      ValueError: for a slope outside [0, 1), or a network without a table.

    Source: the authors' code of Mahendran & Vedaldi (IJCV 2016), where 0.05 and 0.01
      are options; the paper's figures have none.
    """
    if not 0 <= slope < 1:
        raise ValueError(f"the slope of a leaky ReLU is at least 0 and below 1, not {slope}")
    if not slope:
        return net
    if not isinstance(net.forward, Table):
        raise ValueError(
            f"{net.name} is not a table network, so its ReLUs cannot be replaced: use a slope of 0"
        )
    rows = tuple(
        replace(row, op="leaky", alpha=slope) if row.op == "relu" else row for row in net.rows
    )
    return replace(net, forward=replace(net.forward, rows=rows), rows=rows)
