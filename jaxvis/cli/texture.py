"""jaxvis texture: new pictures of a texture, from the statistics of layers."""

from functools import partial
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import Bounds, LayerWeights, TexturePreset
from jaxvis.cli.flags import (
    NETWORK,
    SEEDS,
    WATCHED,
    NetworkFlags,
    SeedFlags,
    WatchFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.ledger import open_ledger
from jaxvis.cli.opening import describe_network, open_pooled
from jaxvis.cli.parsing import parse_indices, parse_size, parse_words
from jaxvis.cli.parts import Part, Saving, cut_seeds, make_parts, save_pictures
from jaxvis.cli.photographs import read_for
from jaxvis.cli.style_flags import POOL, PoolFlags
from jaxvis.escape import slug
from jaxvis.methods.style.texture import texture as synthesise
from jaxvis.nets.wrappers.rescaled import rescale
from jaxvis.recipes.styles import choose_texture, list_block_taps
from jaxvis.types import Params
from jaxvis.weights.load import LoadedNetwork

PRESET = default_of(synthesise, "recipe")


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
    output: WatchFlags = WATCHED,
) -> int:
    """Makes new pictures of a texture, by the Gram matrices of a network's layers.

    For example: jaxvis texture vgg19 bricks.png --source-size 128 --out new.png

    Args:
      net: the network's name, such as vgg19, or a file that describes one (.toml, .py).
      image: a file, or astronaut, chelsea, coffee or rocket.
      preset: gatys (trained VGG-19), or ranvgg with --weights random:0 or a file of jaxvis
        ranvgg stack, such as networks/network_0.safetensors.
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
    arguments = flatten_flags(locals())
    wanted = _choose_layers(tap, blocks)
    opened = open_pooled(net, network, pool)
    photo = read_for(opened.net, image, source_size)
    changes = {"weights": layer_weights, "optimizer": optimizer, "bounds": bounds, "steps": steps}
    changes |= {"histogram": histogram, "tileable": tileable}
    recipes = [choose_texture(opened.net, preset, taps=taps, **changes) for taps in wanted]
    params = _normalise(opened, means)
    key, names = jax.random.key(run.seed), [f"to_{slug(one.taps[-1])}" for one in recipes]
    same = {"weights": opened.sha256, "inputs": hash_inputs(image, means)}
    ledger = open_ledger(output, "texture", arguments, count=len(names) * run.seeds, **same)
    method = partial(
        synthesise,
        opened.net,
        params,
        photo,
        size=parse_size(size) if size else None,
        seeds=run.seeds,
        key=key,
        chunk=run.chunk,
    )
    save = partial(
        save_pictures,
        ledger,
        names=names,
        seeds=run.seeds,
        items=[{"taps": one.taps} for one in recipes],
        first=[(Path(image).stem, photo)],
        recipes=recipes,
        inputs=same["inputs"],
        command="texture",
        arguments=arguments,
        **describe_network(opened),
        key=key,
        steps=recipes[0].steps,
    )
    parts: list[Part] = []
    for name, recipe in zip(names, recipes):
        parts += cut_seeds(partial(method, recipe=recipe), name, run.seeds, chunk=run.chunk)
    return make_parts(ledger, parts, Saving(save, output.save_every))


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
