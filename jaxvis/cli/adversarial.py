"""The pictures of an attack: what is said of them, and their page."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from jaxvis.attacks.norms import Norm
from jaxvis.attacks.rounding import measure_perturbation
from jaxvis.attacks.rows import score_images
from jaxvis.cli.explaining import widen
from jaxvis.cli.labelled import Photographs
from jaxvis.images import to_channels
from jaxvis.output.sheet import contact_sheet
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork

SHOWN = 12
"""Photographs on a page; files and record have all of them."""
GREY = 0.5
"""What a value that has not changed is on the picture of a perturbation."""


def name_norm(size: float, norm: str) -> str:
    """Names the norm of a perturbation: in 255ths where it is one of grey levels.

    Args:
      size: the norm.
      norm: its name.
    """
    return f"{255 * size:.3g}/255" if norm == "linf" else f"{size:.3g}"


class Pictures:
    """The pictures of an attack: every photograph with every epsilon.

    Args:
      opened: the network.
      photos: what is attacked.
      labels: `[N]`, their true classes.
      target: the class that is wanted, or None.
      epsilons: radii of the balls; None without a limit.
      norm: what measures the perturbation.
    """

    def __init__(
        self,
        opened: LoadedNetwork,
        photos: Photographs,
        labels: np.ndarray,
        target: int | None,
        epsilons: list[float] | None,
        norm: Norm,
    ) -> None:
        self.opened, self.photos, self.labels = opened, photos, labels
        self.target, self.epsilons, self.norm = target, epsilons, norm

    @cached_property
    def names(self) -> list[str]:
        """Names all pictures, photograph by photograph."""
        return self.names_of(range(len(self.photos)))

    def names_of(self, places: range) -> list[str]:
        """Names the pictures of some photographs.

        Args:
          places: which photographs.
        """
        if self.epsilons is None or len(self.epsilons) == 1:
            return [self.photos.names[place] for place in places]
        ends = range(len(self.epsilons))
        return [f"{self.photos.names[place]}_{end}" for place in places for end in ends]

    @property
    def each(self) -> int:
        """How many pictures each photograph has."""
        return len(self.epsilons or (None,))

    def name_radius(self, end: int) -> str:
        """Names the norm and one of the radii, such as "linf 8/255".

        Args:
          end: its place among the radii.
        """
        assert self.epsilons is not None
        return f"{self.norm} {name_norm(self.epsilons[end], self.norm)}"

    def call(self, index: int) -> str:
        """Gives the name of a class.

        Args:
          index: its number.
        """
        labels = self.opened.labels
        return labels[index].partition(",")[0] if labels else f"class {index}"

    def is_wanted(self, says: int, label: int) -> bool:
        """Says whether an answer is what the attack wants of a photograph.

        Args:
          says: the class that the network sees.
          label: the true class.
        """
        return says != label if self.target is None else says == self.target

    def describe(self, items: Sequence[Mapping[str, Any]]) -> list[str]:
        """Says how many pictures fool the network, a line for each epsilon.

        Args:
          items: of `judge_saved`.
        """
        lines = []
        for end in range(self.each):
            rows = [one for one in items[end :: self.each] if one]
            fooled = sum(one["success"] for one in rows)
            within = "" if self.epsilons is None else f" within {self.name_radius(end)}"
            aim = "another class" if self.target is None else self.call(self.target)
            verb = "is" if fooled == 1 else "are"
            lines.append(f"{fooled} of {len(rows)} pictures{within} {verb} taken for {aim}")
        return lines


def judge_saved(plan: Pictures, run: Run) -> list[dict[str, Any]]:
    """Asks the network about the pictures as their files have them; facts of each.

    Args:
      plan: the pictures.
      run: of all pictures, read from their files: image `[M, H, W, 3]`.

    Returns:
      M facts for the record; empty where a picture is missing.
    """
    images = np.asarray(to_channels(run.image, plan.opened.net.channels), np.float32)
    there = np.array([bool(np.isfinite(image).all()) for image in images])
    originals = plan.photos.images.repeat(plan.each, axis=0)
    scores = score_images(
        plan.opened.net, plan.opened.params, np.where(there[:, None, None, None], images, 0.0)
    )
    distances = measure_perturbation(images - originals, plan.norm)
    items: list[dict[str, Any]] = []
    for place in range(len(plan.names)):
        photo, end = divmod(place, plan.each)
        if not there[place]:
            items.append({})
            continue
        label = int(plan.labels[photo])
        powers = np.exp(scores[place].astype(np.float64) - scores[place].max())
        best = int(np.argmax(scores[place]))
        items.append(
            {
                "photograph": plan.photos.names[photo],
                "epsilon": None if plan.epsilons is None else plan.epsilons[end],
                "label": label,
                "target": plan.target,
                "says": best,
                "says_name": plan.call(best),
                "probability": float(powers[best] / powers.sum()),
                "success": plan.is_wanted(best, label),
                "distance": float(distances[place]),
                "queries": int(run.facts["queries"][place]) if "queries" in run.facts else None,
            }
        )
    return items


def draw_page(plan: Pictures, run: Run, items: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Draws each photograph, its pictures and their perturbations, `[H, W, 3]`.

    Args:
      plan: the pictures.
      run: of all pictures, as their files have them.
      items: of `judge_saved`.
    """
    cells, captions = [], []
    for photo in range(min(len(plan.photos), SHOWN)):
        original = np.broadcast_to(plan.photos.images[photo], (*run.image.shape[1:3], 3))
        cells.append(original)
        captions.append(f"{plan.photos.names[photo]}: {plan.call(int(plan.labels[photo]))}")
        for place in range(photo * plan.each, (photo + 1) * plan.each):
            if not items[place]:
                continue
            one, delta = items[place], run.image[place] - original
            peak = float(np.abs(delta).max())
            times = GREY / peak if peak > 0 else 1.0
            cells += [run.image[place], np.clip(GREY + times * delta, 0.0, 1.0)]
            said = f"{one['says_name']}, {100 * one['probability']:.1f} %"
            captions += [
                said if one["success"] else f"not fooled: {said}",
                f"change x {times:.3g}; {plan.norm} {name_norm(one['distance'], plan.norm)}",
            ]
    return contact_sheet(widen(cells), captions=captions, columns=1 + 2 * plan.each)
