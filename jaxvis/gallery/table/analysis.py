"""What networks see in folders of images, and what methods cost."""

from jaxvis.gallery.entry import Command, Entry, show

COSTS = ("cores", "devices", "items", "networks", "sides")

ANALYSIS = {
    "attribution_neighbours": Entry(
        commands=(
            Command(
                "jaxvis neighbours demo shapes rings.png red.png bricks.png --top 7 "
                "--out neighbours",
                "--top 2",
            ),
        ),
        pages={"attribution_neighbours.jpg": show("neighbours/neighbours.png")},
        minutes=0.2,
        drawings=True,
    ),
    "attribution_embedding": Entry(
        commands=(
            Command(
                "jaxvis embed demo shapes --plane tsne --clusters 8 --out embedding",
                "--plane pca --clusters 2",
            ),
        ),
        pages={"attribution_embedding.jpg": show("embedding/embedding.png")},
        minutes=0.2,
        drawings=True,
    ),
    "attribution_concepts": Entry(
        commands=(
            Command(
                "jaxvis concepts demo shapes --tap relu3_1 --count 6 --crops 2 --top 5 --draw "
                "--steps 128 --out concepts",
                "--count 2 --steps 2",
            ),
        ),
        pages={"attribution_concepts.jpg": show("concepts/concepts.png")},
        minutes=0.2,
        drawings=True,
    ),
    "attribution_atlas": Entry(
        commands=(
            Command(
                "jaxvis atlas demo shapes --tap relu3_1 --grid 7 --samples 6 --steps 96 "
                "--out atlas",
                "--grid 2 --samples 1 --steps 2",
            ),
        ),
        pages={"attribution_atlas.jpg": show("atlas/atlas.png")},
        minutes=0.2,
        drawings=True,
    ),
    "cost": Entry(
        # Drawn from the measured numbers that are kept; docs/cost.md says how to measure anew.
        commands=(Command("python -m benchmarks --rows benchmarks/curves.json --cost"),),
        pages={f"cost_{name}.png": show(f"docs/cost_{name}.png") for name in COSTS},
        minutes=0.1,
        files=("benchmarks/curves.json", "benchmarks/harness/cost_page.py"),
    ),
}
"""Name -> entry."""
