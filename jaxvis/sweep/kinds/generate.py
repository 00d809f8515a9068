"""Pictures that generators learn to draw, one generator a picture."""

from typing import Any

from jaxvis.methods.coupled.generate import choose_generator, generate
from jaxvis.sweep.kinds.base import Kind, Made, Order, Subject, default_settings, take_run


class Generate(Kind):
    """Deep generators coupled to a network."""

    name = "generate"

    def defaults(self) -> dict[str, Any]:
        """Gives recipe and steps, as `jaxvis.generate` has them."""
        return default_settings(generate, "recipe", "steps")

    def choose_size(self, subject: Subject, tap: str | None) -> tuple[int, int]:
        """Chooses the size that the generator draws, in pixels.

        Args:
          subject: the network.
          tap: the layer.
        """
        del tap, subject
        return choose_generator(None).generator.size

    def describe(self, subject: Subject, order: Order) -> dict[str, Any]:
        """Describes the recipe of the generators.

        Args:
          subject, order: see `Kind.describe`.

        Raises:
          ValueError: for an unknown recipe.
        """
        del subject
        settings = order.shard.settings
        return {"recipe": choose_generator(settings["recipe"], steps=settings["steps"])}

    def make(self, subject: Subject, order: Order) -> Made:
        """Makes the pictures of a shard.

        Args:
          subject, order: see `Kind.make`.

        Raises:
          ValueError: as `jaxvis.generate`.
        """
        shard = order.shard
        run = generate(
            subject.net,
            subject.opened.params,
            tap=shard.tap,
            index=shard.indices,
            **order.options,
            **shard.settings,
        )
        return take_run(run)
