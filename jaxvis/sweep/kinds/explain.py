"""Heatmaps of photographs, over the photographs."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxvis
from jaxvis.output.heat import lay_over
from jaxvis.sweep.kinds.base import Kind, Made, Order, Subject, join_seeds

NAMES = (
    "grad_cam",
    "grad_cam_plus_plus",
    "layer_cam",
    "hires_cam",
    "score_cam",
    "ablation_cam",
    "saliency",
    "gradient_times_input",
    "smooth_grad",
    "integrated_gradients",
    "deep_lift",
    "guided_backpropagation",
    "deconvnet",
    "lrp",
    "occlusion",
    "rise",
)
"""Heatmaps that can be swept."""
GIVEN = ("tap", "index", "key", "chunk", "progress")
"""Options that an order gives, so that they are no settings."""


class Explain(Kind):
    """Where in photographs classes or channels were seen."""

    name = "explain"
    needs_photos = True

    def defaults(self) -> dict[str, Any]:
        """Gives the heatmap that is drawn."""
        return {"heat": "grad_cam"}

    def describe(self, subject: Subject, order: Order) -> dict[str, Any]:
        """Describes the heatmap with its defaults.

        Args:
          subject, order: see `Kind.describe`.

        Raises:
          ValueError: for an unknown heatmap, or seeds of one that draws nothing.
        """
        del subject
        heat = order.shard.settings["heat"]
        known = inspect.signature(find_heat(heat)).parameters
        if order.seeds > 1 and "key" not in known:
            raise ValueError(f"{heat} is the same for every seed: leave --seeds out")
        plain = (str, int, float, bool)
        own = {name: one.default for name, one in known.items() if name not in GIVEN}
        return {name: value for name, value in own.items() if isinstance(value, plain)} | {
            "heat": heat
        }

    def make(self, subject: Subject, order: Order) -> Made:
        """Makes the heatmaps of a shard.

        Args:
          subject, order: see `Kind.make`.

        Raises:
          OSError, ValueError: as the method, and for a photograph that is gone.
        """
        photos = subject.read(order.shard.sources, order.shard.size)
        return join_seeds([self._draw(subject, order, photos, n) for n in range(order.seeds)])

    def _draw(self, subject: Subject, order: Order, photos: np.ndarray, seed: int) -> Made:
        """Draws the heatmaps of one seed over the photographs `[N, H, W, C]`."""
        shard, opened, key = order.shard, subject.opened, jax.random.key(order.seed)
        method = find_heat(shard.settings["heat"])
        known = inspect.signature(method).parameters
        options: dict[str, Any] = {"tap": shard.tap, "index": list(shard.indices)}
        options |= {"chunk": order.chunk} if "chunk" in known else {}
        options |= {"key": jax.random.fold_in(key, seed) if seed else key} if "key" in known else {}
        heat = np.asarray(method(opened.net, opened.params, photos, **options))
        heat = heat.reshape(-1, *heat.shape[2:])
        shown = np.repeat(photos, len(shard.indices), axis=0)
        finite = np.isfinite(heat).reshape(len(heat), -1).all(1)
        return Made(
            np.stack([lay_over(photo, one) for one, photo in zip(heat, shown)]),
            list(np.where(finite, "done", "failed")),
            [{"heat_sum": float(one.sum()), "heat_max": float(one.max())} for one in heat],
        )


def find_heat(name: str) -> Callable[..., Any]:
    """Finds the function of a heatmap.

    Args:
      name: one of `NAMES`; a hyphen stands for an underscore.

    Raises:
      ValueError: for another one.
    """
    known = name.replace("-", "_")
    if known not in NAMES:
        raise ValueError(f"heat={name!r} cannot be swept: choose one of {', '.join(NAMES)}")
    found: Callable[..., Any] = getattr(jaxvis, known)
    return found
