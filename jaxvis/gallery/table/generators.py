"""Pictures that generators draw, and kinds and biases of what excites a unit."""

from jaxvis.gallery.entry import Cell, Command, Entry, Page

QUICK = "--steps 2 --side 32 --weights random:0"
CLASSES = "668,470,668+470,1,9,130,291,340,404,555,817,985"
DIGITS = {
    "reconstructed": "noisy digits reconstructed",
    "decoder_0": "drawn by the decoder",
    "decoder_1": "",
    "gan_0": "drawn by a GAN",
    "gan_1": "",
    "gan_2": "",
}
"""Row of the page of digits -> its label."""

GENERATORS = {
    "generators": Entry(
        commands=(
            Command(
                f"jaxvis generate googlenet --index {CLASSES} --steps 500 "
                "--labels imagenet --out googlenet",
                f"{QUICK} --index 1,9",
            ),
            Command(
                "jaxvis generate vgg19 --index 668,470,130,668+470,1,9,291,340,404,555,817,985 "
                "--steps 250 --labels imagenet --out vgg19",
                f"{QUICK} --index 1",
            ),
            Command(
                "jaxvis generate googlenet --tap inception_4c/output --index 0,7,11,21 "
                "--steps 150 --out filters",
                f"{QUICK} --index 0",
            ),
        ),
        pages={
            "generators.jpg": Page(
                (
                    (
                        Cell("googlenet", "{label}"),
                        Cell("vgg19", "VGG-19's {label}"),
                        Cell("filters", "GoogLeNet's {label}"),
                    ),
                ),
                columns=5,
                cell=190,
            )
        },
        minutes=100,
        weights=("googlenet", "vgg19"),
    ),
    "autoencoder": Entry(
        commands=(
            Command(
                "python -m benchmarks.quality.digits_page --out digits",
                "--training 2 --steps 2 --starts 1",
            ),
        ),
        pages={
            "autoencoder.jpg": Page(
                tuple((Cell("digits", where=(("row", row),)),) for row in DIGITS),
                labels=tuple(DIGITS.values()),
            )
        },
        minutes=15,
        data=(
            "weights/mnist_lenet5_f32.npz",
            "weights/mnist_dcgan_generator_f32.npz",
            "images/mnist/t10k-images-idx3-ubyte.gz",
        ),
    ),
    "facets": Entry(
        commands=(
            Command(
                "jaxvis facets googlenet photos --tap inception_4e/output --index 131 "
                "--features pool5/7x7_s1 --most 10 --count 3 --steps 100 --out facets",
                "--most 3 --count 3 --steps 2 --weights random:0",
            ),
        ),
        pages={
            "facets.jpg": Page((tuple(Cell(f"facets/facet_{at}.png") for at in range(3)),)),
        },
        minutes=3,
        weights=("googlenet",),
        photographs=("photos",),
    ),
    "bias": Entry(
        commands=(
            Command(
                "jaxvis train autoencoder photos --model small --steps 300 --validation 0.1 "
                "--optimizer adam --learning-rate 0.004 --noise 0.3 --out ae",
                "--steps 2 --batch 2 --validation 0.3",
            ),
            Command("jaxvis generate googlenet --index 130 --steps 500 --out generator.png", QUICK),
            Command(
                "jaxvis generate googlenet --index 130 --decoder ae/autoencoder.safetensors "
                "--frozen --steps 100 --out decoder.png",
                "--steps 2 --weights random:0",
            ),
            Command(
                "jaxvis maximize googlenet --index 130 --steps 100 --out maximize.png",
                "--steps 2 --size 32 --weights random:0",
            ),
            Command(
                "jaxvis bias googlenet photos --index 130 "
                "--pictures generator.png,decoder.png,maximize.png --most 7 --out bias.png",
                "--most 2 --weights random:0",
            ),
        ),
        pages={
            "bias.jpg": Page(
                (
                    (
                        Cell("generator.png", "untrained generator"),
                        Cell("decoder.png", "trained decoder"),
                        Cell("maximize.png", "maximised"),
                    ),
                )
            )
        },
        minutes=10,
        weights=("googlenet",),
        photographs=("photos",),
    ),
}
"""Name -> entry."""
