"""Leaky ReLUs: the same network, whose gradient never dies altogether."""

from dataclasses import replace

from jaxvis.nets.table.forward import Table
from jaxvis.network import Network


def leaky(net: Network, slope: float) -> Network:
    """Returns the network with max(x, slope x) for every ReLU.

    Args:
      net: a table network.
      slope: in [0, 1); 0 returns `net` itself.

    Raises:
      ValueError: for a slope outside, or a network without a table.

    Source: the authors' code of Mahendran & Vedaldi (IJCV 2016), where 0.05 and 0.01
      are options; the paper's figures have none.
    """
    if not 0 <= slope < 1:
        raise ValueError(f"a leak goes from 0 to below 1, not {slope}")
    if not slope:
        return net
    if not isinstance(net.forward, Table):
        raise ValueError(f"{net.name} is not a table network: its ReLUs are its own")
    rows = tuple(
        replace(row, op="leaky", alpha=slope) if row.op == "relu" else row for row in net.rows
    )
    return replace(net, forward=replace(net.forward, rows=rows), rows=rows)
