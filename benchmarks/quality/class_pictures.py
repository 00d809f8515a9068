"""Are class pictures any good? Another network judges them.

    python -m benchmarks.quality.class_pictures --source squeezenet1_1 --judges googlenet,vgg19

A network's own verdict is worthless (grey speckle convinces it); another network's
verdict and the eye agree. Each recipe draws the classes of the page below with the
source network, the pictures are rounded to 8 bits, and every judge says whether the
class is its first or among its first five. One JSON object a row; the pictures and a
contact sheet go to --out.
"""

import json
import sys
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import tyro

import jaxvis
from jaxvis.cli.common import parse_indices
from jaxvis.network import Network
from jaxvis.output.io import write_image
from jaxvis.output.sheet import contact_sheet
from jaxvis.types import Params
from jaxvis.weights.load import labels_of

CLASSES = "1,9,31,76,88,99,130,207,291,340,404,409,468,504,555,620,701,817,920,985"
"""Twenty classes with a look of their own, from goldfish to daisy."""
BATCH = 10  # pictures a judge looks at together


def verdict(
    net: Network, params: Params, images: np.ndarray, classes: np.ndarray
) -> tuple[float, float]:
    """Returns the shares of pictures that a network names first, and in its first five.

    Args:
      net, params: the judge; pictures are resized to its native size.
      images: `[N, H, W, 3]` in [0, 1].
      classes: `[N]`, the class that each should show.
    """

    @partial(jax.jit, static_argnums=0)
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


def _open(name: str, folder: Path | None) -> tuple[Network, Params]:
    return jaxvis.load(name, weights=folder and folder / f"{name}.safetensors")


def main(
    *,
    source: str = "squeezenet1_1",
    judges: str = "googlenet,vgg19",
    presets: str = "robust,lucid,plain,maco",
    classes: str = CLASSES,
    seeds: int = 1,
    seed: int = 0,
    steps: int | None = None,
    weights: Path | None = None,
    out: Path | None = None,
) -> None:
    """Prints one row of JSON a recipe: the verdicts of source and judges, and the time.

    Args:
      source: the network whose classes are drawn.
      judges: networks that judge, with commas between.
      presets: recipes of `jaxvis.maximize`.
      classes: which.
      seeds: pictures a class.
      seed: of all randomness.
      steps: updates; the preset's if left out.
      weights: folder of converted files NAME.safetensors; the cache if left out.
      out: folder for contact sheets.
    """
    net, params = _open(source, weights)
    numbers = parse_indices(classes)
    file = weights and weights / f"{source}.safetensors"
    labels = labels_of(source, weights=file)
    wanted = np.repeat(numbers, seeds)
    drawn = {}
    for preset in presets.split(","):
        begin = time.perf_counter()
        run = jaxvis.maximize(
            net,
            params,
            index=numbers,
            seeds=seeds,
            key=seed,
            preset=preset,
            steps=steps,
            progress=True,
        )
        took, updates = time.perf_counter() - begin, run.trace["loss"].shape[-1]
        images = run.image.reshape(-1, *run.image.shape[2:])
        drawn[preset] = images
        row = {
            "name": "class_pictures",
            "source": source,
            "preset": preset,
            "pictures": len(images),
            "steps": int(updates),
            "seconds": round(took, 1),
            "ms_per_picture_step": round(1e3 * took / len(images) / updates, 2),
        }
        for judge in [source, *judges.split(",")]:
            top1, top5 = verdict(*_open(judge, weights), images, wanted)
            row[judge] = [round(100 * top1, 1), round(100 * top5, 1)]
        print(json.dumps(row), flush=True)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            notes = [f"{n} {labels[n].partition(',')[0]}" if labels else str(n) for n in wanted]
            page = contact_sheet(list(images), captions=notes, columns=5, cell=160)
            write_image(out / f"{source}_{preset}.png", page)


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
