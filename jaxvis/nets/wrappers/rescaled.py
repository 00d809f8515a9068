"""Networks rescaled so that every filter's mean activation is 1, computing the same.

Rectifiers and pooling commute with positive factors. So a filter can be divided by its
mean activation, and the next layer's kernel multiplied by it, without changing any later
layer. The activations of filters, and with them the Gram matrices of layers, then become
comparable.
"""

from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.nets.table.layers import Layer, shapes, sources
from jaxvis.network import Network
from jaxvis.types import Array, Image, Params

_COMMUTE = ("relu", "max", "avg")
_LEAST = 1e-6  # a filter below this share of its layer's mean is dead and stays as it is


def rectifiers_of(net: Network) -> dict[str, str]:
    """Returns convolution -> the rectifier that follows it, in forward order.

    Args:
      net: a network built from a table.

    Raises:
      ValueError: for an adapted network, which has no table.
    """
    if not net.rows:
        raise ValueError(f"{net.name} is not a table network: it cannot be rescaled")
    ops, reads = {row.name: row.op for row in net.rows}, sources(net.rows)
    return {
        reads[row.name][0]: row.name
        for row in net.rows
        if row.op == "relu" and ops[reads[row.name][0]] == "conv"
    }


def average_activations(net: Network, params: Params, images: Iterable[Image]) -> dict[str, Array]:
    """Returns the mean of every rectified filter over positions and images.

    Args:
      net, params: the network.
      images: `[H, W, 3]` in [0, 1] each. Every new size compiles once more.

    Returns:
      dict: relu tap -> `[c]`.

    Raises:
      ValueError: if there is no image, or for an adapted network.
    """
    taps = tuple(rectifiers_of(net).values())
    means = [_average(net, taps, params, jnp.asarray(image, jnp.float32)) for image in images]
    if not means:
        raise ValueError("there are no mean activations of no image: pass at least one")
    return jax.tree.map(lambda *parts: sum(parts) / len(parts), *means)


@jit(static_argnums=(0, 1))
def _average(net: Network, taps: tuple[str, ...], params: Params, image: Image) -> dict[str, Array]:
    found = net.apply(params, image, stop=taps)
    return {tap: jnp.mean(found[tap], axis=(0, 1)) for tap in taps}


def rescale(net: Network, params: Params, means: Mapping[str, Array]) -> Params:
    """Returns parameters of the same function, with each filter divided by its mean.

    The rectified map l becomes relu(W_l / m_l x + b_l / m_l), and the kernel W_{l+1} is
    multiplied by m_l for each input channel.

    Args:
      net, params: a network of convolutions, rectifiers, pooling, concatenation and fully
        connected layers. Rows that `params` lacks are left out.
      means: relu tap -> `[c]` mean activations, from `average_activations`. A layer that
        is missing and a filter that never fires keep their scale.

    Raises:
      ValueError: for a layer that does not commute with positive factors (batch norm,
        local response normalisation), for means of a wrong shape, or for an adapted
        network.

    Source: Gatys, Ecker & Bethge (2015), section 2.
    """
    follows, reads = rectifiers_of(net), sources(net.rows)
    at = shapes(net.rows, net.input_size)
    out = dict(params)
    scale: dict[str, np.ndarray] = {}
    for row in net.rows:
        given = [scale[name] for name in reads[row.name]]
        width = at[row.name][-1]
        scale[row.name] = np.ones(width, np.float32)
        if row.op in _COMMUTE:
            scale[row.name] = given[0]
        elif row.op == "concat":
            scale[row.name] = np.concatenate(given)
        elif row.op in ("conv", "fc"):
            if row.op == "conv" and row.name in follows:
                scale[row.name] = _find_factors(means, follows[row.name], width)
            if row.name in params:
                out[row.name] = _fold(params[row.name], row, given[0], scale[row.name])
        elif any(np.any(values != 1) for values in given):
            raise ValueError(
                f"{row.name!r} ({row.op}) does not commute with factors on its input: "
                f"{net.name} cannot be rescaled"
            )
    return out


def _find_factors(means: Mapping[str, Array], tap: str, width: int) -> np.ndarray:
    """Returns what the filters of a tap are divided by, `[c]`."""
    if tap not in means:
        return np.ones(width, np.float32)
    found = np.asarray(means[tap], np.float32)
    if found.shape != (width,) or not np.all(np.isfinite(found)) or np.any(found < 0):
        raise ValueError(
            f"the means of {tap!r} must be {width} numbers, none negative; got shape {found.shape}"
        )
    return np.where(found > _LEAST * found.mean(), found, 1.0).astype(np.float32)


def _fold(
    leaves: Mapping[str, Array], row: Layer, given: np.ndarray, own: np.ndarray
) -> dict[str, Array]:
    """Returns a row's parameters times the factors of its inputs, over those of its own."""
    kernel = jnp.asarray(leaves["kernel"])
    if row.op == "fc":
        # The inputs that come from a map are in H, W, C order.
        repeats = kernel.shape[0] // len(given)
        kernel = kernel * np.tile(given, repeats)[:, None] / own
    else:
        groups = np.reshape(given, (row.groups, -1))
        width = kernel.shape[-1] // row.groups
        kernel = kernel * np.repeat(groups, width, axis=0).T / own
    found = {**leaves, "kernel": kernel}
    if "bias" in leaves:
        found["bias"] = leaves["bias"] / own
    return found
