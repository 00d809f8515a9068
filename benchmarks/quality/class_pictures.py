"""Are class pictures any good? Another network judges them.

    python -m benchmarks.quality.class_pictures --sources squeezenet1_1 --weights DIR

A network's own verdict is worthless, because grey speckle convinces it. The verdict of
another network agrees with the eye. Each preset draws the classes of the page below with
the source network, the pictures are rounded to 8 bits, and every judge says whether the
class is its first or among its first five. Pictures are kept in a folder, a file for each
source, preset and seed: what is there is not drawn again, so that one source can be drawn
at a time, and `--all` (three sources, every preset, three seeds) can be stopped and started
again. The table of all that is kept is printed at the end; contact sheets lie beside it.
"""

import io
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro

import jaxvis
from benchmarks.harness.paths import name_weights
from benchmarks.quality.judging import format_shares, rank_classes
from jaxvis.cli.parsing import parse_indices
from jaxvis.output.files import write_atomically
from jaxvis.output.io import write_image
from jaxvis.output.sheet import contact_sheet
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork, load_network

CLASSES = "1,9,31,76,88,99,130,207,291,340,404,409,468,504,555,620,701,817,920,985"
"""Twenty classes with a look of their own, from goldfish to daisy."""
NETWORKS = ("googlenet", "squeezenet1_1", "vgg19")
PRESETS: dict[str, Callable[..., Run]] = {
    name: partial(jaxvis.maximize, recipe=name)
    for name in ("robust", "lucid", "maco", "plain", "mahendran")
} | {"generator": jaxvis.generate}
"""Name -> what draws. Pictures in the latent space of a decoder are not among them: no
trained decoder comes with jaxvis."""


@dataclass(frozen=True)
class Options:
    """Draws class pictures, has other networks judge them, and prints the table."""

    sources: str = "squeezenet1_1"
    """The networks whose classes are drawn, with commas between."""
    presets: str = "robust,lucid,maco,plain,mahendran"
    """What draws, with commas between; "generator" takes far longer than the others."""
    judges: str = ",".join(NETWORKS)
    """Networks that judge, with commas between."""
    all: bool = False
    """Every source and every preset, with three seeds."""
    classes: str = CLASSES
    """Numbers and ranges START:STOP, with commas between."""
    seeds: int = 1
    """Pictures of each class."""
    steps: int = 256
    """Updates."""
    size: int | None = None
    """Side of the pictures in pixels; the source's native size if left out."""
    weights: Path | None = None
    """Folder of converted files NAME.safetensors; the cache if left out."""
    store: Path = Path("build/class_pictures")
    """Folder of the pictures, which are not drawn twice."""

    def load(self, name: str) -> LoadedNetwork:
        """Loads a network."""
        return load_network(name, weights=name_weights(self.weights, name), with_sha256=False)

    def list_wanted(self) -> Iterator[tuple[str, str]]:
        """Yields each source with each preset that is asked for."""
        sources, presets = self.sources.split(","), self.presets.split(",")
        if self.all:
            sources, presets = list(NETWORKS), list(PRESETS)
        unknown = [name for name in presets if name not in PRESETS]
        if unknown:
            raise ValueError(f"no preset is called {unknown[0]!r}; there are {', '.join(PRESETS)}")
        yield from ((source, preset) for source in sources for preset in presets)


class Drawn(NamedTuple):
    """The pictures of one source, preset and seed.

    Attributes:
      images: `[N, H, W, 3]` of 8 bits.
      classes: `[N]`.
      seconds: that drawing took.
      steps: of each picture.
    """

    images: np.ndarray
    classes: np.ndarray
    seconds: float
    steps: int


def name_file(options: Options, source: str, preset: str, seed: int) -> Path:
    """Gives the file of some pictures, whose name says what decides them.

    Args:
      options: the command's.
      source, preset: what draws.
      seed: of the randomness.
    """
    side = options.size or "native"
    return options.store / f"{source}_{preset}_{options.steps}_{side}_{seed}.npz"


def read_drawn(path: Path, classes: np.ndarray) -> Drawn | None:
    """Reads pictures of an earlier run; None where there are none of these classes.

    Args:
      path: the file.
      classes: those that are asked for.
    """
    if not path.exists():
        return None
    with np.load(path) as file:
        drawn = Drawn(file["images"], file["classes"], float(file["seconds"]), int(file["steps"]))
    return drawn if np.array_equal(drawn.classes, classes) else None


def draw(options: Options, source: str, preset: str, seed: int) -> Drawn:
    """Draws the classes once each, or reads what an earlier run drew.

    Args:
      options: the command's.
      source, preset: what draws.
      seed: of the randomness.
    """
    path = name_file(options, source, preset, seed)
    numbers = parse_indices(options.classes)
    classes = np.asarray(numbers)
    kept = read_drawn(path, classes)
    if kept is not None:
        return kept
    net, params, *_ = options.load(source)
    size = {} if options.size is None else {"size": (options.size, options.size)}
    begin = time.perf_counter()
    run = PRESETS[preset](
        net,
        params,
        index=numbers,
        key=seed,
        steps=options.steps,
        progress=True,
        **size,
    )
    images = np.round(255 * run.image[:, 0]).astype(np.uint8)
    took = time.perf_counter() - begin
    drawn = Drawn(images, classes, took, run.trace["loss"].shape[-1])
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    np.savez_compressed(packed, **drawn._asdict())
    write_atomically(path, packed.getvalue())
    return drawn


def judge_row(options: Options, source: str, preset: str) -> str:
    """Draws what is missing of a row of the table, and has it judged.

    Args:
      options: the command's.
      source, preset: what draws.
    """
    seeds = 3 if options.all else options.seeds
    parts = [draw(options, source, preset, seed) for seed in range(seeds)]
    images = np.concatenate([part.images for part in parts])
    classes = np.concatenate([part.classes for part in parts])
    _write_sheet(options, source, preset, parts[0])
    cells = [
        format_shares(rank_classes(options.load(judge), images, classes), classes)
        for judge in options.judges.split(",")
    ]
    pace = 1e3 * sum(part.seconds for part in parts) / len(images) / parts[0].steps
    row = [source, f"`{preset}`", str(len(images)), *cells, f"{pace:.0f}"]
    return f"| {' | '.join(row)} |"


def _write_sheet(options: Options, source: str, preset: str, drawn: Drawn) -> None:
    labels = options.load(source).labels
    notes = [f"{n} {labels[n].partition(',')[0]}" if labels else str(n) for n in drawn.classes]
    images = [image.astype(np.float32) / 255 for image in drawn.images]
    page = contact_sheet(images, captions=notes, columns=5, cell=160)
    write_image(options.store / f"{source}_{preset}.png", page)


def main(options: Options) -> int:
    """Runs the command.

    Args:
      options: what the command line says.
    """
    try:
        wanted = list(options.list_wanted())
    except ValueError as error:
        print(f"class_pictures: error: {error}", file=sys.stderr)
        return 2
    judges = options.judges.split(",")
    heads = ["source", "preset", "n", *judges, "ms a picture and step"]
    table = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for source, preset in wanted:
        table.append(judge_row(options, source, preset))
        print(table[-1], flush=True)
    print("", *table, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
