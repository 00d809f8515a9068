"""Photographs inverted and caricatured, at layers."""

from collections.abc import Callable
from typing import Any

from jaxvis.methods.preimage.caricature import caricature
from jaxvis.methods.preimage.invert import invert
from jaxvis.sweep.kinds.base import Kind, Made, Order, Subject, default_settings, take_run
from jaxvis.types import Run


class Preimage(Kind):
    """A method that remakes a photograph from what a layer knows of it.

    Attributes:
      method: the function.
    """

    method: Callable[..., Run]
    needs_photos = True
    needs_index = False
    needs_tap = True

    def defaults(self) -> dict[str, Any]:
        """Gives recipe, steps and fidelity, as the method has them."""
        return default_settings(type(self).method, "recipe", "steps", "fidelity")

    def make(self, subject: Subject, order: Order) -> Made:
        """Makes the pictures of a shard.

        Args:
          subject, order: see `Kind.make`.

        Raises:
          OSError, ValueError: as the method, and for a photograph that is gone.
        """
        shard = order.shard
        photos = subject.read(shard.sources, shard.size)
        run = type(self).method(
            subject.net,
            subject.opened.params,
            photos,
            tap=shard.tap,
            **order.options,
            **shard.settings,
        )
        return take_run(run)


class Invert(Preimage):
    """Images with the code that a photograph has at a layer."""

    name = "invert"
    method = staticmethod(invert)


class Caricature(Preimage):
    """Photographs changed to excite more of what a layer finds in them."""

    name = "caricature"
    method = staticmethod(caricature)
