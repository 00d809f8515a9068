"""What must hold of parameters before a network is worth running."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.types import Array, Params


@jax.jit
def _finite(leaves: list[Any]) -> Array:
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves])


def finite_params(params: Params) -> None:
    """Raises ValueError if a parameter is NaN or infinite; names its layer.

    One pass over the parameters on the device, and one array of bools read back.

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
    good = np.asarray(_finite([leaf for _, leaf in known]))
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
