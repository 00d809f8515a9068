"""The page of concepts: a row of pictures for each."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.analysis.concepts import Concepts
from jaxvis.analysis.patches import Patches
from jaxvis.cli.pages import draw_rows, magnify
from jaxvis.display import join_planes
from jaxvis.output.files import write_atomically
from jaxvis.output.heat import lay_over
from jaxvis.train.images import Images
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork

SIDE = 96
"""Pixels of a side of a picture on the page."""
HEATED = 3
"""Photographs of each concept that are shown with its heat."""


@dataclass(frozen=True)
class Study:
    """What is known of concepts.

    Attributes:
      opened: the network.
      images: those that the concepts are shown by.
      concepts: the directions.
      numbers: of the directions, as captions call them.
      patches: `[n, top]`, those that lie furthest along them.
      pictures: of the patches, for each concept.
      importance: `[n]`, or None where it was not measured.
      run: what the network would like to see of each, or None.
    """

    opened: LoadedNetwork
    images: Images
    concepts: Concepts
    numbers: tuple[int, ...]
    patches: Patches
    pictures: list[list[np.ndarray]]
    importance: np.ndarray | None
    run: Run | None

    @property
    def order(self) -> list[int]:
        """The places of the concepts, the most important first."""
        if self.importance is None:
            return list(range(len(self.concepts)))
        return [int(number) for number in np.argsort(-self.importance, kind="stable")]

    def draw(self) -> np.ndarray:
        """Draws the page, `[H, W, 3]`."""
        notes = []
        for number in self.order:
            share = "" if self.importance is None else f" importance {self.importance[number]:.2f}"
            notes.append(f"concept {self.numbers[number]}{share}")
        return draw_rows([self._draw_row(number) for number in self.order], notes)

    def _draw_row(self, number: int) -> list[np.ndarray]:
        """Draws the picture, the patches, and photographs with the heat of a concept."""
        row = []
        if self.run is not None:
            made = join_planes(self.run.image)[number, 0]
            row.append(magnify(np.nan_to_num(made), smooth=True, cell=SIDE))
        patches = self.pictures[number]
        longest = max(max(one.shape[:2]) for one in patches)
        row += [magnify(one, side=longest, smooth=True, cell=SIDE) for one in patches]
        return row + self._draw_heat(number)

    def _draw_heat(self, number: int) -> list[np.ndarray]:
        """Draws the heat of a concept over the photographs of its first patches."""
        net, params = self.opened.net, self.opened.params
        if len(net.shape(params, self.concepts.tap, size=self.images.size)) != 3:
            return []  # a vector is nowhere
        tap, way = self.concepts.tap, self.concepts.way
        alone = Concepts(tap, self.concepts.directions[number : number + 1], way)
        shown = self.images.take(self.patches.images[number, :HEATED])
        maps = alone.locate(net, params, shown)[:, 0]
        over = [lay_over(shown[i] / 255, heat) for i, heat in enumerate(maps)]
        return [magnify(one, smooth=True, cell=SIDE) for one in over]

    def write_arrays(self, path: Path) -> None:
        """Writes directions, importance and patches.

        Args:
          path: of a file .npz.

        Raises:
          OSError: if it cannot be written.
        """
        arrays: dict[str, Any] = {"directions": self.concepts.directions}
        arrays |= {name: getattr(self.patches, name) for name in ("values", "images", "boxes")}
        arrays["names"] = np.array(self.images.names)
        if self.importance is not None:
            arrays["importance"] = self.importance
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        write_atomically(path, file.getvalue())
