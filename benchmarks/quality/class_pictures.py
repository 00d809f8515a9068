"""Are class pictures any good? Another network judges them.

    python -m benchmarks.quality.class_pictures --source squeezenet1_1 --judges googlenet,vgg19

A network's own verdict is worthless, because grey speckle convinces it. The verdict of
another network agrees with the eye. Each recipe draws the classes of the page below with
the source network, the pictures are rounded to 8 bits, and every judge says whether the
class is its first or among its first five. One JSON object is printed for each
recipe; the contact sheets go to --out.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import tyro

import jaxvis
from jaxvis.cli.parsing import parse_indices
from jaxvis.compiler import jit
from jaxvis.network import Network
from jaxvis.output.io import write_image
from jaxvis.output.sheet import contact_sheet
from jaxvis.types import Params
from jaxvis.weights.load import labels_of

CLASSES = "1,9,31,76,88,99,130,207,291,340,404,409,468,504,555,620,701,817,920,985"
"""Twenty classes with a look of their own, from goldfish to daisy."""
BATCH = 10
"""Pictures a judge looks at together."""


@dataclass(frozen=True)
class Options:
    """Prints one row of JSON for each recipe: the verdicts of source and judges, and the time."""

    source: str = "squeezenet1_1"
    """The network whose classes are drawn."""
    judges: str = "googlenet,vgg19"
    """Networks that judge, with commas between."""
    recipes: str = "robust,lucid,plain,maco"
    """Recipes of `jaxvis.maximize`, with commas between."""
    classes: str = CLASSES
    """Numbers and ranges START:STOP, with commas between."""
    seeds: int = 1
    """Pictures of each class."""
    seed: int = 0
    """Of all randomness."""
    steps: int | None = None
    """Updates; the recipe's if left out."""
    weights: Path | None = None
    """Folder of converted files NAME.safetensors; the cache if left out."""
    out: Path | None = None
    """Folder for contact sheets."""

    def find_file(self, name: str) -> Path | None:
        """Finds the file of a network's weights; None is the one in the cache."""
        return self.weights and self.weights / f"{name}.safetensors"

    def load(self, name: str) -> tuple[Network, Params]:
        """Loads a network."""
        return jaxvis.load(name, weights=self.find_file(name))


def judge_pictures(
    net: Network, params: Params, images: np.ndarray, classes: np.ndarray
) -> tuple[float, float]:
    """Computes the shares of pictures that a network names first, and in its first five.

    Args:
      net, params: the judge; pictures are resized to its native size.
      images: `[N, H, W, 3]` in [0, 1].
      classes: `[N]`, the class that each should show.
    """

    @jit(static_argnums=0)
    def look(net, params, batch):
        size = (len(batch), *net.input_size, 3)
        small = jax.image.resize(batch, size, "linear")
        return jax.vmap(lambda image: net.apply(params, image, stop=net.scores)[net.scores])(small)

    seen = np.round(images * 255).astype(np.float32) / 255
    ranks = []
    for first in range(0, len(seen), BATCH):
        index = np.minimum(np.arange(first, first + BATCH), len(seen) - 1)
        scores = np.asarray(look(net, params, seen[index]))
        own = scores[np.arange(BATCH), classes[index]]
        ranks.append((scores > own[:, None]).sum(1)[: len(seen) - first])
    rank = np.concatenate(ranks)
    return float(np.mean(rank < 1)), float(np.mean(rank < 5))


def measure_recipe(options: Options, net: Network, params: Params, recipe: str) -> dict:
    """Draws the classes with one recipe, writes their contact sheet and measures a row.

    Args:
      options: the command's.
      net, params: the source network.
      recipe: its name.
    """
    numbers = parse_indices(options.classes)
    wanted = np.repeat(numbers, options.seeds)
    begin = time.perf_counter()
    run = jaxvis.maximize(
        net,
        params,
        index=numbers,
        seeds=options.seeds,
        key=options.seed,
        recipe=recipe,
        steps=options.steps,
        progress=True,
    )
    took, updates = time.perf_counter() - begin, run.trace["loss"].shape[-1]
    images = run.image.reshape(-1, *run.image.shape[2:])
    row = {
        "name": "class_pictures",
        "source": options.source,
        "recipe": recipe,
        "pictures": len(images),
        "steps": int(updates),
        "seconds": round(took, 1),
        "ms_per_picture_step": round(1e3 * took / len(images) / updates, 2),
    }
    for judge in [options.source, *options.judges.split(",")]:
        shares = judge_pictures(*options.load(judge), images, wanted)
        row[judge] = [round(100 * share, 1) for share in shares]
    if options.out is not None:
        _write_sheet(options, recipe, images, wanted)
    return row


def _write_sheet(options: Options, recipe: str, images: np.ndarray, wanted: np.ndarray) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    labels = labels_of(options.source, weights=options.find_file(options.source))
    notes = [f"{n} {labels[n].partition(',')[0]}" if labels else str(n) for n in wanted]
    page = contact_sheet(list(images), captions=notes, columns=5, cell=160)
    write_image(options.out / f"{options.source}_{recipe}.png", page)


def main(options: Options) -> None:
    """Runs the command.

    Args:
      options: what the command line says.
    """
    net, params = options.load(options.source)
    for recipe in options.recipes.split(","):
        print(json.dumps(measure_recipe(options, net, params, recipe)), flush=True)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
