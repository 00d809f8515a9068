"""HOG and dense SIFT as networks, which are differentiable and have nothing to learn.

"hog" is Felzenszwalb's variant of HOG, where each pixel counts in the bin of its gradient's
direction. "hogb" shares a pixel between the two nearest bins, which makes the network
differentiable nearly everywhere. "dsift" is SIFT on a grid. None has parameters:
`net.apply({}, image)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxvis.nets.classical.blocks import (
    Clamp,
    HogBlocks,
    HogCells,
    HogNorm,
    SiftBlocks,
    SiftNorm,
)
from jaxvis.nets.classical.histograms import Bins, Cells, Directions, Grey, Stage
from jaxvis.nets.table.describe import describe_rows
from jaxvis.nets.table.layers import Layer, minimum, shapes
from jaxvis.network import Forward, LayerDescription, Network
from jaxvis.types import Array, Params, Taps


@dataclass(frozen=True)
class Chain(Forward):
    """The forward pass of stages without parameters, one after the other.

    Args:
      rows: the rows of a table that have the geometry of the stages; the first row is the
        image.
      stages: the functions of the other rows.
      size: (H, W) of the native image in pixels.
    """

    rows: tuple[Layer, ...]
    stages: tuple[Stage, ...]
    size: tuple[int, int]

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps on the way from `values` to `wanted`, and `values`."""
        del params
        names = [row.name for row in self.rows]
        goal = max(names.index(name) for name in wanted)
        given = [names.index(name) for name in values]
        missing = [n for n in wanted if names.index(n) < min(given)]
        if missing:
            raise ValueError(
                f"{missing[0]!r} cannot be reached from {sorted(values)}: it comes before"
            )
        taps = dict(values)
        if "input" in values:
            height, width = values["input"].shape[:2]
            self._check_size((height, width), goal)
        for i in range(min(given) + 1, goal + 1):
            if names[i] not in taps:
                taps[names[i]] = self._compute_stage(i, taps, frozenset(values))
        return taps

    def describe_layers(self) -> tuple[LayerDescription, ...]:
        """Describes the stages, with their shapes for the native image."""
        return describe_rows(self.rows, self.size)

    def _compute_stage(self, i: int, taps: Taps, given: frozenset[str]) -> Array:
        """Returns the tap of row i.

        Bins are computed from dx and dy, unless the map of derivatives is given: its
        gradient would be as large as the map itself, and consist mostly of zeros.
        """
        stage, source = self.stages[i - 1], self.rows[i - 1].name
        before = self.stages[i - 2]
        if isinstance(stage, Bins) and isinstance(before, Directions) and source not in given:
            right, down = before.gradient(taps[self.rows[i - 2].name])
            return stage.fill(right, down, before.project(right, down))
        return stage(taps[source])

    def _check_size(self, size: tuple[int, int], goal: int) -> None:
        rows = self.rows[: goal + 1]
        try:
            shapes(rows, size)
        except ValueError as error:
            raise ValueError(
                f"{error}, from an image of {size[0]}x{size[1]}; at least "
                f"{minimum(rows)} pixels a side are needed"
            ) from None


def hog(
    *,
    binning: str = "hard",
    cell: int = 8,
    input_size: tuple[int, int] = (256, 256),
) -> Network:
    """Returns HOG of the UoCTTI kind as a network; its tap "hog" is `[H/cell, W/cell, 27]`.

    The stages are: grey levels; derivatives along 18 directions; the magnitude of the
    gradient in the bin(s) of its direction; cells that gather the bins with bilinear
    weights; blocks of 2x2 cells, divided by their norm and clamped at 0.2; and for each
    cell half the sum of its versions in four blocks. The channels are 18 directions and
    then 9 orientations without a sign.

    Args:
      binning: "hard" or "bilinear".
      cell: side of a cell in pixels, even.
      input_size: (H, W) in pixels of the native image.

    Raises:
      ValueError: for an unknown binning, an odd cell, or an image below two cells.

    Source: Felzenszwalb et al., Object detection with discriminatively trained part
      based models (2010), section 6; as a network, Mahendran & Vedaldi (IJCV 2016),
      section 4.1 and the authors' code.
    Departures: as in the authors' network, there are no texture channels (four in the
      original), and border cells lack the blocks outside the image. Gradients below 1e-4
      grey levels count as none, with a derivative of zero.
    """
    if binning not in ("hard", "bilinear"):
        raise ValueError(f"binning is 'hard' or 'bilinear', not {binning!r}")
    if cell < 2 or cell % 2:
        raise ValueError(f"a cell of HOG is even and at least 2 pixels, not {cell}")
    name = "hog" if binning == "hard" else "hogb"
    stages: dict[str, Stage] = {
        "grey": Grey(),
        "directions": Directions(18, 1),
        "bins": Bins(binning == "hard"),
        "cells": Cells(18, cell, cell // 2),
        "blocks": HogBlocks(),
        "normalized": HogNorm(),
        "clamped": Clamp(),
        "hog": HogCells(),
    }
    return _build(name, stages, input_size)


def dsift(*, cell: int = 8, input_size: tuple[int, int] = (256, 256)) -> Network:
    """Returns dense SIFT as a network; its tap "dsift" is `[h, w, 128]`.

    The stages are: grey levels; derivatives along 8 directions; the magnitude of the
    gradient, shared between the two nearest bins; cells with bilinear weights; and blocks
    of 4x4 cells, three cells apart, with Gaussian weights, divided by their norm and
    clamped at 0.2.

    Args:
      cell: side of a cell in pixels.
      input_size: (H, W) in pixels of the native image.

    Raises:
      ValueError: for a cell below 2 pixels, or an image below five cells and a border.

    Source: Lowe, Distinctive image features from scale-invariant keypoints (2004),
      section 6; as a network, Mahendran & Vedaldi (IJCV 2016), section 4.1 and the
      authors' code.
    Departures: as in the authors' network, there is no second normalisation after the
      clamp, and neighbouring blocks share a column of cells. Gradients below 1e-4 grey
      levels count as none.
    """
    if cell < 2:
        raise ValueError(f"a cell of SIFT is at least 2 pixels, not {cell}")
    stages: dict[str, Stage] = {
        "grey": Grey(),
        "directions": Directions(8, 0),
        "bins": Bins(False),
        "cells": Cells(8, cell, 0),
        "blocks": SiftBlocks(),
        "normalized": SiftNorm(),
        "dsift": Clamp(),
    }
    return _build("dsift", stages, input_size)


def _build(name: str, stages: dict[str, Stage], input_size: tuple[int, int]) -> Network:
    """Returns the network of stages, whose names are the taps."""
    rows = tuple(stage.row(tap) for tap, stage in stages.items())
    rows = (Layer("input", "input"), *rows)
    shapes(rows, input_size)
    size = (int(input_size[0]), int(input_size[1]))
    return Network(
        name=name,
        forward=Chain(rows, tuple(stages.values()), size),
        taps=tuple(row.name for row in rows),
        input_size=size,
        rows=rows,
    )
