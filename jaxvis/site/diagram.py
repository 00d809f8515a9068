"""The diagram of a network: a box a layer, and lines along which values go."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxvis.escape import escape_characters
from jaxvis.site.facts import LayerFacts, NetworkFacts

WIDE, TALL = 196, 46
"""Of a box."""
ASIDE, BELOW = 22, 20
"""Between boxes side by side, and between one row and the next."""
MARGIN = 12
"""Around all."""
ICON = 26
"""Side of the little picture of a receptive field."""
LETTERS = 20
"""Of a layer's name that fit into a box."""


@dataclass(frozen=True)
class Box:
    """The box of a layer.

    Attributes:
      x, y: of its upper left corner.
      name: of the layer, cut to what fits.
      title: everything about it, in a line.
      note: its operation and shape.
      seen: side of its receptive field, as a part of `ICON`; None where it is not known.
      slug: of the page that it leads to, or None.
    """

    x: float
    y: float
    name: str
    title: str
    note: str
    seen: float | None
    slug: str | None


@dataclass(frozen=True)
class Diagram:
    """A network, drawn.

    Attributes:
      width, height: of all.
      boxes: of the layers.
      lines: between them, as SVG paths.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]


def draw_network(network: NetworkFacts, slugs: Mapping[str, str]) -> Diagram:
    """Draws a network from above to below.

    Args:
      network: its facts.
      slugs: layer -> what its page's address has; layers without a page are missing.
    """
    rows = _order_rows(network.layers)
    widest = max(map(len, rows.values()), default=1)
    width = widest * (WIDE + ASIDE) - ASIDE + 2 * MARGIN
    boxes: dict[str, Box] = {}
    depths = {layer.tap: depth for depth, row in rows.items() for layer in row}
    for depth, row in rows.items():
        # The first of a row stands below the first of the row above, where the page begins.
        for place, layer in enumerate(row):
            x, y = MARGIN + place * (WIDE + ASIDE), MARGIN + depth * (TALL + BELOW)
            boxes[layer.tap] = _draw_box(layer, network, x, y, slugs.get(layer.tap))
    lines = [
        _draw_line(boxes[source], boxes[layer.tap], depths[layer.tap] - depths[source])
        for layer in network.layers
        for source in dict.fromkeys(layer.reads)
        if source in boxes and depths[source] < depths[layer.tap]
    ]
    height = 2 * MARGIN + len(rows) * (TALL + BELOW) - BELOW
    return Diagram(width, height, tuple(boxes.values()), tuple(lines))


def describe_shape(sizes: Sequence[int]) -> str:
    """Writes sizes as a text: "64 × 64 × 16".

    Args:
      sizes: any number of them.
    """
    return " × ".join(map(str, sizes))


def _order_rows(layers: Sequence[LayerFacts]) -> dict[int, list[LayerFacts]]:
    """Orders layers by how many others lie between them and the input."""
    depths: dict[str, int] = {}
    rows: dict[int, list[LayerFacts]] = defaultdict(list)
    for layer in layers:
        if layer.tap not in depths:
            depths[layer.tap] = max(
                (depths[one] + 1 for one in layer.reads if one in depths), default=0
            )
            rows[depths[layer.tap]].append(layer)
    return dict(sorted(rows.items()))


def _draw_box(
    layer: LayerFacts, network: NetworkFacts, x: float, y: float, slug: str | None
) -> Box:
    name, seen = escape_characters(layer.tap), None
    facts = [layer.op, describe_shape(layer.shape)]
    if layer.field:
        facts.append(f"sees {describe_shape(layer.field)} pixels")
        whole = max(network.input[:2], default=0) or max(layer.field)
        seen = ICON * min(1.0, max(layer.field) / whole)
    if layer.parameters:
        facts.append(f"{layer.parameters:,} parameters")
    note = escape_characters(f"{layer.op[:10]} {describe_shape(layer.shape)}")
    title = ", ".join(filter(None, [name, *map(escape_characters, facts)]))
    return Box(x, y, _cut(name, LETTERS), title, _cut(note, LETTERS + 4), seen, slug)


def _draw_line(source: Box, target: Box, steps: int) -> str:
    """Draws a line from the foot of a box to the head of another, around what is between."""
    x, y = source.x + WIDE / 2, source.y + TALL
    to, end = target.x + WIDE / 2, target.y
    if steps == 1 or abs(x - to) > WIDE:
        half = (y + end) / 2
        return f"M{x:.1f} {y:.1f}C{x:.1f} {half:.1f} {to:.1f} {half:.1f} {to:.1f} {end:.1f}"
    out = max(x, to) + WIDE / 2 + ASIDE / 2
    return (
        f"M{x + WIDE / 2:.1f} {y - TALL / 2:.1f}C{out:.1f} {y - TALL / 2:.1f} {out:.1f} {y:.1f} "
        f"{out:.1f} {y + BELOW:.1f}L{out:.1f} {end - BELOW:.1f}C{out:.1f} {end + TALL / 4:.1f} "
        f"{out:.1f} {end + TALL / 2:.1f} {to + WIDE / 2:.1f} {end + TALL / 2:.1f}"
    )


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
