"""Items for several seeds, and the runs of several stages as one."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.types import Run, Status


def repeated(item: Any, count: int) -> Any:
    """Returns an item with the sweep's axis in front of every leaf, `count` times it.

    Args:
      item: a pytree of numbers and arrays.
      count: how many.

    Raises:
      ValueError: if count is below 1.
    """
    if count < 1:
        raise ValueError(f"seeds must be at least 1, got {count}")
    return jax.tree.map(lambda leaf: jnp.repeat(jnp.asarray(leaf)[None], count, 0), item)


def joined_trace(runs: Sequence[Run]) -> dict[str, np.ndarray]:
    """Returns the traces of stages that followed each other, as one `[n, steps]`.

    Terms are joined along the steps, counts are added, and the status is the last
    one's, but for an item that failed or was not finished in any stage.

    Args:
      runs: the stages, each with the same items.
    """
    joined = {}
    for name, last in runs[-1].trace.items():
        values = [run.trace[name] for run in runs]
        if name == "status":
            joined[name] = last.copy()
            for bad in (Status.UNFINISHED, Status.FAILED):
                joined[name][np.any(np.stack(values) == bad, axis=0)] = bad
        elif last.ndim > 1:
            joined[name] = np.concatenate(values, axis=1)
        else:
            joined[name] = np.sum(values, axis=0)
    return joined
