"""jaxvis feature-maps: what filters, and other balances of them, make of a picture."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from jaxvis.cli.choices import PixelOptimizer, Rates
from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    NetworkFlags,
    OutputFlags,
    SeedFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.opening import describe_network
from jaxvis.cli.parsing import parse_indices, slug, split_words
from jaxvis.cli.photographs import choose_size, read_photograph
from jaxvis.cli.saving import end_command, open_output, save_run
from jaxvis.cli.style_flags import POOL, PoolFlags, open_pooled, run_each
from jaxvis.methods.style.feature_maps import feature_maps as invert_filters
from jaxvis.methods.style.feature_maps import random_codes, rank_codes
from jaxvis.optimize.runs import join_items
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork

RATES = default_of(random_codes, "rates")
OPTIMIZER = default_of(invert_filters, "optimizer")
CODES = SeedFlags(seeds=default_of(random_codes, "seeds"))


def feature_maps(
    net: str,
    image: str,
    /,
    *,
    tap: str,
    codes: Literal["single", "random", "ranked"] = "single",
    index: str = "0:5",
    rates: Rates = RATES,
    concentration: float = default_of(random_codes, "concentration"),
    styles: tuple[str, ...] = (),
    steps: int = default_of(invert_filters, "steps"),
    optimizer: PixelOptimizer = OPTIMIZER,
    denoise: float = default_of(invert_filters, "denoise"),
    size: str = "224",
    pool: PoolFlags = POOL,
    run: SeedFlags = CODES,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Inverts feature maps: the texture that each filter extracts from a picture.

    For example: jaxvis feature-maps vgg19 photo.jpg --tap relu3_2 --index 0:8

    Args:
      net: the network's name, such as vgg19.
      image: a file, or astronaut, chelsea, coffee or rocket.
      tap: the layers, such as relu1_2,relu2_2,relu3_2.
      codes: single, one filter's map is left; random, the filters' energy is
        reallocated at random, --seeds times; ranked, it gets the order that it has in
        each of --styles.
      index: the filters of single, such as 0:5, or : for the whole layer.
      rates: how the energy of random is reallocated.
      concentration: of dirichlet; large is even, small is spiky.
      styles: the pictures of ranked.
      steps: updates.
      optimizer: clipped as in the paper, or another.
      denoise: weight of the total variation filter that the paper's pictures went
        through; 0 leaves it out.
      size: the picture is cropped to it, 224 or 224x320 (H x W), or own.

    Raises:
      OSError: if an image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = flatten_flags(locals()), time.perf_counter()
    opened = open_pooled(net, network, pool)
    photo = read_photograph(image, size=choose_size(opened.net, size))
    taps = opened.net.check_taps(split_words(tap))
    key = jax.random.key(run.seed)
    options: dict[str, Any] = {
        "key": key,
        "steps": steps,
        "optimizer": optimizer,
        "denoise": denoise,
    }
    options |= {"chunk": run.chunk, "progress": True}
    if codes == "single":
        parts = [_plan_single(opened, photo, one, index) for one in taps]
    elif codes == "random":
        options |= {"rates": rates, "concentration": concentration, "seeds": run.seeds}
        ends = [str(number) for number in range(run.seeds)]
        parts = [_Part(random_codes, one, ends, {}) for one in taps]
    else:
        parts = _plan_ranked(taps, styles)
    to = open_output(output, "feature-maps", count=sum(len(part.ends) for part in parts))
    runs, interrupted = run_each([part.bind(opened, photo, options) for part in parts])
    parts = parts[: len(runs)]
    pictures = save_run(
        to,
        join_items([found._replace(z=()) for found in runs]),
        [f"{slug(part.tap)}_{end}" for part in parts for end in part.ends],
        # Captions break at the space where a cell is small.
        captions=[f"{part.tap} {end}" for part in parts for end in part.ends],
        first=[(Path(image).stem, photo)],
        post_filter={"name": "Chambolle total variation", "weight": denoise},
        command="feature-maps",
        arguments=arguments,
        **describe_network(opened),
        key=key,
        steps=steps,
        seconds=time.perf_counter() - begin,
    )
    return end_command(to, pictures, interrupted=interrupted)


class _Part(NamedTuple):
    """The pictures of one layer.

    Attributes:
      method: of `jaxvis.methods.style.feature_maps`.
      tap: the layer.
      ends: how the names of its files end, one for each picture.
      options: of the method, which belong to this layer alone.
    """

    method: Callable[..., Run]
    tap: str
    ends: list[str]
    options: dict[str, Any]

    def bind(
        self, opened: LoadedNetwork, photo: np.ndarray, options: dict[str, Any]
    ) -> Callable[[], Run]:
        """Gives the method with all its arguments."""
        own = {"tap": self.tap, **self.options, **options}
        return partial(self.method, opened.net, opened.params, photo, **own)


def _plan_single(opened: LoadedNetwork, photo: np.ndarray, tap: str, index: str) -> _Part:
    width = opened.net.shape(opened.params, tap, size=photo.shape[:2])[-1]
    numbers = parse_indices(index, count=width, what="filter")
    return _Part(invert_filters, tap, [f"{n:03d}" for n in numbers], {"index": numbers})


def _plan_ranked(taps: tuple[str, ...], styles: tuple[str, ...]) -> list[_Part]:
    if not styles:
        raise ValueError("--codes ranked takes the order of pictures: name them with --styles")
    ends = [slug(Path(one).stem) for one in styles]
    if len(set(ends)) < len(ends):
        raise ValueError(f"styles need names of their own, not {', '.join(ends)}")
    shown = [read_photograph(one, size=None) for one in styles]
    return [_Part(rank_codes, tap, ends, {"styles": shown}) for tap in taps]
