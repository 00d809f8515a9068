"""Networks that have forgotten what they learned: all of it, or from the scores down to a layer."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp

from jaxvis.compiler import jit
from jaxvis.nets.random import random_params
from jaxvis.nets.table.forward import Table
from jaxvis.network import Network
from jaxvis.types import Key, Params


def draw_params(net: Network, params: Params, key: Key) -> Params:
    """Draws random parameters for a network; what it does to its images stays.

    A table gets those of `jaxvis.nets.random_params`. Of any other network, the numbers of
    every array are shuffled, but for those of a row "input".

    Args:
      net, params: the network.
      key: one typed key.
    """
    if isinstance(net.forward, Table):
        kept = {"input": params["input"]} if "input" in params else {}
        return {**random_params(net, key), **kept}
    rows = ("input",) if isinstance(params, Mapping) else ()
    return shuffle_params(params, key, keep=rows)


def mix_cascade(
    net: Network, params: Params, drawn: Params, *, stages: int | None = None
) -> list[Params]:
    """Lists the parameters of networks that are random from the scores down to a layer.

    Args:
      net, params: the network.
      drawn: its random parameters.
      stages: how many, as evenly as possible; None is one for each layer. The last is
        `drawn`.
    """
    if not isinstance(net.forward, Table):
        return [drawn]
    names = [row.name for row in reversed(net.rows) if row.name in params and row.name != "input"]
    count = min(stages or len(names), len(names))
    ends = [round(len(names) * (i + 1) / count) for i in range(count)]
    return [{**params, **{name: drawn[name] for name in names[:end]}} for end in ends]


def shuffle_params(params: Params, key: Key, *, keep: Sequence[str] = ()) -> Params:
    """Shuffles the numbers of every array of parameters.

    Args:
      params: the network's parameters.
      key: of the shuffling, one typed key.
      keep: rows that stay as they are, such as "input".
    """
    kept = {name: params[name] for name in keep if name in params}
    rows = {name: row for name, row in params.items() if name not in kept} if kept else params
    return {**_shuffle(rows, key), **kept} if kept else _shuffle(rows, key)


@jit
def _shuffle(params: Params, key: Key) -> Params:
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, max(len(leaves), 1))
    shuffled = [
        jax.random.permutation(one, jnp.ravel(leaf)).reshape(jnp.shape(leaf))
        if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        else leaf
        for one, leaf in zip(keys, leaves)
    ]
    return jax.tree.unflatten(tree, shuffled)
