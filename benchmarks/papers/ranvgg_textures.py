"""Do random weights make textures? The claims of He, Wang & Hopcroft (2016), Fig. 8, judged.

    python -m benchmarks.papers.ranvgg_textures --weights DIR --out FOLDER

Textures are made by a VGG-19 with random weights, matched at relu1_1 alone, then at one
block more each, and by the trained one at the same four layers. A third network, trained
SqueezeNet, judges: the root of the mean of |G - G0|^2 / |G0|^2 over three of its layers,
G and G0 the Gram matrices of the texture and of its source. Another part of the source
says how near one can come, its pixels in another order how far nothing is. The rows are
printed as JSON.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tyro

import jaxvis
from benchmarks.harness.paths import DATA, name_weights
from benchmarks.harness.statistics import measure_mean
from jaxvis.compiler import jit
from jaxvis.loss.matching.statistics import gram
from jaxvis.output.io import read_image, write_image
from jaxvis.output.sheet import contact_sheet
from jaxvis.recipes.styles import TEXTURES, list_block_taps

JUDGED = ("relu_conv1", "fire3/concat", "fire5/concat")
FILES = "brick.png,grass.png,gravel.png,pebbles_deeptextures.jpg"
BLOCKS = 4

Judge = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Options:
    """Prints how far textures are from their sources, a JSON object a kind."""

    weights: Path | None = None
    """Folder of converted files NAME.safetensors; the cache if left out."""
    textures: str = FILES
    """Files of images/textures in the data folder, with commas between."""
    size: int = 96
    """Pixels of a side."""
    steps: int = 100
    """Evaluations of L-BFGS."""
    seeds: int = 2
    """Textures of each kind and source."""
    out: Path | None = None
    """Folder for the figure."""


def make_judge(options: Options) -> Judge:
    """Makes the function that says how far a picture's statistics are from its source's.

    Args:
      options: the command's.
    """
    net, params = jaxvis.load(
        "squeezenet1_1",
        weights=name_weights(options.weights, "squeezenet1_1"),
        input_size=(options.size,) * 2,
        stop=JUDGED[-1],
    )

    @jit
    def measure(params, image):
        seen = net.apply(params, image, stop=JUDGED[-1])
        return [gram(seen[tap]) for tap in JUDGED]

    def judge(picture: np.ndarray, source: np.ndarray) -> float:
        both = [measure(params, jnp.asarray(each)) for each in (picture, source)]
        apart = [np.sum((a - b) ** 2) / np.sum(b**2) for a, b in zip(*map(_to_numpy, both))]
        return float(np.sqrt(np.mean(apart)))

    return judge


def _to_numpy(grams: list) -> list[np.ndarray]:
    return [np.asarray(each, np.float64) for each in grams]


def shuffle_pixels(image: np.ndarray) -> np.ndarray:
    """Puts the pixels of an image into another order.

    Args:
      image: `[H, W, 3]`.
    """
    flat = image.reshape(-1, image.shape[-1])
    return flat[np.random.default_rng(0).permutation(len(flat))].reshape(image.shape)


def make_textures(options: Options, source: np.ndarray) -> dict[str, np.ndarray]:
    """Makes the textures of one source: kind -> `[S, H, W, 3]`.

    Args:
      options: the command's.
      source: `[H, W, 3]`.
    """
    made = {}
    kinds = [("random", k) for k in range(1, BLOCKS + 1)] + [("trained", BLOCKS)]
    for kind, count in kinds:
        taps = list_block_taps(count)
        recipe = TEXTURES["ranvgg" if kind == "random" else "gatys"]
        file = "random:0" if kind == "random" else name_weights(options.weights, "vgg19")
        net, params = jaxvis.load(
            "vgg19", weights=file, pool="avg", input_size=source.shape[:2], stop=taps[-1]
        )
        recipe = replace(recipe, taps=taps)
        options_of = {"recipe": recipe, "steps": options.steps, "seeds": options.seeds}
        made[f"{kind}, up to {taps[-1]}"] = np.asarray(
            jaxvis.texture(net, params, source, **options_of).image
        )
    return made


def measure(options: Options) -> list[dict]:
    """Measures every kind, and writes the figure.

    Args:
      options: the command's.
    """
    judge, side = make_judge(options), options.size
    found: dict[str, list[float]] = {}
    columns = []
    for name in options.textures.split(","):
        whole = read_image(DATA / "images" / "textures" / name)
        source, other = whole[:side, :side], whole[-side:, -side:]
        made = make_textures(options, source)
        columns.append([each[0] for each in made.values()])
        made |= {"another part": other[None], "shuffled pixels": shuffle_pixels(source)[None]}
        for kind, pictures in made.items():
            scores = [judge(picture, source) for picture in pictures]
            found.setdefault(kind, []).append(float(np.mean(scores)))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        rows = [column[i] for i in range(len(columns[0])) for column in columns]
        page = contact_sheet(rows, columns=len(columns), gap=4)
        write_image(options.out / "textures.png", page)
    return [_make_row(kind, values) for kind, values in found.items()]


def _make_row(kind: str, values: list[float]) -> dict:
    mean, error = measure_mean(values)
    return {
        "kind": kind,
        "distance": round(mean, 3),
        "standard error": None if np.isnan(error) else round(error, 3),
        "each": [round(value, 3) for value in values],
    }


def main(options: Options) -> None:
    """Runs the command.

    Args:
      options: what the command line says.
    """
    for row in measure(options):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
