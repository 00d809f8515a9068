"""jaxvis style: a photograph in the style of pictures, from the statistics of layers."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import Colour, PixelOptimizer, StylePreset
from jaxvis.cli.flags import (
    NETWORK,
    SEEDS,
    WATCHED,
    Count,
    NetworkFlags,
    SeedFlags,
    Text,
    WatchFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.ledger import Ledger, open_ledger
from jaxvis.cli.opening import describe_network, open_pooled
from jaxvis.cli.parsing import parse_numbers, parse_words
from jaxvis.cli.parts import Saving, cut_seeds, make_parts
from jaxvis.cli.photographs import read_for, read_photograph
from jaxvis.cli.saving import save_run
from jaxvis.cli.style_flags import BALANCE, POOL, BalanceFlags, PoolFlags
from jaxvis.escape import slug
from jaxvis.images import sides_of_area
from jaxvis.loss.matching.transfer import StyleRecipe
from jaxvis.methods.style.scales import list_sizes
from jaxvis.methods.style.style import style as paint
from jaxvis.network import Network
from jaxvis.optimize.runs import split_axis
from jaxvis.output.resample import resample
from jaxvis.recipes.styles import choose_style
from jaxvis.types import Run

PRESET = default_of(paint, "recipe")
COLOUR = default_of(StyleRecipe, "colour")


def style(
    net: str,
    content: str,
    styles: tuple[str, ...],
    /,
    *,
    preset: StylePreset = PRESET,
    balance: BalanceFlags = BALANCE,
    mix: str | None = None,
    masks: str | None = None,
    style_scale: float = default_of(StyleRecipe, "style_scale"),
    colour: Colour = COLOUR,
    noise: float | None = None,
    denoise: float | None = None,
    scales: Count = None,
    init: Text = None,
    tile: int | None = None,
    steps: int | None = None,
    optimizer: PixelOptimizer | None = None,
    size: str = "own",
    pool: PoolFlags = POOL,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: WatchFlags = WATCHED,
) -> int:
    """Paints a photograph in the style of one picture, or of several mixed.

    For example: jaxvis style vgg19 photo.jpg painting.jpg --size 256 --out art.png

    Args:
      net: the network's name, such as vgg19, or a file that describes one (.toml, .py).
      content: a file, or astronaut, chelsea, coffee or rocket.
      styles: one file or several.
      preset: relative, which keeps the content at any size; gatys or pmci as published;
        or ranvgg (the paper's ratio) or ranvgg_strong (more style), with --weights random:0
        or a file of jaxvis ranvgg stack, such as networks/network_0.safetensors.
      mix: a weight for each style, such as 1,0.5; equal parts if left out.
      masks: a picture for each style, A.png,B.png, white where on the content it
        applies.
      style_scale: side of the styles, as a factor of the picture's.
      colour: style; histogram or luminance keep the content's colours.
      noise: part of the start that is noise, 0 (the content) to 1; the preset's if left
        out.
      denoise: weight of the total variation filter on the last picture, which is scaled
        with its side; 0 for none; the preset's if left out.
      scales: sizes, coarse to fine, each sqrt 2 times the one before; the preset's if left
        out: of relative and ranvgg_strong as many as have a shorter side of 90 pixels, else 1.
      init: a picture that the coarsest size begins from, in place of the content; --scales 1
        keeps its details.
      tile: side in pixels of the tiles that the network sees one by one, to save memory.
      steps: updates of every scale, of lbfgs evaluations; the preset's, 100 of relative and
        ranvgg_strong and 300 of the others, if left out.
      optimizer: the preset's if left out.
      size: the content is cropped to it, 256 or 256x384 (H x W), or own.

    Raises:
      OSError: if an image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    if not styles:
        raise ValueError("name at least one style: a file")
    shares = parse_numbers(mix, "weights")
    opened = open_pooled(net, network, pool)
    given = _read_pictures(content, styles, masks, init, opened.net, size)
    inputs = hash_inputs(content, *styles, *(parse_words(masks) or ()), init)
    changes: dict[str, Any] = {"noise": noise, "denoise": denoise, "optimizer": optimizer}
    changes |= {"steps": steps, "style_scale": style_scale, "colour": colour, "scales": scales}
    recipe = choose_style(opened.net, preset, **balance.changes(), **changes)
    key, name = jax.random.key(run.seed), "_".join(slug(stem) for stem in given.stems[:2])
    method = partial(
        paint,
        opened.net,
        opened.params,
        given.photo,
        given.paintings,
        recipe=recipe,
        mix=shares,
        masks=given.masks or None,
        tile=tile,
        init=given.start,
        seeds=run.seeds,
        key=key,
        chunk=run.chunk,
    )
    same = {"weights": opened.sha256, "inputs": inputs}
    ledger = open_ledger(output, "style", arguments, count=run.seeds, **same)
    parts = cut_seeds(method, name, run.seeds, chunk=run.chunk)
    facts: dict[str, Any] = {"arguments": arguments, "key": key, "inputs": inputs}
    facts |= {**_describe_scales(recipe, given.photo), **describe_network(opened)}
    save = partial(_save, ledger, name, run.seeds, given, **facts)
    return make_parts(ledger, parts, Saving(save, output.save_every))


class _Given(NamedTuple):
    """The pictures that a command was given.

    Attributes:
      files: of the content and of every style.
      photo: the content, `[H, W, C]`.
      paintings: the styles, `[H, W, C]` each.
      masks: where on the content each style applies, `[H, W]`; empty where there are none.
      start: what is painted over, `[H, W, C]`; None is the content.
    """

    files: tuple[str, ...]
    photo: np.ndarray
    paintings: list[np.ndarray]
    masks: list[np.ndarray]
    start: np.ndarray | None

    @property
    def stems(self) -> list[str]:
        """The names of the files, without ending."""
        return [Path(file).stem for file in self.files]


def _read_pictures(
    content: str,
    styles: tuple[str, ...],
    masks: str | None,
    init: str | None,
    net: Network,
    size: str,
) -> _Given:
    photo = read_for(net, content, size)
    paintings = [read_for(net, one, "own") for one in styles]
    whole = photo.shape[0], photo.shape[1]
    where = [read_photograph(one, size=whole).mean(-1) for one in parse_words(masks) or ()]
    start = None
    if init is not None:
        start = read_photograph(init, size=whole, channels=net.channels)
    return _Given((content, *styles), photo, paintings, where, start)


def _describe_scales(recipe: StyleRecipe, photo: np.ndarray) -> dict[str, Any]:
    """Gives what a record says of the recipe and its scales."""
    sizes = list_sizes((photo.shape[0], photo.shape[1]), recipe.scales)
    return {"recipe": recipe, "steps": recipe.steps * len(sizes), "scales": sizes}


def _save(
    ledger: Ledger, name: str, seeds: int, given: _Given, found: Run, **facts: Any
) -> list[dict[str, Any]]:
    """Writes sheet and record; the content and the styles stand first in the sheet."""
    shown = [given.photo, *(_fit(one, given.photo) for one in given.paintings)]
    return save_run(
        ledger.output,
        split_axis(found, 1, seeds),
        [name],
        items=[{"styles": given.files[1:]}],
        first=list(zip(given.stems, shown)),
        command="style",
        seconds=ledger.seconds,
        **facts,
    )


def _fit(picture: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Resizes a style to the photograph's area: the cells of a sheet fit the largest."""
    area = photo.shape[0] * photo.shape[1]
    return resample(picture, sides_of_area(picture.shape, area))
