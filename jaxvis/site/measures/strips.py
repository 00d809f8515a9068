"""Strips: the patches of a unit, resized to one side, side by side in one file."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.analysis.patches import QUANTILES, LayerPatches, Patches
from jaxvis.output.arrays import to_display
from jaxvis.output.io import write_image
from jaxvis.output.resample import resample
from jaxvis.site.measures.numbers import round_number
from jaxvis.train.images import Images

SIDE = 64
"""Pixels of a side of a patch."""
BACKGROUND = 128
"""The grey level around a patch that the border of its image cuts."""
KEPT = 2048
"""Patches that are kept, since units of deep layers share theirs."""


class Strips:
    """The strips of a layer's units, for all that was found in images.

    Args:
      images: in which patches were found.
      found: for the layer.
      folder: to which files are written; it exists.
      name: of that folder, as seen from the folder of the sweep.
    """

    def __init__(self, images: Images, found: LayerPatches, folder: Path, name: str) -> None:
        self.images, self.folder, self.name = images, folder, name
        field = found.placement.field
        self.longest = min(field or max(images.size), max(images.size))
        self.kinds: dict[str, Patches] = {"top": found.top}
        if found.relevant is not None:
            self.kinds["relevant"] = found.relevant
        self.kinds["quantiles"] = found.histogram.sample(shares=QUANTILES)
        self.cut = lru_cache(maxsize=KEPT)(self._cut)
        self.read = lru_cache(maxsize=64)(self._read)

    def write(self, index: int) -> dict[str, Any]:
        """Writes the strips of a unit; gives what a file says of each, by its kind.

        Args:
          index: of the unit.

        Raises:
          OSError: if a file cannot be written.
        """
        return {kind: self._write(kind, patches, index) for kind, patches in self.kinds.items()}

    def _write(self, kind: str, patches: Patches, index: int) -> dict[str, Any] | None:
        shown, pictures = [], []
        for place, number in enumerate(patches.images[index]):
            value = float(patches.values[index, place])
            if number < 0 or not np.isfinite(value) or (kind == "relevant" and value <= 0):
                continue  # what argues against a class is no patch that matters most to it
            box = tuple(map(int, patches.boxes[index, place]))
            facts = {"image": self.images.names[number], "value": round_number(value)}
            facts["box"] = list(box)
            if kind == "quantiles":
                facts["share"] = QUANTILES[place]
            shown.append(facts)
            pictures.append(self.cut(int(number), box))
        if not shown:
            return None
        file = f"{index:04d}_{kind}.png"
        write_image(self.folder / file, np.concatenate(pictures, axis=1))
        return {"file": f"{self.name}/{file}", "side": SIDE, "patches": shown}

    def _read(self, number: int) -> np.ndarray:
        return np.asarray(self.images[number])

    def _cut(self, number: int, box: tuple[int, int, int, int]) -> np.ndarray:
        """Cuts a patch out, `[SIDE, SIDE, 3]` uint8; all of a layer are enlarged alike."""
        y0, x0, y1, x1 = box
        patch = to_display(self.read(number)[y0:y1, x0:x1])
        height, width = (max(1, min(SIDE, round(n * SIDE / self.longest))) for n in patch.shape[:2])
        whole = np.full((SIDE, SIDE, 3), BACKGROUND, np.uint8)
        top, left = (SIDE - height) // 2, (SIDE - width) // 2
        pixels = np.clip(resample(patch, (height, width)), 0, 1) * 255 + 0.5
        whole[top : top + height, left : left + width] = pixels.astype(np.uint8)
        return whole
