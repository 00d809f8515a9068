"""What filters extract: the claims of Xia et al. (2017) in numbers, and their figures.

    python -m benchmarks.papers.xia_claims --weights DIR --out FOLDER

Four things are measured on VGG-19 with average pooling, each printed as a JSON object.
"textures": is the picture of a filter, made from one photograph, more like the picture of
the same filter from another photograph than like those of other filters? "colours": how
many colours do the pictures of a layer hold? "random codes": what of a photograph changes
when the energy of filters is dealt out anew? "style": do the energies of a quarter of a
painting say which painting it is from?
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import jaxvis
from benchmarks.harness.paths import DATA, name_weights
from benchmarks.harness.statistics import measure_mean, share_of_kin
from jaxvis.compiler import jit
from jaxvis.loss.chambolle import Chambolle
from jaxvis.loss.matching.statistics import energy
from jaxvis.methods.style.feature_maps import random_codes
from jaxvis.network import Network
from jaxvis.output.io import read_image, write_image
from jaxvis.output.sheet import contact_sheet
from jaxvis.recipes.styles import BLOCKS, MapRecipe
from jaxvis.types import Params

LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
PHOTOGRAPHS = "golden_gate.jpg,tubingen_neckarfront.jpg"
LOOKS = ("relu1_1", "relu2_1", "relu3_1")
"""The layers whose energies stand for a picture's texture and colours."""


@dataclass(frozen=True)
class Options:
    """Prints what holds of the claims, a JSON object each, and writes the figures."""

    weights: Path | None = None
    """Folder of the converted file vgg19.safetensors; the cache if left out."""
    photographs: str = PHOTOGRAPHS
    """Two files of images/content in the data folder, with a comma between."""
    filters: int = 5
    """How many of each layer, from the first on."""
    size: int = 96
    """Pixels of a side."""
    steps: int = 80
    """Updates."""
    parts: str = "style,random,filters"
    """What is measured, with commas between."""
    out: Path | None = None
    """Folder for the figures."""


def describe_texture(net: Network, params: Params, image: np.ndarray) -> np.ndarray:
    """Describes a picture by the energies of shallow filters, each layer's of length 1.

    Args:
      net, params: VGG-19.
      image: `[H, W, 3]` in [0, 1].
    """
    found = [np.asarray(each) for each in _energies(net, params, jnp.asarray(image), LOOKS)]
    return np.concatenate([each / np.linalg.norm(each) for each in found])


@jit(static_argnums=(0, 3))
def _energies(net, params, image, taps):
    seen = net.apply(params, image, stop=taps[-1])
    return [energy(seen[tap]) for tap in taps]


def count_matches(first: np.ndarray, second: np.ndarray) -> int:
    """Counts rows whose nearest row of the other array is their own, in both directions.

    Args:
      first, second: `[N, d]`; row i of both belongs together.
    """
    apart = np.linalg.norm(first[:, None] - second[None], axis=-1)
    own = np.arange(len(first))
    return int((apart.argmin(1) == own).sum() + (apart.argmin(0) == own).sum())


def count_colours(image: np.ndarray) -> float:
    """Counts the colours of a picture: 2 to the entropy of its histogram of 16^3 bins.

    Args:
      image: `[H, W, 3]` in [0, 1].
    """
    bins = np.minimum(np.asarray(image) * 16, 15).astype(int).reshape(-1, 3)
    _, counts = np.unique(bins @ (256, 16, 1), return_counts=True)
    share = counts / counts.sum()
    return float(2 ** -(share * np.log2(share)).sum())


def compare_edges(first: np.ndarray, second: np.ndarray) -> float:
    """Computes the correlation of two pictures' edges, the gradient's length in grey.

    Args:
      first, second: `[H, W, 3]`.
    """
    edges = [np.hypot(*np.gradient(np.asarray(each).mean(-1))).ravel() for each in (first, second)]
    return float(np.corrcoef(*edges)[0, 1])


def shift_colour(first: np.ndarray, second: np.ndarray) -> float:
    """Computes how far the mean colours of two pictures are apart, in grey levels of 255.

    Args:
      first, second: `[H, W, 3]` in [0, 1].
    """
    means = [np.asarray(each).mean((0, 1)) for each in (first, second)]
    return float(255 * np.linalg.norm(means[0] - means[1]) / np.sqrt(3))


def measure_filters(options: Options, net: Network, params: Params, photos: list) -> list[dict]:
    """Measures "textures" and "colours" of each layer, and writes the figures.

    Args:
      options: the command's.
      net, params: VGG-19.
      photos: two, `[H, W, 3]`.
    """
    rows, pages = [], list[list[np.ndarray]]([[], []])
    recipe = MapRecipe(steps=options.steps, denoise=0)
    for tap in LAYERS:
        made = [
            np.asarray(
                jaxvis.feature_maps(
                    net, params, photo, tap=tap, index=range(options.filters), recipe=recipe
                ).image
            )
            for photo in photos
        ]
        looks = [np.stack([describe_texture(net, params, x) for x in each]) for each in made]
        colours = [count_colours(x) for each in made for x in each]
        rows.append(
            {
                "layer": tap,
                "same filter nearest": count_matches(*looks),
                "of": 2 * options.filters,
                "colours": [round(each, 1) for each in measure_mean(colours)],
            }
        )
        print(json.dumps(rows[-1]), flush=True)
        for page, each in zip(pages, made):
            page.extend(each)
    for name, page in zip(options.photographs.split(","), pages):
        _write_sheets(options, Path(name).stem, page)
    return rows


def _write_sheets(options: Options, name: str, pictures: list[np.ndarray]) -> None:
    """Writes a figure of layers and filters, as it is and smoothed with the authors' weight."""
    if options.out is None:
        return
    captions = [f"{tap} {i}" for tap in LAYERS for i in range(options.filters)]
    for ending, each in (("raw", pictures), ("denoised", _denoise(pictures))):
        page = contact_sheet(each, captions=captions, columns=options.filters, gap=4)
        write_image(options.out / f"{name}_{ending}.png", page)


def _denoise(pictures: list[np.ndarray]) -> list[np.ndarray]:
    # The printed weight as it is: of these small pictures it blurs a larger part.
    key, smooth = jax.random.key(0), jit(Chambolle(0.2))
    return [np.asarray(smooth(key, jnp.asarray(each))) for each in pictures]


def measure_random_codes(
    options: Options, net: Network, params: Params, photos: list
) -> list[dict]:
    """Measures what of a photograph random codes of each layer change.

    Args:
      options: the command's.
      net, params: VGG-19.
      photos: `[H, W, 3]`.
    """
    rows, shown = list[dict](), list[np.ndarray]()
    recipe = MapRecipe(steps=options.steps, denoise=0)
    for tap in BLOCKS:
        made = [
            (photo, np.asarray(x))
            for photo in photos
            for x in random_codes(net, params, photo, tap=tap, seeds=2, recipe=recipe).image
        ]
        edges, shifts = ([f(*pair) for pair in made] for f in (compare_edges, shift_colour))
        row = {"layer": tap, "n": len(made)}
        for name, values in (("edges alike", edges), ("mean colour, grey levels", shifts)):
            row[name] = [round(each, 3) for each in measure_mean(values)]
        rows.append(row)
        print(json.dumps(row), flush=True)
        shown += [x for _, x in made]
    if options.out is not None:
        captions = [tap for tap in BLOCKS for _ in range(len(shown) // len(BLOCKS))]
        page = contact_sheet(shown, captions=captions, columns=2 * len(photos), gap=4)
        write_image(options.out / "random.png", page)
    return rows


def measure_style(net: Network, params: Params, folder: Path, side: int) -> dict:
    """Measures how often the energies of a quarter of a painting point to its painting.

    Args:
      net, params: VGG-19.
      folder: the paintings.
      side: pixels of a quarter's side.
    """
    codes, colours, owners = [], [], []
    for owner, path in enumerate(sorted(folder.glob("*.jpg"))):
        image = read_image(path, size=2 * side)
        for top in (0, side):
            for left in (0, side):
                part = jnp.asarray(image[top : top + side, left : left + side])
                found = [np.asarray(each) for each in _energies(net, params, part, BLOCKS)]
                codes.append([each / np.linalg.norm(each) for each in found])
                colours.append(np.concatenate([part.mean((0, 1)), part.std((0, 1))]))
                owners.append(owner)
    row: dict = {"quarters": len(owners), "paintings": len(set(owners))}
    for i, tap in enumerate([*BLOCKS, "all five"]):
        of_layer = np.stack([np.concatenate(c) if i == len(BLOCKS) else c[i] for c in codes])
        row[tap] = int(share_of_kin(of_layer, np.asarray(owners)).sum())
    row["colours alone"] = int(share_of_kin(np.stack(colours), np.asarray(owners)).sum())
    print(json.dumps(row), flush=True)
    return row


def main(options: Options) -> None:
    """Runs the command.

    Args:
      options: what the command line says.
    """
    file = name_weights(options.weights, "vgg19")
    net, params = jaxvis.load(
        "vgg19", weights=file, pool="avg", input_size=(options.size,) * 2, stop=LAYERS[-1]
    )
    content = DATA / "images" / "content"
    photos = [read_image(content / x, size=options.size) for x in options.photographs.split(",")]
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    parts = options.parts.split(",")
    if "style" in parts:
        measure_style(net, params, DATA / "images" / "paintings", options.size)
    if "random" in parts:
        measure_random_codes(options, net, params, photos)
    if "filters" in parts:
        measure_filters(options, net, params, photos)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
