"""How much arithmetic a step needs, and how much the machine could do in a second.

Model FLOP utilisation is the ratio of the two: the share of the machine's measured
matrix-product rate that a sweep turns into useful arithmetic.
"""

import math
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxvis.nets.table.forward import Table
from jaxvis.nets.table.layers import rows_between, shapes, sources
from jaxvis.network import Network

SIDES = {"cpu": 2048, "gpu": 8192}
"""Backend -> side of the square matrices whose product is the ceiling."""


def count_forward(net: Network, tap: str | Sequence[str], size: tuple[int, int]) -> int:
    """Counts the FLOP of one image's forward pass to a tap; a multiply-add counts 2.

    Convolutions, fully connected rows and the products of attentions are counted as the
    direct method computes them, without their biases. Everything else is less than a
    hundredth.

    Args:
      net: a network built from a table.
      tap: the last tap, or several.
      size: (H, W) in pixels of what the network sees.

    Raises:
      ValueError: for an adapted network, which has no table.
    """
    if not isinstance(net.forward, Table):
        raise ValueError(f"{net.name} is not a table network: its rows are unknown")
    wanted = (tap,) if isinstance(tap, str) else tuple(tap)
    used = rows_between(net.rows, frozenset({"input"}), wanted)
    at, reads = shapes(net.rows, size), sources(net.rows)
    total = 0
    for row in net.rows:
        if row.name not in used or row.op not in ("conv", "fc", "dense", "attention"):
            continue
        given = at[reads[row.name][0]]
        if row.op in ("fc", "dense"):
            total += 2 * math.prod(given) * row.width
        elif row.op == "attention":  # queries with keys, and weights with values
            count, width = at[row.name]
            total += 4 * count**2 * width
        else:
            window = math.prod(row.window) * given[-1] // row.groups
            total += 2 * math.prod(at[row.name]) * window
    return total


def count_step(net: Network, tap: str | Sequence[str], size: tuple[int, int]) -> int:
    """Counts the FLOP of one image's gradient step: forward, and back to the image.

    Args:
      net: a network built from a table.
      tap: the last tap, or several.
      size: (H, W) in pixels of what the network sees.
    """
    return 2 * count_forward(net, tap, size)


def measure_ceiling(*, dtype: str = "float32", side: int | None = None, runs: int = 5) -> float:
    """Measures the FLOP per second of the fastest of a few large matrix products.

    Args:
      dtype: of the factors; products accumulate in float32.
      side: of the square matrices; None takes the backend's.
      runs: how many products are timed.
    """
    side = side or SIDES.get(jax.default_backend(), SIDES["gpu"])
    # Entries of 1 / side keep the products finite.
    a = jnp.full((side, side), 1 / side, dtype)
    product = jax.jit(lambda a, b: jnp.matmul(a, b))
    b = jax.block_until_ready(product(a, a * side))
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        jax.block_until_ready(product(a, b))
        times.append(time.perf_counter() - begin)
    return 2 * side**3 / min(times)
