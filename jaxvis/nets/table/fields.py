"""What a layer sees of an image: its receptive field, and how large a picture it asks for."""

from jaxvis.nets.table.geometry import geometry
from jaxvis.nets.table.layers import shapes
from jaxvis.network import Network

MARGIN = 1.1
"""How much wider than the receptive field a picture of one neuron is."""


def refuse_probabilities(net: Network, tap: str) -> None:
    """Raises ValueError where a tap is the softmax, whose code says next to nothing.

    Args:
      net: the network.
      tap: the tap's name.

    Raises:
      ValueError: names the tap to take instead.
    """
    net.named(tap)
    ops = {row.name: row.op for row in net.rows}
    if ops.get(tap) == "softmax":
        raise ValueError(
            f"{tap!r} comes after the softmax, where one class drowns the others: use "
            f"the scores before it, {net.scores!r}"
        )


def field_of(net: Network, tap: str) -> int:
    """Returns the side of a tap's receptive field in pixels, rho.

    Args:
      net: a table network; of another one, the native image's longer side.
      tap: the tap's name.

    Raises:
      ValueError: for an unknown tap.
    """
    net.named(tap)
    if not net.rows:
        return max(net.input_size)
    return next(row.receptive_field for row in geometry(net) if row.name == tap)


def canvas_of(net: Network, tap: str) -> tuple[int, int]:
    """Returns (H, W) of the picture in which one neuron of a tap finds its place.

    The largest image on which the tap has r x r cells, r = round(1.1 rho / stride),
    made odd; of a tap `[d]` the native image.

    Args:
      net: a table network; of another one the native image is taken.
      tap: the tap's name.

    Raises:
      ValueError: for an unknown tap.

    Source: the authors' code of Mahendran & Vedaldi (IJCV 2016), section 6.
    """
    net.named(tap)
    rows = net.rows[: net.taps.index(tap) + 1]
    whole = shapes(rows, net.input_size)[tap] if rows else ()
    if len(whole) != 3:
        return net.input_size
    found = next(row for row in geometry(net) if row.name == tap)
    cells = int(MARGIN * found.receptive_field / found.stride + 0.5)
    cells += cells % 2 == 0
    # Cells grow with the image: beyond this side there are more of them.
    side = (cells + 2) * found.stride + found.receptive_field
    while side > 1 and _cells(rows, side, tap) > cells:
        side -= 1
    return side, side


def _cells(rows: tuple, side: int, tap: str) -> int:
    try:
        return shapes(rows, (side, side))[tap][0]
    except ValueError:
        return 0


def check_field(net: Network, taps: tuple[str, ...], size: tuple[int, int], what: str) -> None:
    """Raises if a picture is so small that a layer's statistics are of its border.

    A unit should find at least half of its receptive field in the picture; what lies
    outside is padding. Adapted networks, whose geometry is unknown, pass.

    Args:
      net: the network.
      taps: whose statistics are taken.
      size: (H, W) in pixels.
      what: what the message calls the picture.

    Raises:
      ValueError: names the tap, its receptive field and the size that it needs.
    """
    if not net.rows:
        return
    fields = {row.name: row.receptive_field for row in geometry(net)}
    tap = max(taps, key=fields.__getitem__)
    if 2 * min(size) < fields[tap]:
        raise ValueError(
            f"{what} of {size[0]}x{size[1]} pixels is too small for {tap!r}, whose "
            f"receptive field is {fields[tap]}: use at least {-(-fields[tap] // 2)} "
            "pixels a side, or earlier taps"
        )
