"""A check that a network's parameters are finite."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.types import Array, Params


@jit
def _find_finite(leaves: list[Any]) -> Array:
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves])


def check_finite(params: Params) -> None:
    """Raises ValueError where a parameter is NaN or infinite, and names its layer.

    The parameters are looked at on their device; only a bool for each is copied to the host.

    Args:
      params: the network's parameters, with or without the items' axis.

    Raises:
      ValueError: names the layers.
    """
    known = [
        (path, leaf)
        for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
    ]
    if not known:
        return
    good = np.asarray(_find_finite([leaf for _, leaf in known]))
    bad = [
        "/".join(str(getattr(part, "key", part)) for part in path)
        for (path, _), fine in zip(known, good)
        if not fine
    ]
    if bad:
        listed = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if bad[5:] else "")
        raise ValueError(
            f"parameters are NaN or infinite in {listed}: the weights file is damaged, "
            "or was trained to divergence; convert or download it again"
        )
