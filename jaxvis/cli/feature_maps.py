"""jaxvis feature-maps: what filters, and other balances of them, make of a picture."""

import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvis.cli.common import (
    new_folder,
    open_net,
    parse_indices,
    parse_size,
    save_run,
    slug,
    summary,
)
from jaxvis.cli.image import photograph
from jaxvis.methods.style.feature_maps import DENOISE, STEPS, random_codes, ranked_codes
from jaxvis.methods.style.feature_maps import feature_maps as filters_of
from jaxvis.network import Network
from jaxvis.types import Params, Run

CODES = ("single", "random", "ranked")


def feature_maps(
    net: str,
    image: str,
    /,
    *,
    tap: str,
    codes: str = "single",
    index: str = "0:5",
    rates: str = "dirichlet",
    concentration: float = 1.0,
    styles: tuple[str, ...] = (),
    seeds: int = 2,
    seed: int = 0,
    steps: int = STEPS,
    optimizer: str = "clipped",
    denoise: float = DENOISE,
    size: str = "224",
    pool: str | None = "avg",
    weights: str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Inverts feature maps: the texture that each filter extracts from a picture.

    Args:
      net: the network's name, such as vgg19.
      image: a file, or astronaut, chelsea, coffee or rocket.
      tap: the layers, such as relu1_2,relu2_2,relu3_2.
      codes: single, one filter's map is left; random, the filters' energy is dealt out
        anew; ranked, it gets the order that it has in each of --styles.
      index: the filters of single, such as 0:5, or : for the whole layer.
      rates: dirichlet or normal, how the energy of random is dealt out.
      concentration: of dirichlet; large is even, small is spiky.
      styles: the pictures of ranked.
      seeds: how many of random.
      seed: of all randomness.
      steps: updates.
      optimizer: clipped as in the paper, lbfgs or adam.
      denoise: weight of the total variation filter that the paper's pictures went
        through; 0 leaves it out.
      size: the picture is cropped to it, 224 or 224x320 (H x W), or own.
      pool: max or avg, for the VGG networks; avg as in the paper.
      weights: a converted file, or random:SEED; the cached file if left out.
      out: a new or empty folder; jaxvis-feature-maps if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if an image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    if codes not in CODES:
        raise ValueError(f"codes is one of {', '.join(CODES)}, not {codes!r}")
    pooled = pool if net.startswith("vgg") else None
    opened = open_net(net, weights=weights, pool=pooled)
    photo = photograph(image, size=None if size == "own" else parse_size(size))
    shown = [photograph(one, size=None) for one in styles]
    taps = opened.net.named(tuple(word.strip() for word in tap.split(",")))
    folder = new_folder(out, "feature-maps", overwrite=overwrite)
    key, runs, names, captions = jax.random.key(seed), [], [], []
    for name in taps:
        options = {
            "tap": name,
            "key": key,
            "steps": steps,
            "optimizer": optimizer,
            "denoise": denoise,
            "progress": True,
        }
        given = (opened.net, opened.params, photo)
        if codes == "single":
            run, ends = _single(given, index, options)
        elif codes == "random":
            run = random_codes(
                *given, seeds=seeds, rates=rates, concentration=concentration, **options
            )
            ends = [str(number) for number in range(seeds)]
        else:
            run = ranked_codes(*given, shown, **options)
            ends = [slug(Path(one).stem) for one in styles]
        names += [f"{slug(name)}_{end}" for end in ends]
        captions += [f"{name} {end}" for end in ends]  # small cells break at the space
        runs.append(run._replace(z=None))
    together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *runs)
    pictures = save_run(
        folder,
        Run(*together),
        names,
        captions=captions,
        first=[(Path(image).stem, photo)],
        post_filter={"name": "Chambolle total variation", "weight": denoise},
        bits=bits,
        command="feature-maps",
        arguments=arguments,
        net=net,
        weights=opened.weights,
        sha256=opened.sha256,
        key=key,
        steps=steps,
        seconds=time.perf_counter() - begin,
    )
    print(summary(folder, pictures))


def _single(
    given: tuple[Network, Params, np.ndarray], index: str, options: dict[str, Any]
) -> tuple[Run, list[str]]:
    """Returns the run of single maps, and the ends of their files' names."""
    net, params, photo = given
    width = net.shape(params, options["tap"], size=photo.shape[:2])[-1]
    chosen = parse_indices(index, count=width, what="filter")
    return filters_of(*given, index=chosen, **options), [f"{n:03d}" for n in chosen]
