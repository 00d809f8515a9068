"""Random networks to choose from: candidates for every layer, and many as one tree.

Candidate k of network n draws from `fold_in(fold_in(key, n), k)`, however many there
are of either: more candidates add to the choice and change nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.images import check_image
from jaxvis.nets.random import random_params
from jaxvis.nets.table.layers import rows_between
from jaxvis.nets.wrappers.rescaled import rectifiers_of
from jaxvis.network import Network
from jaxvis.types import Array, ImageLike, Key, Params, as_key

SCHEMES = ("he", "gaussian", "unit")


@dataclass(frozen=True)
class Distribution:
    """The distribution of random kernels; biases are zero.

    Args:
      scheme: "he", N(0, 2 / fan_in); "gaussian", N(0, sigma^2); "unit", "he" scaled to
        the mean activation 1 on the reference image.
      sigma: standard deviation of "gaussian".

    Raises:
      ValueError: for an unknown scheme, or a sigma that is not above 0.
    """

    scheme: str = "he"
    sigma: float = 0.015

    def __post_init__(self) -> None:
        """Raises ValueError for what is no distribution."""
        if self.scheme not in SCHEMES:
            raise ValueError(f"scheme is one of {', '.join(SCHEMES)}, not {self.scheme!r}")
        if not self.sigma > 0:
            raise ValueError(f"sigma must be above 0, got {self.sigma}")


HE = Distribution()


def list_inverted_layers(net: Network, *, stop: str | None = None) -> tuple[str, ...]:
    """Lists the layers that are inverted, the rectified and pooled taps in forward order.

    Args:
      net: a network built from a table.
      stop: the last tap; None stops where maps become vectors (VGG: pool5).

    Raises:
      ValueError: for an unknown tap, a network without such layers, or an adapted
        network, which has no table.
    """
    if not net.rows:
        raise ValueError(f"{net.name} is not a table network: name its taps yourself")
    ends = [row.name for row in net.rows if row.op in ("fc", "gap")]
    last = net.taps.index(net.check_taps(stop)[0]) + 1 if stop else len(net.taps)
    if stop is None and ends:
        last = net.taps.index(ends[0])
    kept, shown = ("relu", "max", "avg"), [row for row in net.rows if row.name in net.taps]
    found = tuple(row.name for row in shown[:last] if row.op in kept)
    if not found:
        raise ValueError(f"{net.name} has no rectified or pooled map to invert")
    return found


def list_stacked_layers(net: Network, *, stop: str | None = None) -> list[tuple[str, str]]:
    """Lists the layers that are stacked, (convolution, its rectifier) in forward order.

    Args:
      net: a network built from a table.
      stop: the last tap; None takes all.

    Raises:
      ValueError: for an unknown tap, an adapted network, or if there is no such layer.
    """
    last = net.taps.index(net.check_taps(stop)[0]) if stop else len(net.taps)
    pairs = rectifiers_of(net).items()
    found = [(row, tap) for row, tap in pairs if net.taps.index(tap) <= last]
    if not found:
        raise ValueError(f"{net.name} has no rectified convolution up to {stop!r}: stop later")
    return found


def draw_networks(
    net: Network,
    image: ImageLike,
    *,
    networks: int = 1,
    key: Key | int = 0,
    distribution: Distribution = HE,
    stop: str | None = None,
) -> Params:
    """Draws purely random networks, leaves `[networks, ...]`: the first candidates.

    With the same key they pair with the networks of `jaxvis.methods.ranvgg.stack`.

    Args:
      net: a network built from a table.
      image: the reference image, `[H, W, 3]` in [0, 1]; it counts for "unit" alone.
      networks: how many.
      key: a typed random key, or an integer seed.
      distribution: of the kernels.
      stop: the last tap that needs parameters; None draws all.

    Raises:
      ValueError: for an unknown tap, or fewer than one network.
    """
    if networks < 1:
        raise ValueError(f"networks must be at least 1, got {networks}")
    params = [
        dict(draw_candidates(net, key, n, 1, distribution=distribution, stop=stop)[0])
        for n in range(networks)
    ]
    if distribution.scheme == "unit":
        for row, tap in list_stacked_layers(net, stop=stop):
            for own in params:
                own[row] = normalise_layer(net, own, image, row=row, tap=tap)
    return join_networks(params)


def draw_candidates(
    net: Network,
    key: Key | int,
    number: int,
    count: int,
    *,
    distribution: Distribution = HE,
    stop: str | None = None,
) -> list[Params]:
    """Draws a network's candidates, which are whole random networks, on the host.

    Args:
      net: a network built from a table.
      key: a typed random key, or an integer seed.
      number: which network.
      count: how many candidates. Only the first has the layers after the last
        rectified convolution.
      distribution: of the kernels; "unit" is "he" here, see `normalise_layer`.
      stop: the last tap that needs parameters; None draws all.

    Raises:
      ValueError: for an unknown tap.
    """
    last = list_stacked_layers(net, stop=stop)[-1][1]
    scheme = "he" if distribution.scheme == "unit" else distribution.scheme
    own = jax.random.fold_in(as_key(key), number)
    found = []
    for k in range(count):
        one = random_params(
            net,
            jax.random.fold_in(own, k),
            scheme=scheme,
            sigma=distribution.sigma,
            stop=last if k else stop,
        )
        found.append(jax.tree.map(np.asarray, one))
    return found


def normalise_layer(
    net: Network, params: Params, image: ImageLike, *, row: str, tap: str
) -> dict[str, Array]:
    """Scales a convolution's parameters to the mean activation 1; its bias is zero.

    Args:
      net, params: the network.
      image: the reference image, `[H, W, 3]` in [0, 1].
      row: the convolution.
      tap: its rectifier.

    Raises:
      ValueError: if the layer does not fire for this image, or not finitely.
    """
    image = check_image(image, "the reference image", channels=net.channels)
    mean = float(jnp.mean(net.code(params, image, tap)))
    if not 0 < mean < np.inf:
        raise ValueError(f"{tap!r} does not fire, or not finitely, for this image: use another one")
    return {**params[row], "kernel": params[row]["kernel"] / np.float32(mean)}


def keep_needed(net: Network, params: Params, tap: str) -> Params:
    """Keeps the parameters of the rows that a tap needs.

    Args:
      net, params: a network built from a table.
      tap: the last tap wanted.
    """
    rows = rows_between(net.rows, frozenset({"input"}), net.check_taps(tap)) | {"input"}
    return {row: params[row] for row in params if row in rows}


def join_networks(params: Sequence[Params]) -> Params:
    """Joins networks to one tree, leaves `[N, ...]`; what all share is not copied.

    Args:
      params: each network's, on the host.
    """

    def join(*leaves: np.ndarray) -> np.ndarray:
        if all(leaf is leaves[0] for leaf in leaves):
            return np.broadcast_to(leaves[0], (len(leaves), *leaves[0].shape))
        return np.stack(leaves)

    return jax.tree.map(join, *params)


def take_network(params: Params, number: int) -> Params:
    """Takes one network of many.

    Args:
      params: leaves `[N, ...]`.
      number: which.
    """
    return jax.tree.map(lambda leaf: leaf[number], params)
