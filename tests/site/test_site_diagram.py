from jaxvis.site.diagram import draw_network
from jaxvis.site.facts import LayerFacts, NetworkFacts


def layer(tap, *reads, field=None):
    return LayerFacts(tap, "conv", (8, 8, 4), field, None, 10, reads)


def draw(*layers):
    return draw_network(NetworkFacts("a", None, (64, 64, 3), None, (), layers), {"b": "b"})


def test_branches_lie_side_by_side_and_are_joined():
    found = draw(
        layer("a", "input", field=(32, 32)),
        layer("b", "a"),
        layer("c", "a"),
        layer("d", "b", "c", "a"),
    )
    a, b, c, d = found.boxes
    assert a.y < b.y == c.y < d.y and b.x < c.x
    assert a.x == d.x and len(found.lines) == 5
    assert a.seen == 13 and "sees 32 × 32 pixels" in a.title
    assert b.slug == "b" and a.slug is None
    assert all(0 <= box.x <= found.width and box.y < found.height for box in found.boxes)


def test_odd_tables_are_drawn():
    assert not draw().boxes
    circle = draw(layer("a", "b"), layer("b", "a"), layer("a", "a"))
    assert len(circle.boxes) == 2
    long = draw(layer("x" * 500 + "\u202e"))
    assert len(long.boxes[0].name) < 30 and "\u202e" not in long.boxes[0].title
