"""Figures of the pages on papers, which the scripts that measure their claims draw."""

from jaxvis.gallery.entry import Command, Entry, show

PAPERS = {
    "ranvgg_textures": Entry(
        commands=(
            Command(
                "python -m benchmarks.papers.ranvgg_textures --out made",
                "--steps 2 --seeds 1",
            ),
        ),
        pages={"papers/ranvgg_textures.jpg": show("made/textures.png")},
        minutes=4,
        weights=("vgg19", "squeezenet1_1"),
        data=tuple(
            f"images/textures/{name}"
            for name in ("brick.png", "grass.png", "gravel.png", "pebbles_deeptextures.jpg")
        ),
    ),
    "xia": Entry(
        commands=(
            Command(
                "python -m benchmarks.papers.xia_claims --parts random,filters --out made",
                "--steps 2",
            ),
        ),
        pages={
            "papers/xia_golden_gate.jpg": show("made/golden_gate_raw.png"),
            "papers/xia_denoised.jpg": show("made/golden_gate_denoised.png"),
            "papers/xia_random.jpg": show("made/random.png"),
            "papers/xia_neckarfront.jpg": show("made/tubingen_neckarfront_raw.png"),
        },
        minutes=8,
        weights=("vgg19",),
        data=("images/content/golden_gate.jpg", "images/content/tubingen_neckarfront.jpg"),
    ),
    "lecture21": Entry(
        commands=(
            Command(
                "python -m benchmarks.papers.lecture_figure --out lecture21.png",
                "--steps 2 --size 96",
            ),
        ),
        pages={"papers/lecture21.jpg": show("lecture21.png")},
        minutes=5,
        weights=("googlenet", "vgg19"),
        data=(
            "images/textures/pebbles_deeptextures.jpg",
            "images/paintings/the_scream_munch_1893.jpg",
        ),
    ),
}
"""Name -> entry."""
