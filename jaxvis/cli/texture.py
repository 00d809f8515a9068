"""jaxvis texture: new pictures of a texture, from the statistics of layers."""

import time
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from jaxvis.cli.choices import Bounds, LayerWeights, TexturePreset
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
from jaxvis.cli.parsing import parse_indices, parse_size, parse_words, slug
from jaxvis.cli.photographs import choose_size, read_photograph
from jaxvis.cli.saving import end_command, open_output, save_run
from jaxvis.cli.style_flags import POOL, PoolFlags, open_pooled, run_each
from jaxvis.methods.style.presets import choose_texture_preset, list_block_taps
from jaxvis.methods.style.texture import texture as synthesise
from jaxvis.nets.wrappers.rescaled import rescale
from jaxvis.optimize.runs import join_items, split_axis
from jaxvis.types import Params
from jaxvis.weights.load import LoadedNetwork

PRESET = default_of(synthesise, "preset")


def texture(
    net: str,
    image: str,
    /,
    *,
    preset: TexturePreset = PRESET,
    tap: str | None = None,
    blocks: str | None = None,
    layer_weights: LayerWeights | None = None,
    steps: int | None = None,
    optimizer: Literal["lbfgs", "adam"] | None = None,
    bounds: Bounds | None = None,
    histogram: bool = False,
    tileable: bool = False,
    source_size: str = "own",
    size: str | None = None,
    means: Path | None = None,
    pool: PoolFlags = POOL,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Makes new pictures of a texture, by the Gram matrices of a network's layers.

    For example: jaxvis texture vgg19 bricks.png --source-size 128 --out new.png

    Args:
      net: the network's name, such as vgg19.
      image: a file, or astronaut, chelsea, coffee or rocket.
      preset: gatys (trained VGG-19) or ranvgg (with --weights random:0).
      tap: the layers instead of the preset's, such as relu1_1,relu2_1.
      blocks: instead, layers relu1_1 to reluk_1 for every k named, a picture each,
        such as 1:6.
      layer_weights: how the layers are weighed; the preset's if left out.
      steps: updates, of lbfgs evaluations; the preset's, 500, if left out.
      optimizer: lbfgs of both presets if left out.
      bounds: what range the colours keep to: the source's own (the default), unit
        (0 to 1) or none.
      histogram: give the texture the source's histograms in the end.
      tileable: make opposite edges fit.
      source_size: the source is cropped to it, 128 or 128x192 (H x W), or own.
      size: of the texture; the source's if left out.
      means: an .npz file of mean activations, relu tap -> [channels], with which the
        network is normalised first.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = flatten_flags(locals()), time.perf_counter()
    wanted = _choose_layers(tap, blocks)
    opened = open_pooled(net, network, pool)
    photo = read_photograph(image, size=choose_size(opened.net, source_size))
    changes = {"weights": layer_weights, "optimizer": optimizer, "bounds": bounds, "steps": steps}
    recipes = [choose_texture_preset(opened.net, preset, taps=taps, **changes) for taps in wanted]
    params = _normalise(opened, means)
    to = open_output(output, "texture", count=len(recipes) * run.seeds)
    key = jax.random.key(run.seed)
    method = partial(
        synthesise,
        opened.net,
        params,
        photo,
        size=parse_size(size) if size else None,
        histogram=histogram,
        tileable=tileable,
        seeds=run.seeds,
        key=key,
        chunk=run.chunk,
        progress=True,
    )
    runs, interrupted = run_each([partial(method, preset=recipe) for recipe in recipes])
    recipes = recipes[: len(runs)]
    pictures = save_run(
        to,
        join_items([split_axis(found._replace(z=()), 1, run.seeds) for found in runs]),
        [f"to_{slug(recipe.taps[-1])}" for recipe in recipes],
        items=[{"taps": recipe.taps} for recipe in recipes],
        first=[(Path(image).stem, photo)],
        recipes=recipes,
        command="texture",
        arguments=arguments,
        **describe_network(opened),
        key=key,
        steps=recipes[0].steps,
        seconds=time.perf_counter() - begin,
    )
    return end_command(to, pictures, interrupted=interrupted)


def _choose_layers(tap: str | None, blocks: str | None) -> list[tuple[str, ...] | None]:
    """Gives the layers of every texture; None stands for the preset's."""
    if blocks is None:
        return [parse_words(tap)]
    if tap is not None:
        raise ValueError("pass either --tap or --blocks")
    return [list_block_taps(k) for k in parse_indices(blocks, count=6, what="block")]


def _normalise(opened: LoadedNetwork, means: Path | None) -> Params:
    """Gives parameters whose filters have mean activation 1, by a file of means."""
    if means is None:
        return opened.params
    with open(means, "rb") as file:
        try:
            found = dict(np.load(file, allow_pickle=False))
        except (ValueError, TypeError, EOFError):
            raise ValueError(f"{means} is no .npz file of arrays, relu tap -> [channels]") from None
    return rescale(opened.net, opened.params, found)
