"""One sheet with each way of seeing that Lecture 21 surveys, on one photograph.

python -m benchmarks.papers.lecture_figure --weights DIR --out lecture21.jpg
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

import jaxvis
from benchmarks.harness.paths import DATA, name_weights
from jaxvis.network import Network
from jaxvis.output.heat import colour_heat, lay_over
from jaxvis.output.io import SAMPLES, read_image, read_sample_photo, write_image
from jaxvis.output.resample import resample
from jaxvis.output.sheet import contact_sheet
from jaxvis.types import Params

PHOTOGRAPH, CLASS = "chelsea", 281
"""A photograph that comes with jaxvis, and what it shows: a tabby."""
SHALLOW, LAYER = "inception_3b/output", "inception_4c/output"
CHANNEL = 7

Tile = tuple[str, np.ndarray]


@dataclass(frozen=True)
class Options:
    """Draws the sheet with GoogLeNet, and with VGG-19 where statistics are matched."""

    weights: Path | None = None
    """Folder of converted files NAME.safetensors; the cache if left out."""
    size: int = 160
    """Pixels of a side."""
    steps: int = 100
    """Updates of what is optimised."""
    out: Path = Path("lecture21.jpg")
    """The file of the sheet."""

    def load(self, name: str) -> tuple[Network, Params]:
        """Loads a network for pictures of this size; VGG-19's convolutions, average pooling."""
        file, side = name_weights(self.weights, name), (self.size,) * 2
        if name == "vgg19":
            return jaxvis.load(name, weights=file, pool="avg", input_size=side, stop="relu5_1")
        return jaxvis.load(name, weights=file, input_size=side)


def draw_readings(
    options: Options, net: Network, params: Params, photo: np.ndarray
) -> Iterator[Tile]:
    """Draws what is read off a network: filters, maps, patches, heatmaps.

    Args:
      options: the command's.
      net, params: GoogLeNet.
      photo: `[H, W, 3]`.
    """
    side = options.size
    kernels = jaxvis.filters(net, params, index=range(16)).scale()
    yield "filters (21.1)", _quilt(kernels, side)
    maps = jaxvis.activations(net, params, photo, SHALLOW).scale()
    yield "activations (21.3)", _quilt(maps[:9], side)
    others = np.stack([read_sample_photo(name, size=side) for name in SAMPLES])
    found = jaxvis.patches(net, params, others, SHALLOW, top=9)
    yield "patches (21.3.1)", _quilt(found.cut(found[SHALLOW].top, CHANNEL), side)
    heats = {
        "occlusion (21.4.1)": jaxvis.occlusion(net, params, photo, index=CLASS, patch=32, stride=8),
        "saliency (21.4.2)": jaxvis.saliency(net, params, photo, index=CLASS),
        "guided (21.5)": jaxvis.guided_backpropagation(net, params, photo, index=CLASS),
        "Grad-CAM (21.8)": jaxvis.grad_cam(net, params, photo, index=CLASS),
    }
    for name, heat in heats.items():
        fine = name.startswith(("saliency", "guided"))
        yield name, colour_heat(heat) if fine else lay_over(photo, heat)


def draw_inventions(
    options: Options, net: Network, params: Params, photo: np.ndarray
) -> Iterator[Tile]:
    """Draws what is made by optimising a picture.

    Args:
      options: the command's.
      net, params: GoogLeNet.
      photo: `[H, W, 3]`.
    """
    steps, side = options.steps, (options.size,) * 2
    for name, recipe in (("class, plain (21.6)", "plain"), ("class, robust (21.6)", "robust")):
        run = jaxvis.maximize(net, params, index=CLASS, recipe=recipe, size=side, steps=2 * steps)
        yield name, run.image[0, 0]
    run = jaxvis.attacks.pgd(net, params, photo, epsilon=1 / 255, steps=10)
    change = np.asarray(run.image).reshape(photo.shape) - photo
    yield "attack x 100 (21.7)", 0.5 + 100 * change
    for tap in (SHALLOW, "inception_5b/output"):
        run = jaxvis.invert(net, params, photo, tap=tap, steps=3 * steps)
        yield f"from {tap.partition('/')[0].removeprefix('inception_')} (21.9)", run.image[0]
    yield "dream (21.10)", jaxvis.dream(net, params, photo, tap=LAYER).image[0]


def draw_statistics(options: Options, photo: np.ndarray) -> Iterator[Tile]:
    """Draws a texture and a style.

    Args:
      options: the command's.
      photo: `[H, W, 3]`.
    """
    net, params = options.load("vgg19")
    pebbles = read_image(DATA / "images/textures/pebbles_deeptextures.jpg", size=options.size)
    yield "texture (21.11)", jaxvis.texture(net, params, pebbles, steps=options.steps).image[0]
    painting = read_image(DATA / "images/paintings/the_scream_munch_1893.jpg", size=options.size)
    run = jaxvis.style(net, params, photo, painting, steps=options.steps // 2)
    yield "style (21.12)", run.image[0]


def _quilt(pictures: list[np.ndarray] | np.ndarray, side: int) -> np.ndarray:
    """Joins pictures into a square."""
    count = int(np.sqrt(len(pictures)))
    cell = (side - 2 * (count + 1)) // count
    cells = []
    for each in pictures[: count * count]:
        colour = np.repeat(each[..., None], 3, -1) if each.ndim == 2 else each
        cells.append(resample(np.asarray(colour, np.float32), (cell, cell)))
    return contact_sheet(cells, columns=count, gap=2)


def main(options: Options) -> None:
    """Runs the command.

    Args:
      options: what the command line says.
    """
    net, params = options.load("googlenet")
    photo = read_sample_photo(PHOTOGRAPH, size=options.size)
    tiles: list[Tile] = [("photograph", photo)]
    tiles += draw_readings(options, net, params, photo)
    tiles += draw_inventions(options, net, params, photo)
    tiles += draw_statistics(options, photo)
    names, pictures = zip(*tiles)
    shown = [np.clip(np.asarray(each), 0, 1) for each in pictures]
    page = contact_sheet(shown, captions=names, columns=4, cell=options.size)
    write_image(options.out, page)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
