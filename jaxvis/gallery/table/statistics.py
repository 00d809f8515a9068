"""Images from statistics: textures, styles, feature maps, fast style."""

from jaxvis.gallery.entry import Cell, Command, Entry, Page, show

RANDOM = "--weights random:0"
QUICK = f"--steps 2 --size 112x144 {RANDOM}"
TEXTURES = {"brick": "brick.png", "grass": "grass.png", "pebbles": "pebbles.jpg"}
"""Textures of all four algorithms; of gravel there are only those that copy."""
CLASSICAL = {**TEXTURES, "gravel": "gravel.png"}
PHOTOGRAPH = "jaxvis style vgg19 tubingen.jpg starry_night.jpg"
GROUND = "sky = np.zeros((144, 192)); sky[:72] = 1"
STYLES = {
    "starry_night": "Starry Night",
    "great_wave": "The Great Wave",
    "scream": "The Scream",
    "starry_night:0.5,scream:0.5": "Starry Night + The Scream",
}
"""What `jaxvis stylize` is asked for -> caption."""


def _list_textures() -> tuple[Command, ...]:
    """Lists the commands of the textures: by networks, then by copying."""
    trained, drawn = f"--source-size 24 --steps 2 {RANDOM}", "--source-size 24 --steps 2"
    commands = []
    for name, file in TEXTURES.items():
        line = f"jaxvis texture vgg19 {file} --source-size 128 --steps 150"
        commands.append(Command(f"{line} --out {name}_vgg.png", trained))
        line += f" --preset ranvgg {RANDOM}"
        commands.append(Command(f"{line} --out {name}_ranvgg.png", drawn))
    small = "--size 16 --source 16 --window 3"
    for name, file in CLASSICAL.items():
        line = f"jaxvis classical-texture {file}"
        commands.append(Command(f"{line} --out {name}_efros_leung.png", small))
        line += " --algorithm wei-levoy"
        commands.append(Command(f"{line} --out {name}_wei_levoy.png", small))
    return tuple(commands)


def _make_texture_row(name: str) -> tuple[Cell, ...]:
    """Makes a texture's row: what the algorithms make of it."""
    networks = (Cell(f"{name}_vgg.png", "VGG-19"), Cell(f"{name}_ranvgg.png", "ranVGG"))
    return (
        *(networks if name in TEXTURES else (Cell(""), Cell(""))),
        Cell(f"{name}_efros_leung.png", "Efros-Leung"),
        Cell(f"{name}_wei_levoy.png", "Wei-Levoy"),
    )


def _list_stylized() -> tuple[Command, ...]:
    """Lists the commands that paint two photographs in every style."""
    line = "jaxvis stylize styles/style.safetensors"
    return tuple(
        Command(f"{line} {photo}.jpg --style {style} --out {photo}_{number}.png", "--size 32x48")
        for photo in ("chicago", "tubingen")
        for number, style in enumerate(STYLES)
    )


def _make_stylized_row(photo: str) -> tuple[Cell, ...]:
    """Makes a photograph's row: painted in every style."""
    return tuple(Cell(f"{photo}_{n}.png", words) for n, words in enumerate(STYLES.values()))


STATISTICS = {
    "textures": Entry(
        commands=_list_textures(),
        pages={
            "textures.jpg": Page(
                tuple(_make_texture_row(name) for name in CLASSICAL),
                labels=tuple(CLASSICAL),
                cell=160,
            )
        },
        minutes=15,
        weights=("vgg19",),
        photographs=tuple(CLASSICAL.values()),
    ),
    "styles": Entry(
        commands=(
            Command(f"{PHOTOGRAPH} --size 144x192 --steps 60 --out relative.png", QUICK),
            *(
                Command(
                    f"{PHOTOGRAPH} --size 144x192 --steps {steps} --preset {preset} {weights}"
                    f"--out {preset}.png",
                    QUICK,
                )
                for preset, steps, weights in (
                    ("gatys", 120, ""),
                    ("pmci", 120, ""),
                    ("ranvgg", 70, f"{RANDOM} "),
                    ("ranvgg_strong", 60, f"{RANDOM} "),
                )
            ),
        ),
        pages={
            "styles.jpg": Page(
                (
                    tuple(Cell(f"{one}.png", one) for one in ("relative", "gatys", "pmci")),
                    tuple(Cell(f"{one}.png", one) for one in ("ranvgg", "ranvgg_strong")),
                )
            )
        },
        minutes=12,
        weights=("vgg19",),
        photographs=("tubingen.jpg", "starry_night.jpg"),
    ),
    "styles_more": Entry(
        commands=(
            Command(
                f"python -c 'import jaxvis, numpy as np; {GROUND}; "
                'jaxvis.write_image("sky.png", sky); jaxvis.write_image("ground.png", 1 - sky)\''
            ),
            Command(
                f"{PHOTOGRAPH} great_wave.jpg --mix 1,1 --size 144x192 --steps 100 "
                "--preset gatys --out mixed.png",
                QUICK,
            ),
            Command(
                f"{PHOTOGRAPH} great_wave.jpg --masks sky.png,ground.png --size 144x192 "
                "--steps 100 --preset gatys --out masked.png",
                QUICK,
            ),
            Command(
                f"{PHOTOGRAPH} --colour luminance --size 144x192 --steps 100 --preset gatys "
                "--out coloured.png",
                QUICK,
            ),
        ),
        pages={
            "styles_more.jpg": Page(
                (
                    (
                        Cell("mixed.png", "both, mixed 1 : 1"),
                        Cell("masked.png", "first for the sky, second for the ground"),
                        Cell("coloured.png", "first, in the photograph's colours"),
                    ),
                )
            )
        },
        minutes=9,
        weights=("vgg19",),
        photographs=("tubingen.jpg", "starry_night.jpg", "great_wave.jpg"),
    ),
    "feature_maps": Entry(
        commands=(
            Command(
                "jaxvis feature-maps vgg19 tubingen.jpg --tap relu1_2,relu2_2,relu3_2 "
                "--index 0:5 --size 128 --steps 80 --out maps",
                f"--steps 2 --size 24 {RANDOM}",
            ),
        ),
        pages={
            "feature_maps.jpg": Page(
                tuple(
                    (Cell("maps", "{name}", where=(("name", f"{tap}_*"),)),)
                    for tap in ("relu1_2", "relu2_2", "relu3_2")
                )
            )
        },
        minutes=6,
        weights=("vgg19",),
        photographs=("tubingen.jpg",),
    ),
    "atlas": Entry(
        commands=(
            Command(
                "jaxvis feature-maps vgg19 tubingen.jpg --tap relu1_2 --index : --size 48 "
                "--steps 60 --out maps",
                f"--steps 2 --size 24 --index 0:4 {RANDOM}",
            ),
        ),
        pages={"atlas.jpg": Page(((Cell("maps", "{name}"),),), columns=16)},
        minutes=2,
        weights=("vgg19",),
        photographs=("tubingen.jpg",),
    ),
    "fast_style": Entry(
        commands=(
            Command(
                "jaxvis train style photos --style starry_night.jpg,great_wave.jpg,scream.jpg "
                "--width 16 --blocks 3 --size 128 --steps 200 --learning-rate 0.002 "
                "--validation 0.1 --validate-every 50 --out styles",
                "--steps 2 --size 96 --width 2 --blocks 1 --validation 0.3 --batch 1 "
                f"--validate-every 1 {RANDOM}",
            ),
            *_list_stylized(),
        ),
        pages={
            "fast_style.jpg": Page(
                (_make_stylized_row("chicago"), _make_stylized_row("tubingen")), cell=190
            ),
            "fast_style_loss.jpg": show("styles/loss.png"),
        },
        minutes=30,
        weights=("vgg19",),
        photographs=(
            *("photos", "chicago.jpg", "tubingen.jpg"),
            *("starry_night.jpg", "great_wave.jpg", "scream.jpg"),
        ),
    ),
}
"""Name -> entry."""
