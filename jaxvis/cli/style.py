"""jaxvis style: a photograph in the style of pictures, from the statistics of layers."""

import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvis.cli.choices import Colour, PixelOptimizer, StylePreset
from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    SEEDS,
    NetworkFlags,
    OutputFlags,
    SeedFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.opening import describe_network
from jaxvis.cli.parsing import parse_numbers, parse_words, slug
from jaxvis.cli.photographs import choose_size, read_photograph
from jaxvis.cli.saving import Output, end_command, open_output, run_or_interrupt, save_run
from jaxvis.cli.style_flags import BALANCE, POOL, BalanceFlags, PoolFlags, open_pooled
from jaxvis.images import sides_of_area
from jaxvis.methods.style.presets import choose_preset
from jaxvis.methods.style.style import style as paint
from jaxvis.output.resample import resample
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork

PRESET = default_of(paint, "preset")
COLOUR = default_of(paint, "colour")


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
    style_scale: float = default_of(paint, "style_scale"),
    colour: Colour = COLOUR,
    noise: float | None = None,
    denoise: float | None = None,
    scales: int = default_of(paint, "scales"),
    tile: int | None = None,
    steps: int | None = None,
    optimizer: PixelOptimizer | None = None,
    size: str = "own",
    pool: PoolFlags = POOL,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Paints a photograph in the style of one picture, or of several mixed.

    For example: jaxvis style vgg19 photo.jpg painting.jpg --size 256 --out art.png

    Args:
      net: the network's name, such as vgg19.
      content: a file, or astronaut, chelsea, coffee or rocket.
      styles: one file or several.
      preset: gatys, pmci, or with --weights random:0 ranvgg (the paper's ratio) or
        ranvgg_strong (more style).
      mix: a weight for each style, such as 1,0.5; equal parts if left out.
      masks: a picture for each style, A.png,B.png, white where on the content it
        applies.
      style_scale: side of the styles, as a factor of the picture's.
      colour: style; histogram or luminance keep the content's colours.
      noise: part of the start that is noise, 0 (the content) to 1; the preset's if left
        out.
      denoise: weight of the total variation filter on the last picture, 0 for none; the
        preset's if left out.
      scales: sizes, coarse to fine, each sqrt 2 times the one before.
      tile: side in pixels of the tiles that the network sees one by one, to save memory.
      steps: updates of every scale, of lbfgs evaluations; the preset's, 300, if left out.
      optimizer: the preset's if left out.
      size: the content is cropped to it, 256 or 256x384 (H x W), or own.

    Raises:
      OSError: if an image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = flatten_flags(locals()), time.perf_counter()
    if not styles:
        raise ValueError("name at least one style: a file")
    shares = parse_numbers(mix, "weights")
    opened = open_pooled(net, network, pool)
    given = _read_pictures(content, styles, masks, choose_size(opened.net, size))
    changes = {"noise": noise, "denoise": denoise, "optimizer": optimizer, "steps": steps}
    recipe = choose_preset(opened.net, preset, **balance.changes(), **changes)
    to, key = open_output(output, "style", count=run.seeds), jax.random.key(run.seed)
    found, interrupted = run_or_interrupt(
        partial(
            paint,
            opened.net,
            opened.params,
            given.photo,
            given.paintings,
            preset=recipe,
            mix=shares,
            masks=given.masks or None,
            style_scale=style_scale,
            colour=colour,
            scales=scales,
            tile=tile,
            seeds=run.seeds,
            key=key,
            chunk=run.chunk,
            progress=True,
        )
    )
    facts = {"arguments": arguments, "key": key, "recipe": recipe, "steps": recipe.steps * scales}
    pictures = _save(to, found, given, opened, begin, **facts)
    return end_command(to, pictures, interrupted=interrupted)


class _Given(NamedTuple):
    """The pictures that a command was given.

    Attributes:
      files: of the content and of every style.
      photo: the content, `[H, W, 3]`.
      paintings: the styles, `[H, W, 3]` each.
      masks: where on the content each style applies, `[H, W]`; empty where there are none.
    """

    files: tuple[str, ...]
    photo: np.ndarray
    paintings: list[np.ndarray]
    masks: list[np.ndarray]


def _read_pictures(
    content: str, styles: tuple[str, ...], masks: str | None, size: tuple[int, int] | None
) -> _Given:
    photo = read_photograph(content, size=size)
    paintings = [read_photograph(one, size=None) for one in styles]
    whole = photo.shape[0], photo.shape[1]
    where = [read_photograph(one, size=whole).mean(-1) for one in parse_words(masks) or ()]
    return _Given((content, *styles), photo, paintings, where)


def _save(
    to: Output, found: Run, given: _Given, opened: LoadedNetwork, begin: float, **facts: Any
) -> list[dict[str, Any]]:
    """Writes the pictures; the content and the styles stand first in the sheet."""
    names = [Path(file).stem for file in given.files]
    shown = [given.photo, *(_fit(one, given.photo) for one in given.paintings)]
    return save_run(
        to,
        _add_axis(found),
        [f"{slug(names[0])}_{slug(names[1])}"],
        items=[{"styles": given.files[1:]}],
        first=list(zip(names, shown)),
        command="style",
        **describe_network(opened),
        seconds=time.perf_counter() - begin,
        **facts,
    )


def _fit(picture: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Resizes a style to the photograph's area: the cells of a sheet fit the largest."""
    area = photo.shape[0] * photo.shape[1]
    return resample(picture, sides_of_area(picture.shape, area))


def _add_axis(run: Run) -> Run:
    """Gives the run of some seeds the axis of the one item that they belong to."""
    return jax.tree.map(lambda leaf: leaf[None], run._replace(z=()))
