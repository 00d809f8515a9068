"""Photographs reconstructed from layers of many random networks, drawn or stacked."""

from typing import Any

import jax
import numpy as np

from jaxvis.methods.ranvgg.candidates import draw_candidates, join_networks, take_network
from jaxvis.methods.ranvgg.reconstruct import reconstruct
from jaxvis.methods.ranvgg.stack import StackRecipe, stack
from jaxvis.sweep.kinds.base import (
    Kind,
    Made,
    Order,
    Subject,
    default_settings,
    join_items,
    join_seeds,
    take_run,
)
from jaxvis.types import Params, Run


class Ranvgg(Kind):
    """Random networks side by side: an index is the number of a network."""

    name = "ranvgg"
    needs_photos = True
    needs_tap = True
    of_class = False

    def defaults(self) -> dict[str, Any]:
        """Gives steps, and candidates: 1 for random networks, more for stacked ones."""
        return default_settings(reconstruct, "steps") | {"candidates": 1}

    def count_indices(self, subject: Subject, tap: str | None) -> int:
        """Gives how many networks there may be.

        Args:
          subject: the network.
          tap: the layer.
        """
        del subject, tap
        return 2**31

    def describe(self, subject: Subject, order: Order) -> dict[str, Any]:
        """Describes how networks are drawn and inverted.

        Args:
          subject, order: see `Kind.describe`.

        Raises:
          ValueError: for less than one candidate, or a network without a table.
        """
        settings = order.shard.settings
        if not subject.net.rows:
            raise ValueError(f"{subject.net.name} is not a table network: it cannot be drawn anew")
        recipe = StackRecipe(candidates=settings["candidates"])
        return {"steps": settings["steps"], "stack": recipe}

    def make(self, subject: Subject, order: Order) -> Made:
        """Makes the reconstructions of a shard.

        Args:
          subject, order: see `Kind.make`.

        Raises:
          OSError, ValueError: as the methods, and for a photograph that is gone.
        """
        shard, parts = order.shard, []
        drawn = None
        for photo in subject.read(shard.sources, shard.size):
            # Networks that are stacked are built for a photograph; others are drawn once.
            if drawn is None or shard.settings["candidates"] > 1:
                drawn = [self._draw(subject, order, photo, number) for number in shard.indices]
            found = join_networks(drawn)
            runs = [self._invert(subject, order, photo, found, seed) for seed in range(order.seeds)]
            parts.append(join_seeds([take_run(run) for run in runs]))
        return join_items(parts)

    def _invert(
        self, subject: Subject, order: Order, photo: np.ndarray, params: Params, seed: int
    ) -> Run:
        """Reconstructs a photograph from a layer of each network, all side by side."""
        shard, key = order.shard, jax.random.key(order.seed)
        return reconstruct(
            subject.net,
            params,
            photo,
            tap=str(shard.tap),
            params_axis=0,
            numbers=shard.indices,
            key=jax.random.fold_in(key, seed) if seed else key,
            steps=shard.settings["steps"],
            chunk=order.chunk,
            progress=order.progress,
        )

    def _draw(self, subject: Subject, order: Order, photo: np.ndarray, number: int) -> Params:
        """Draws a network, or stacks it of its candidates; it depends on its number alone."""
        settings, stop = order.shard.settings, order.shard.tap
        key = jax.random.key(order.seed)
        if settings["candidates"] == 1:
            return draw_candidates(subject.net, key, number, 1, stop=stop)[0]
        recipe = StackRecipe(candidates=settings["candidates"], steps=settings["steps"])
        own = jax.random.fold_in(key, number)
        return take_network(stack(subject.net, photo, stop=stop, key=own, recipe=recipe).params, 0)
