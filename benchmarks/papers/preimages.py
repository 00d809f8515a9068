"""What the tables and figures of natural pre-images share: photographs, errors, rows.

The paper is Mahendran & Vedaldi, Visualizing deep convolutional neural networks using
natural pre-images (IJCV 2016). Its tables are means over 100 photographs of ImageNet's
validation set, with AlexNet's weights for Table 5; here the photographs are up to 60
of ImageNet-A and the networks those whose weights can be had.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import jaxvis
from benchmarks.harness.paths import DATA
from benchmarks.harness.rows import Case, Row, make_row
from jaxvis.compiler import jit
from jaxvis.network import Network
from jaxvis.output.io import SAMPLES, read_image, read_sample_photo
from jaxvis.types import Params

FOLDER = Path("build/natural_preimages")
"""Where tables and mosaics are written, below the current folder."""
PHOTOGRAPHS = {
    "fox": "images/imagenet_a/277_n02119022_red_fox.jpg",
    "flamingo": "images/imagenet_a/130_n02007558_flamingo.jpg",
    "monkey": "images/imagenet_a/373_n02487347_macaque.jpg",
}
RATE = 6.0
"""Adam's first step in grey levels, in the rows that try other optimizers."""


def read_photographs(count: int, side: int) -> tuple[np.ndarray, str]:
    """Reads images `[N, side, side, 3]` in [0, 1], and tells whose they are in words.

    Args:
      count: at most this many, spread evenly over the folder.
      side: pixels; the images are scaled to cover the square and cut in the middle.
    """
    files = sorted((DATA / "images" / "imagenet_a").glob("*.jpg"))
    if files:
        picked = np.unique(np.linspace(0, len(files) - 1, count).round().astype(int))
        images = [read_image(files[i], size=side) for i in picked]
        return np.stack(images), f"{len(images)} photographs of ImageNet-A"
    images = [read_sample_photo(name, size=side) for name in list(SAMPLES)[:count]]
    where = f"images/imagenet_a under {DATA} (JAXVIS_TEST_DATA)"
    return np.stack(images), f"{len(images)} photographs of jaxvis: no {where}"


def read_photograph(name: str, side: int) -> np.ndarray:
    """Reads a photograph `[side, side, 3]`, or another one where it is missing.

    Args:
      name: of `PHOTOGRAPHS`, or "pattern" for the abstract one.
      side: pixels.
    """
    if name == "pattern":
        return draw_pattern(side)
    path = DATA / PHOTOGRAPHS[name]
    if path.exists():
        return read_image(path, size=side)
    return read_sample_photo("chelsea", size=side)


def describe_photographs() -> str:
    """Tells whose photographs `read_photograph` reads, in words."""
    missing = [name for name, path in PHOTOGRAPHS.items() if not (DATA / path).exists()]
    if not missing:
        return "photographs of ImageNet-A"
    return (
        f"a cat of jaxvis stands for {', '.join(missing)}: no images/imagenet_a "
        f"under {DATA} (JAXVIS_TEST_DATA)"
    )


def draw_pattern(side: int) -> np.ndarray:
    """Draws an abstract pattern `[side, side, 3]`: coloured discs and stripes.

    Args:
      side: pixels.
    """
    draw = np.random.default_rng(5)
    y, x = np.mgrid[:side, :side] / side
    image = np.full((side, side, 3), 0.9, np.float32)
    for _ in range(40):
        colour, (cy, cx), size = draw.random(3), draw.random(2), draw.uniform(0.03, 0.2)
        turn = draw.uniform(0, np.pi)
        across = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        disc = np.hypot(y - cy, x - cx) < size
        image[disc & (np.sin(across / size * 12) > 0)] = colour
    return image


def load_network(name: str, side: int, *, drawn: bool = False) -> tuple[Network, Params, str]:
    """Loads a network with its real weights, and tells which these are in words.

    Args:
      name: of the network.
      side: pixels of a side.
      drawn: whether the weights are drawn at random instead, as in smoke runs. They
        never replace weights that are missing, because the errors would look real.

    Raises:
      FileNotFoundError: if the weights are not in the cache.
    """
    wanted = {} if name == "vgg19" and side == 224 else {"input_size": (side, side)}
    if name == "vgg19" and side != 224:
        # The fully connected layers in the file fit 224 pixels alone.
        wanted["stop"] = "pool5"
    if drawn:
        wanted["weights"] = jax.random.key(0)
    whose = "random weights" if drawn else "trained weights"
    return *jaxvis.load(name, **wanted), whose


@lru_cache(maxsize=8)
def make_adam(steps: int) -> optax.GradientTransformation:
    """Makes an Adam in grey levels whose rate falls to 0 along a cosine.

    Args:
      steps: updates.
    """
    return optax.adam(optax.cosine_decay_schedule(RATE, steps))


@jit(static_argnums=0)
def _direction_histogram(net: Network, image: jax.Array) -> jax.Array:
    bins = net.apply({}, image, stop="bins")["bins"].sum((0, 1))
    return bins / bins.sum()


def direction_overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Computes how alike two images' gradient directions are, 1 for the same.

    It is the intersection of two histograms of 18 directions, weighted by magnitude.

    Args:
      first, second: `[H, W, 3]` in [0, 1].

    Source: the authors' code, an extra measure of the published version.
    """
    net = jaxvis.load("hogb", input_size=first.shape[:2])[0]
    return float(
        np.minimum(_direction_histogram(net, first), _direction_histogram(net, second)).sum()
    )


def make_errors_row(
    case: Case,
    errors: np.ndarray,
    *,
    paper: tuple[float, float] | None,
    source: str,
    **facts: Any,
) -> Row:
    """Makes a row of errors in percent beside the paper's, which is quoted.

    Args:
      case: what was inverted.
      errors: |Phi - Phi0| / |Phi0| of every photograph, `[N]`, of 1.
      paper: mean and standard deviation in the paper, in percent.
      source: where the paper has it.
      **facts: whatever else the row should say.
    """
    percent = 100 * np.asarray(errors, np.float64).ravel()
    mean, spread = float(percent.mean()), float(percent.std())
    quoted = "no figure of the paper" if paper is None else f"{paper[0]} +- {paper[1]} %"
    return make_row(
        case._replace(unit="%"),
        ours=percent,
        peer_name=f"{source}: {quoted}",
        mean=round(mean, 2),
        std=round(spread, 2),
        paper=None if paper is None else list(paper),
        reached=None if paper is None else bool(mean <= paper[0]),
        **facts,
    )


def format_errors(row: Row) -> tuple[str, str, str, str]:
    """Formats a row of errors as cells: case, photographs, error and the paper's in %.

    Args:
      row: as `make_errors_row` makes it.
    """
    paper = "-" if row["paper"] is None else "{} +- {}".format(*row["paper"])
    error = f"{row['mean']:.1f} +- {row['std']:.1f}"
    return row["case"], str(row["sizes"]["photographs"]), error, paper


def format_table(title: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Formats a table in Markdown under a title.

    Args:
      title: its first line.
      head: names of the columns.
      lines: cells, row by row.
    """
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join([title, "", *(f"| {' | '.join(cells)} |" for cells in rows), ""])


def write_text(name: str, text: str) -> Path:
    """Writes a text into `FOLDER`; returns the file.

    Args:
      name: of the file.
      text: its content.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(text, encoding="utf-8")
    return FOLDER / name
