"""Heatmaps of photographs, over the photographs."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

import jaxvis
from jaxvis.output.heat import lay_over
from jaxvis.sweep.kinds.base import Kind, Made, Order, Subject

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
          ValueError: for an unknown heatmap.
        """
        del subject
        method = find_heat(order.shard.settings["heat"])
        given = ("net", "params", "image", "tap", "index", "key", "chunk", "progress")
        return {
            name: one.default if isinstance(one.default, str | int | float | bool) else None
            for name, one in inspect.signature(method).parameters.items()
            if name not in given and one.default is not inspect.Parameter.empty
        } | dict(order.shard.settings)

    def make(self, subject: Subject, order: Order) -> Made:
        """Makes the heatmaps of a shard.

        Args:
          subject, order: see `Kind.make`.

        Raises:
          OSError, ValueError: as the method, and for a photograph that is gone.
        """
        shard, opened = order.shard, subject.opened
        method = find_heat(shard.settings["heat"])
        known = inspect.signature(method).parameters
        options: dict[str, Any] = {"tap": shard.tap, "index": list(shard.indices)}
        options |= {"chunk": order.chunk} if "chunk" in known else {}
        options |= {"key": order.seed} if "key" in known else {}
        photos = subject.read(shard.sources, shard.size)
        heat = np.asarray(method(opened.net, opened.params, photos, **options))
        heat = heat.reshape(len(photos) * len(shard.indices), *heat.shape[2:])
        shown = np.repeat(photos, len(shard.indices), axis=0)
        images = np.stack([lay_over(photo, one) for one, photo in zip(heat, shown)])
        finite = np.isfinite(heat).reshape(len(heat), -1).all(1)
        metrics = [{"heat_sum": float(one.sum()), "heat_max": float(one.max())} for one in heat]
        repeat = order.seeds  # a heatmap is the same for every seed
        return Made(
            np.repeat(images, repeat, axis=0),
            list(np.repeat(np.where(finite, "done", "failed"), repeat)),
            [one for one in metrics for _ in range(repeat)],
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
