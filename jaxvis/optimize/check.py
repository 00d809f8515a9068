"""Checks of what a computation is given: counts, and finite parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.types import Array, Params


def check_counts(**counts: Any) -> None:
    """Checks options that are whole numbers from 1; None, where one was left out, is right.

    Args:
      **counts: name and value of each.

    Raises:
      ValueError: names the option.
    """
    for name, count in counts.items():
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if count is not None and not (whole and count >= 1):
            raise ValueError(f"{name} must be at least 1, a whole number, got {count!r}")


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
