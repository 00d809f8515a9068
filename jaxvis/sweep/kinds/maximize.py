"""Pictures of what channels, neurons or classes like best."""

from dataclasses import replace
from typing import Any

from jaxvis.methods.maximize import maximize, plan_maximize
from jaxvis.nets.table.fields import canvas_of
from jaxvis.nets.wrappers.leaky import with_leaky_relus
from jaxvis.optimize.describe import describe_problem
from jaxvis.optimize.job import Job
from jaxvis.recipes.choose import choose_recipe
from jaxvis.recipes.targets import choose_target
from jaxvis.sweep.kinds.base import Kind, Made, Order, Subject, default_settings, take_run

LEAST = 48
"""Pixels of a side that a picture of a channel has at least, so that its texture repeats."""
GRAIN = 8
"""Sides are multiples of it, so that fewer programs are compiled."""


class Maximize(Kind):
    """Activation maximisation of channels, neurons or classes."""

    name = "maximize"

    def defaults(self) -> dict[str, Any]:
        """Gives recipe, steps, position, leak and redirect, as `jaxvis.maximize` has them."""
        own = {"position": None, "leak": 0.0, "redirect": None}
        return default_settings(maximize, "recipe", "steps") | own

    def choose_size(self, subject: Subject, tap: str | None) -> tuple[int, int]:
        """Chooses a picture as large as the layer's receptive field, or the network's own.

        Args:
          subject: the network.
          tap: the layer; None for classes.
        """
        net = subject.net
        if tap is None or tap in (net.classes, net.scores):
            return net.input_size
        height, width = (max(LEAST, -(-side // GRAIN) * GRAIN) for side in canvas_of(net, tap))
        return min(height, net.input_size[0]), min(width, net.input_size[1])

    def describe(self, subject: Subject, order: Order) -> dict[str, Any]:
        """Describes the recipe with all its numbers.

        Args:
          subject, order: see `Kind.describe`.

        Raises:
          ValueError: for settings that do not fit the network.
        """
        return describe_problem(self._plan(subject, order).problem)

    def make(self, subject: Subject, order: Order) -> Made:
        """Makes the pictures of a shard.

        Args:
          subject, order: see `Kind.make`.

        Raises:
          ValueError: as `jaxvis.maximize`.
        """
        job = self._plan(subject, order)
        return take_run(job.run(chunk=order.chunk, progress=order.progress))

    def _plan(self, subject: Subject, order: Order) -> Job:
        shard, settings, params = order.shard, order.shard.settings, subject.opened.params
        net = with_leaky_relus(subject.net, settings["leak"])
        position = settings["position"]
        place = tuple(position) if isinstance(position, list) else position
        units = choose_target(net, params, tap=shard.tap, index=shard.indices, position=place)
        target, recipe = choose_recipe(
            net, params, units, settings["recipe"], steps=settings["steps"], size=shard.size
        )
        if settings["redirect"] is not None:
            recipe = replace(recipe, redirect=settings["redirect"])
        return plan_maximize(net, params, target, recipe, seeds=order.seeds, key=order.seed)
