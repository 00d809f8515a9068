"""Random networks to choose from: candidates for every layer, and many as one tree.

Candidate k of network n draws from `fold_in(fold_in(key, n), k)`, however many there
are of either: more candidates add to the choice and change nothing else.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.nets.random import random_params
from jaxvis.nets.wrappers.rescaled import rectified_convolutions
from jaxvis.network import Network
from jaxvis.types import Image, Key, Params, as_key

SCHEMES = ("he", "gaussian", "unit")
"""N(0, 2 / fan_in); N(0, sigma^2); "he" with mean activation 1 on a reference image."""


def inverted_layers(net: Network, *, stop: str | None = None) -> tuple[str, ...]:
    """Returns the rectified and pooled taps, in forward order: what is inverted.

    Args:
      net: a network built from a table.
      stop: the last tap; None stops where maps become vectors (VGG: pool5).

    Raises:
      ValueError: for an unknown tap, or an adapted network, which has no table.
    """
    if not net.rows:
        raise ValueError(f"{net.name} is not a table network: name its taps yourself")
    ends = [row.name for row in net.rows if row.op in ("fc", "gap")]
    last = net.taps.index(net.named(stop)[0]) + 1 if stop else len(net.taps)
    if stop is None and ends:
        last = net.taps.index(ends[0])
    kept = ("relu", "max", "avg")
    return tuple(row.name for row in net.rows[:last] if row.op in kept)


def chosen_layers(net: Network, *, stop: str | None = None) -> list[tuple[str, str]]:
    """Returns (convolution, its rectifier) in forward order.

    Args:
      net: a network built from a table.
      stop: the last tap; None takes all.

    Raises:
      ValueError: for an unknown tap, an adapted network, or if there is no such layer.
    """
    last = net.taps.index(net.named(stop)[0]) if stop else len(net.taps)
    pairs = rectified_convolutions(net).items()
    found = [(row, tap) for row, tap in pairs if net.taps.index(tap) <= last]
    if not found:
        raise ValueError(f"{net.name} has no rectified convolution up to {stop!r}: stop later")
    return found


def random_networks(
    net: Network,
    image: Image,
    *,
    networks: int = 1,
    key: Key | int = 0,
    scheme: str = "he",
    sigma: float = 0.015,
    stop: str | None = None,
) -> Params:
    """Returns purely random networks, leaves `[networks, ...]`: the first candidates.

    With the same key they pair with the networks of `jaxvis.methods.ranvgg.stack`.

    Args:
      net: a network built from a table.
      image: the reference image, `[H, W, 3]` in [0, 1]; read by "unit" alone.
      networks: how many.
      key: a typed random key, or an integer seed.
      scheme: one of `SCHEMES`.
      sigma: standard deviation of "gaussian".
      stop: the last tap that needs parameters; None draws all.

    Raises:
      ValueError: for an unknown scheme or tap, or fewer than one network.
    """
    params = [
        dict(drawn(net, key, n, 1, scheme=scheme, sigma=sigma, stop=stop)[0])
        for n in range(networks)
    ]
    if not params:
        raise ValueError(f"networks must be at least 1, got {networks}")
    for row, tap in chosen_layers(net, stop=stop) if scheme == "unit" else ():
        for own in params:
            own[row] = normalised(net, own, image, row=row, tap=tap)
    return joined(params)


def drawn(
    net: Network,
    key: Key | int,
    number: int,
    count: int,
    *,
    scheme: str = "he",
    sigma: float = 0.015,
    stop: str | None = None,
) -> list[Params]:
    """Returns a network's candidates, on the host: whole random networks.

    Args:
      net: a network built from a table.
      key: a typed random key, or an integer seed.
      number: which network.
      count: how many candidates. Only the first has the layers after the last
        rectified convolution.
      scheme: one of `SCHEMES`; "unit" is "he" here, see `normalised`.
      sigma: standard deviation of "gaussian".
      stop: the last tap that needs parameters; None draws all.

    Raises:
      ValueError: for an unknown scheme or tap.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme is one of {', '.join(SCHEMES)}, not {scheme!r}")
    last = chosen_layers(net, stop=stop)[-1][1]
    kind = "he" if scheme == "unit" else scheme
    own = jax.random.fold_in(as_key(key), number)
    found = []
    for k in range(count):
        one = random_params(
            net,
            jax.random.fold_in(own, k),
            scheme=kind,
            sigma=sigma,
            stop=last if k else stop,
        )
        found.append(jax.tree.map(np.asarray, one))
    return found


def normalised(
    net: Network, params: Params, image: Image, *, row: str, tap: str
) -> dict[str, np.ndarray]:
    """Returns a convolution's parameters, scaled to the mean activation 1; bias zero.

    Args:
      net, params: the network.
      image: the reference image, `[H, W, 3]` in [0, 1].
      row: the convolution.
      tap: its rectifier.

    Raises:
      ValueError: if the layer does not fire for this image, or not finitely.
    """
    mean = float(jnp.mean(net.code(params, image, tap)))
    if not 0 < mean < np.inf:
        raise ValueError(f"{tap!r} does not fire, or not finitely, for this image: use another one")
    return {**params[row], "kernel": params[row]["kernel"] / np.float32(mean)}


def needed(net: Network, params: Params, tap: str) -> Params:
    """Returns the parameters without the rows that a tap does not need.

    Args:
      net, params: a network built from a table.
      tap: the last tap wanted.
    """
    rows = net.forward.needed(frozenset({"input"}), net.named(tap)) | {"input"}
    return {row: params[row] for row in params if row in rows}


def joined(params: Sequence[Params]) -> Params:
    """Returns networks as one tree, leaves `[N, ...]`; what all share is not copied.

    Args:
      params: each network's, on the host.
    """

    def join(*leaves: np.ndarray) -> np.ndarray:
        if all(leaf is leaves[0] for leaf in leaves):
            return np.broadcast_to(leaves[0], (len(leaves), *leaves[0].shape))
        return np.stack(leaves)

    return jax.tree.map(join, *params)


def nth(params: Params, at: int) -> Params:
    """Returns one network of many.

    Args:
      params: leaves `[N, ...]`.
      at: which.
    """
    return jax.tree.map(lambda leaf: leaf[at], params)
