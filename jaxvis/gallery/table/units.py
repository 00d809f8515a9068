"""Pictures of classes and units, and the page of a microscope."""

from jaxvis.gallery.entry import Cell, Command, Entry, Page, show

QUICK = "--steps 2 --size 32 --weights random:0"

UNITS = {
    "microscope": Entry(
        commands=(
            Command(
                "jaxvis sweep googlenet --taps inception_3b/output,inception_4b/output,"
                "inception_4d/output --index 0:32 --size 112 --steps 160 --set redirect=16 "
                "--plan plan.json",
                f"{QUICK} --index 0:2 --set redirect=1",
            ),
            Command("jaxvis sweep run plan.json units"),
            Command(
                "jaxvis sweep measure units googlenet "
                "--tap inception_3b/output,inception_4b/output,inception_4d/output",
                "--weights random:0 --tap inception_3b/output",
            ),
            Command("jaxvis site units --out site"),
            Command(
                "chromium --headless --no-sandbox --hide-scrollbars --window-size=1280,860 "
                "--virtual-time-budget=20000 --screenshot=microscope.png site/index.html"
            ),
        ),
        pages={"microscope.jpg": show("microscope.png")},
        minutes=6,
        weights=("googlenet",),
    ),
    "demo_classes": Entry(
        commands=(Command("jaxvis sweep demo --seeds 3 --out classes", "--steps 2 --seeds 1"),),
        pages={"demo_classes.jpg": Page(((Cell("classes", "{label}"),),), columns=9)},
        minutes=2 / 3,
    ),
    "classes_googlenet": Entry(
        commands=(
            Command(
                "jaxvis sweep googlenet --classes 1,9,76,88,130,207,291,340,404,409,504,985 "
                "--size 160 --steps 160 --labels imagenet --out classes",
                f"{QUICK} --classes 1,9",
            ),
        ),
        pages={"classes_googlenet.jpg": Page(((Cell("classes", "{label}"),),), columns=6)},
        minutes=3,
        weights=("googlenet",),
    ),
}
"""Name -> entry."""
