"""jaxvis feature-maps: what filters, and other balances of them, make of a picture."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import PixelOptimizer, Rates
from jaxvis.cli.flags import (
    NETWORK,
    WATCHED,
    NetworkFlags,
    SeedFlags,
    WatchFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.ledger import open_ledger
from jaxvis.cli.opening import describe_network, open_pooled
from jaxvis.cli.parsing import parse_indices, split_words
from jaxvis.cli.parts import Part, Saving, make_parts, save_pictures
from jaxvis.cli.photographs import read_for, read_photograph
from jaxvis.cli.style_flags import POOL, PoolFlags
from jaxvis.escape import slug
from jaxvis.methods.style.feature_maps import feature_maps as invert_filters
from jaxvis.methods.style.feature_maps import random_codes, rank_codes
from jaxvis.recipes.styles import MapRecipe
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork

RATES = default_of(random_codes, "rates")
OPTIMIZER = default_of(MapRecipe, "optimizer")
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
    steps: int = default_of(MapRecipe, "steps"),
    optimizer: PixelOptimizer = OPTIMIZER,
    denoise: float = default_of(MapRecipe, "denoise"),
    size: str = "224",
    pool: PoolFlags = POOL,
    run: SeedFlags = CODES,
    network: NetworkFlags = NETWORK,
    output: WatchFlags = WATCHED,
) -> int:
    """Inverts feature maps: the texture that each filter extracts from a picture.

    For example: jaxvis feature-maps vgg19 photo.jpg --tap relu3_2 --index 0:8

    Args:
      net: the network's name, such as vgg19, or a file that describes one (.toml, .py).
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
    arguments = flatten_flags(locals())
    opened = open_pooled(net, network, pool)
    photo = read_for(opened.net, image, size)
    taps = opened.net.check_taps(split_words(tap))
    inputs = hash_inputs(image, *(styles if codes == "ranked" else ()))
    key = jax.random.key(run.seed)
    options: dict[str, Any] = {"key": key, "recipe": MapRecipe(optimizer, steps, denoise)}
    options |= {"chunk": run.chunk}
    if codes == "single":
        plans = [_plan_single(opened, photo, one, index) for one in taps]
    elif codes == "random":
        options |= {"rates": rates, "concentration": concentration, "seeds": run.seeds}
        ends = [str(number) for number in range(run.seeds)]
        plans = [_Plan(random_codes, one, ends, {}) for one in taps]
    else:
        plans = _plan_ranked(taps, styles, opened.net.channels)
    names = [f"{slug(plan.tap)}_{end}" for plan in plans for end in plan.ends]
    same = {"weights": opened.sha256, "inputs": inputs}
    ledger = open_ledger(output, "feature-maps", arguments, count=len(names), **same)

    save = partial(
        save_pictures,
        ledger,
        names=names,
        # Captions break at the space where a cell is small.
        captions=[f"{plan.tap} {end}" for plan in plans for end in plan.ends],
        first=[(Path(image).stem, photo)],
        post_filter={"name": "Chambolle total variation", "weight": denoise},
        inputs=inputs,
        command="feature-maps",
        arguments=arguments,
        **describe_network(opened),
        key=key,
        steps=steps,
    )
    parts = [plan.bind(opened, photo, options) for plan in plans]
    return make_parts(ledger, parts, Saving(save, output.save_every))


class _Plan(NamedTuple):
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

    def bind(self, opened: LoadedNetwork, photo: np.ndarray, options: dict[str, Any]) -> Part:
        """Gives the part of the command's work: the method with all its arguments."""
        own = {"tap": self.tap, **self.options, **options}
        method = partial(self.method, opened.net, opened.params, photo, **own)
        return Part([f"{slug(self.tap)}_{end}" for end in self.ends], method)


def _plan_single(opened: LoadedNetwork, photo: np.ndarray, tap: str, index: str) -> _Plan:
    width = opened.net.shape(opened.params, tap, size=photo.shape[:2])[-1]
    numbers = parse_indices(index, count=width, what="filter")
    return _Plan(invert_filters, tap, [f"{n:03d}" for n in numbers], {"index": numbers})


def _plan_ranked(taps: tuple[str, ...], styles: tuple[str, ...], channels: int) -> list[_Plan]:
    if not styles:
        raise ValueError("--codes ranked takes the order of pictures: name them with --styles")
    ends = [slug(Path(one).stem) for one in styles]
    if len(set(ends)) < len(ends):
        raise ValueError(f"styles need names of their own, not {', '.join(ends)}")
    shown = [read_photograph(one, size=None, channels=channels) for one in styles]
    return [_Plan(rank_codes, tap, ends, {"styles": shown}) for tap in taps]
