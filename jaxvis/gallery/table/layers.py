"""What layers keep of photographs: inversions, caricatures, random networks."""

from jaxvis.gallery.entry import Cell, Command, Entry, Page, show

QUICK = "--steps 2 --size 32 --weights random:0"
TWO_STAGES = f"{QUICK} --second 1"
ERROR = "{layer}: {error:.0%}"
PHOTOGRAPHS = ("goldfish", "airliner", "agaric")


def _make_page(folder: str) -> Page:
    """Makes a page with a row for each photograph: its reconstructions layer by layer."""
    rows = ((Cell(folder, ERROR, where=(("photograph", name),)),) for name in PHOTOGRAPHS)
    return Page(tuple(rows), labels=("goldfish", "airliner", "mushroom"))


LAYERS = {
    "inversion_vgg19": Entry(
        commands=(
            Command(
                "jaxvis invert vgg19 chelsea --tap relu1_1,relu2_1,relu3_1,relu4_1,relu5_1,fc8 "
                "--out inverted",
                "--steps 2 --weights random:0 --tap relu1_1,relu2_1",
            ),
        ),
        pages={
            "inversion_vgg19.jpg": Page(
                ((Cell("chelsea", "chelsea", size=(224, 224)), Cell("inverted", ERROR)),),
                columns=3,
            )
        },
        minutes=20,
        weights=("vgg19",),
    ),
    "natural_preimages_squeezenet": Entry(
        commands=(
            Command(
                "jaxvis invert squeezenet1_1 goldfish.jpg airliner.jpg agaric.jpg --tap "
                "relu_conv1,fire3/concat,fire5/concat,fire7/concat,fire9/concat,pool10 "
                "--preset mahendran --fidelity 300 --size 128 --out inverted",
                TWO_STAGES,
            ),
        ),
        pages={"natural_preimages_squeezenet.jpg": _make_page("inverted")},
        minutes=3,
        weights=("squeezenet1_1",),
        photographs=tuple(f"{name}.jpg" for name in PHOTOGRAPHS),
    ),
    "natural_preimages_googlenet": Entry(
        commands=(
            Command(
                "jaxvis invert googlenet goldfish.jpg airliner.jpg agaric.jpg --tap "
                "conv1/relu_7x7,conv2/relu_3x3,inception_3b/output,inception_4c/output,"
                "inception_4e/output,inception_5b/output "
                "--preset mahendran --fidelity 300 --size 128 --out inverted",
                TWO_STAGES,
            ),
        ),
        pages={"natural_preimages_googlenet.jpg": _make_page("inverted")},
        minutes=8,
        weights=("googlenet",),
        photographs=tuple(f"{name}.jpg" for name in PHOTOGRAPHS),
    ),
    "natural_preimages_vgg19": Entry(
        commands=(
            Command(
                "jaxvis invert vgg19 goldfish.jpg --tap relu1_1,relu2_1,relu3_1 "
                "--preset mahendran --fidelity 300 --size 96 --out shallow",
                TWO_STAGES,
            ),
            Command(
                "jaxvis invert vgg19 goldfish.jpg --tap relu4_1,relu5_1 "
                "--preset mahendran --fidelity 20,300 --size 96 --out deep",
                TWO_STAGES,
            ),
        ),
        pages={
            "natural_preimages_vgg19.jpg": Page(
                (
                    (
                        Cell("shallow", "{layer}, C = 300: {error:.0%}"),
                        Cell("deep", "{layer}, C = {C:g}: {error:.0%}"),
                    ),
                )
            )
        },
        minutes=8,
        weights=("vgg19",),
        photographs=("goldfish.jpg",),
    ),
    "natural_preimages_seeds": Entry(
        commands=(
            Command(
                "jaxvis invert squeezenet1_1 flamingo.jpg pattern.jpg monkey.jpg "
                "--tap fire4/concat,pool10 --preset mahendran --steps 200 --second 30 "
                "--size 112 --seeds 4 --out inverted",
                TWO_STAGES,
            ),
        ),
        pages={
            "natural_preimages_seeds.jpg": Page(
                tuple(
                    (Cell("inverted", ERROR, where=(("photograph", name), ("tap", tap))),)
                    for name in ("flamingo", "pattern", "monkey")
                    for tap in ("fire4/concat", "pool10")
                ),
                labels=("flamingos", "", "a pattern", "", "monkeys", ""),
            )
        },
        minutes=1.5,
        weights=("squeezenet1_1",),
        photographs=("flamingo.jpg", "pattern.jpg", "monkey.jpg"),
    ),
    "caricatures": Entry(
        commands=(
            Command(
                "jaxvis caricature squeezenet1_1 fox.jpg --tap "
                "fire2/concat,fire4/concat,fire6/concat,fire8/concat "
                "--size 112 --steps 200 --out squeezenet",
                QUICK,
            ),
            Command(
                "jaxvis caricature googlenet fox.jpg --tap "
                "conv1/relu_7x7,conv2/relu_3x3,inception_3b/output,inception_4c/output "
                "--size 112 --steps 200 --out googlenet",
                QUICK,
            ),
        ),
        pages={
            "caricatures.jpg": Page(
                ((Cell("squeezenet", "{layer}"),), (Cell("googlenet", "{layer}"),)),
                labels=("SqueezeNet", "GoogLeNet"),
            )
        },
        minutes=1.5,
        weights=("squeezenet1_1", "googlenet"),
        photographs=("fox.jpg",),
    ),
    "ranvgg": Entry(
        commands=(
            Command(
                "jaxvis ranvgg stack chelsea --size 64 --candidates 3 --steps 20 --out stack",
                "--size 32 --candidates 1 --steps 2",
            ),
            Command(
                "jaxvis ranvgg invert chelsea --size 64 --kinds random,stacked,trained "
                "--stacked stack --steps 100 --out inverted",
                QUICK,
            ),
        ),
        pages={
            "ranvgg.jpg": show("inverted/layers.png"),
            "ranvgg_losses.png": show("inverted/losses.png"),
        },
        minutes=8,
        weights=("vgg19",),
    ),
}
"""Name -> entry."""
