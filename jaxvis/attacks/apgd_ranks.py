"""Wrong classes by rank: what attacks aim at, one in every restart."""

import jax.numpy as jnp

from jaxvis.attacks.attack import Model, Row
from jaxvis.attacks.losses import leave_out
from jaxvis.attacks.rows import Victims
from jaxvis.optimize.check import check_counts
from jaxvis.types import Array


def rank_class(model: Model, row: Row) -> Array:
    """Finds the wrong class of the rank of the restart, the likeliest first, `[]` int32.

    Args:
      model: the network.
      row: its `restart` counts from 0; a target of its own is taken as it is.
    """
    scores = model.scores(row.image)
    others = leave_out(scores, row.label)
    order = jnp.argsort(-others, stable=True)
    assert row.restart is not None
    ranked = order[jnp.minimum(row.restart, scores.size - 1)].astype(jnp.int32)
    return jnp.where(row.target < 0, ranked, row.target)


def count_ranks(classes: int, victims: Victims) -> int:
    """Counts the wrong classes that an attack aims at one after another, at least 1.

    Args:
      classes: how many are wanted.
      victims: whose network may have fewer.

    Raises:
      ValueError: for less than one.
    """
    check_counts(classes=classes)
    return max(1, min(classes, victims.clean.shape[-1] - 1))
