"""Receptive fields in use: the image that a tap asks for, and how far its units reach."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from jaxvis.nets.table.geometry import Geometry, geometry
from jaxvis.nets.table.layers import Layer, rows_behind_attention, shapes
from jaxvis.network import Network

MARGIN = 1.1
"""The side of the picture of one neuron, in receptive fields."""


def refuse_probabilities(net: Network, tap: str) -> None:
    """Refuses a tap that is a softmax, whose code says next to nothing.

    Args:
      net: the network.
      tap: the tap's name.

    Raises:
      ValueError: for the softmax (the message names the tap to take instead), and for
        an unknown tap.
    """
    net.check_taps(tap)
    ops = {row.name: row.op for row in net.rows}
    if ops.get(tap) == "softmax":
        raise ValueError(
            f"{tap!r} comes after the softmax, where one class drowns the others: use "
            f"the scores before it, {net.scores!r}"
        )


def field_of(net: Network, tap: str) -> int:
    """Returns the side of a tap's receptive field in pixels, rho.

    Args:
      net: the network. Without a table its receptive fields are unknown, and the longer
        side of its native image is returned.
      tap: the tap's name.

    Raises:
      ValueError: for an unknown tap.
    """
    net.check_taps(tap)
    if not net.rows:
        return max(net.input_size)
    return _geometry_of(net, tap).receptive_field


def canvas_of(net: Network, tap: str) -> tuple[int, int]:
    """Returns (H, W) of a picture that has room for the receptive field of one neuron.

    It is the largest image on which the tap has r x r cells, where r is
    round(1.1 rho / stride), made odd. For a tap `[d]` and behind an attention, where every
    unit sees the whole image, it is the native image.

    Args:
      net: the network. Without a table the native image is returned.
      tap: the tap's name.

    Raises:
      ValueError: for an unknown tap.

    Source: the authors' code of Mahendran & Vedaldi (IJCV 2016), section 6.
    """
    net.check_taps(tap)
    if not net.rows or tap in rows_behind_attention(net.rows):
        return net.input_size
    found = _geometry_of(net, tap)
    if len(found.shape) != 3:
        return net.input_size
    rows = net.rows[: [row.name for row in net.rows].index(tap) + 1]
    cells = int(MARGIN * found.receptive_field / found.stride + 0.5)
    cells += cells % 2 == 0
    # The number of cells grows with the image: beyond this side there are more of them.
    side = (cells + 2) * found.stride + found.receptive_field
    while side > 1 and _count_cells(rows, side, tap) > cells:
        side -= 1
    return side, side


def check_field(net: Network, taps: tuple[str, ...], size: tuple[int, int], what: str) -> None:
    """Refuses a picture so small that a layer's statistics would be those of its border.

    A unit should find at least half of its receptive field in the picture; the rest of
    what it sees is padding. Adapted networks, whose geometry is unknown, always pass, and
    so do taps behind an attention, whose units see an image of any size without padding.

    Args:
      net: the network.
      taps: the taps whose statistics are taken.
      size: (H, W) in pixels.
      what: what the message calls the picture.

    Raises:
      ValueError: names the tap, its receptive field and the size that it needs.
    """
    found = _find_widest(net, taps)
    if found is None:
        return
    tap, field = found
    if 2 * min(size) < field:
        raise ValueError(
            f"{what} of {size[0]}x{size[1]} pixels is too small for {tap!r}, whose "
            f"receptive field is {field}: use at least {-(-field // 2)} "
            "pixels a side, or earlier taps"
        )


def least_side(net: Network, taps: tuple[str, ...]) -> int:
    """Gives the shortest side in pixels that `check_field` lets pass; at least 1.

    Args:
      net: the network.
      taps: the taps whose statistics are taken.
    """
    found = _find_widest(net, taps)
    return 1 if found is None else max(-(-found[1] // 2), 1)


def _find_widest(net: Network, taps: tuple[str, ...]) -> tuple[str, int] | None:
    """Finds the tap with the widest receptive field, and that; None where it is unknown."""
    if not net.rows:
        return None
    everywhere = rows_behind_attention(net.rows)
    fields = {
        row.name: 0 if row.name in everywhere else row.receptive_field for row in geometry(net)
    }
    tap = max(taps, key=fields.__getitem__)
    return tap, fields[tap]


@dataclass(frozen=True)
class Reach:
    """How far apart the units of some taps are, and how far they see beyond an edge.

    Args:
      strides: (tap, pixels between its neighbouring units).
      margin: the most pixels that a unit sees beyond an edge of the image, rounded up to
        a multiple of every stride.
    """

    strides: tuple[tuple[str, int], ...]
    margin: int

    @property
    def coarse(self) -> int:
        """The largest stride in pixels."""
        return max(stride for _, stride in self.strides)

    def strides_of(self, taps: Iterable[str]) -> dict[str, int]:
        """Returns tap -> stride in pixels.

        Args:
          taps: some of the taps that this was made for.

        Raises:
          ValueError: for another tap.
        """
        strides = dict(self.strides)
        for tap in taps:
            if tap not in strides:
                raise ValueError(
                    f"{tap!r} was not among the taps {', '.join(strides)} that this "
                    "network was made for: name it there too"
                )
        return {tap: strides[tap] for tap in taps}


def reach_of(net: Network, taps: tuple[str, ...]) -> Reach:
    """Returns the reach of some maps of a network.

    Args:
      net: a network built from a table.
      taps: the taps, `[h, w, c]` each.

    Raises:
      ValueError: for an unknown tap, a tap that is no map, a tap behind an attention, or an
        adapted network.
    """
    known = {row.name: row for row in geometry(net)}
    rows = [known[tap] for tap in net.check_taps(taps)]
    everywhere = rows_behind_attention(net.rows)
    for row in rows:
        if row.name in everywhere:
            raise ValueError(
                f"{row.name!r} comes after an attention, where every unit sees the whole image: "
                "it cannot be computed in tiles or on a torus"
            )
        if len(row.shape) != 3:
            raise ValueError(f"{row.name!r} is no map [h, w, c], so its units have no places")
    coarse = max(row.stride for row in rows)
    margin = max(max(_margins(row)) for row in rows)
    strides = tuple((row.name, row.stride) for row in rows)
    return Reach(strides, round_up(margin, coarse))


def round_up(number: int, multiple: int) -> int:
    """Returns the least multiple of `multiple` that is not below `number`."""
    return -(-number // multiple) * multiple


def _geometry_of(net: Network, tap: str) -> Geometry:
    return next(row for row in geometry(net) if row.name == tap)


def _count_cells(rows: tuple[Layer, ...], side: int, tap: str) -> int:
    try:
        return shapes(rows, (side, side))[tap][0]
    except ValueError:
        return 0


def _margins(row: Geometry) -> tuple[int, int]:
    """Returns how far the first unit sees beyond the edge, and the last one, in pixels.

    The image's side is a multiple of the stride.
    """
    half = (row.receptive_field - 1) / 2
    return ceil(half - row.offset), ceil(half + row.offset - row.stride + 1)
