"""jaxvis texture and style: pictures made from the statistics of layers."""

import time
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.common import (
    Opened,
    new_folder,
    open_net,
    parse_indices,
    parse_size,
    save_run,
    slug,
    summary,
)
from jaxvis.cli.image import photograph
from jaxvis.images import sides_of_area
from jaxvis.loss.matching.transfer import chosen
from jaxvis.methods.style.style import style as painted
from jaxvis.methods.style.texture import PRESETS, rows
from jaxvis.methods.style.texture import texture as synthesised
from jaxvis.nets.wrappers.rescaled import rescaled
from jaxvis.output.io import resize
from jaxvis.types import Params, Run


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(","))


def _numbers(text: str | None, what: str) -> list[float] | None:
    try:
        return None if text is None else [float(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"{text!r} is no list of {what}: write numbers such as 1,0.5") from None


def _size(text: str | None) -> tuple[int, int] | None:
    return None if text is None or text == "own" else parse_size(text)


def _normalised(opened: Opened, means: Path | None) -> Params:
    """Returns parameters whose filters have mean activation 1, by a file of means."""
    if means is None:
        return opened.params
    with open(means, "rb") as file:
        try:
            found = dict(np.load(file, allow_pickle=False))
        except (ValueError, TypeError, EOFError):
            raise ValueError(f"{means} is no .npz file of arrays, relu tap -> [channels]") from None
    return rescaled(opened.net, opened.params, found)


def texture(
    net: str,
    image: str,
    /,
    *,
    preset: str = "gatys",
    tap: str | None = None,
    blocks: str | None = None,
    layer_weights: str | None = None,
    seeds: int = 1,
    seed: int = 0,
    steps: int = 500,
    optimizer: str = "lbfgs",
    bounds: str = "source",
    histogram: bool = False,
    tileable: bool = False,
    source_size: str = "own",
    size: str | None = None,
    means: Path | None = None,
    pool: str | None = "avg",
    weights: str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Makes new pictures of a texture, by the Gram matrices of a network's layers.

    Args:
      net: the network's name, such as vgg19.
      image: a file, or astronaut, chelsea, coffee or rocket.
      preset: gatys (trained VGG-19) or ranvgg (with --weights random:0).
      tap: the layers instead of the preset's, such as relu1_1,relu2_1.
      blocks: instead, layers relu1_1 to reluk_1 for every k named, a picture each,
        such as 1:6.
      layer_weights: normalised, equal, relative, balanced or channels, instead of the
        preset's.
      seeds: textures, from different noise.
      seed: of all randomness.
      steps: updates, of lbfgs evaluations.
      optimizer: lbfgs or adam.
      bounds: source, unit or none: what range the colours keep to.
      histogram: give the texture the source's histograms in the end.
      tileable: make opposite edges fit.
      source_size: the source is cropped to it, 128 or 128x192 (H x W), or own.
      size: of the texture; the source's if left out.
      means: an .npz file of mean activations, relu tap -> [channels], with which the
        network is normalised first.
      pool: max or avg, for the VGG networks; avg as in the papers.
      weights: a converted file, or random:SEED; the cached file if left out.
      out: a new or empty folder; jaxvis-texture if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    opened = open_net(net, weights=weights, pool=_pool(net, pool))
    photo = photograph(image, size=_size(source_size))
    params, key = _normalised(opened, means), jax.random.key(seed)
    if tap is not None and blocks is not None:
        raise ValueError("pass either --tap or --blocks")
    if blocks is not None:
        wanted = [rows(k) for k in parse_indices(blocks, count=6, what="block")]
    else:
        wanted = [_words(tap) or (PRESETS[preset].taps if preset in PRESETS else None)]
    folder = new_folder(out, "texture", overwrite=overwrite)
    runs = [
        synthesised(
            opened.net,
            params,
            photo,
            preset=preset,
            taps=taps,
            weights=layer_weights,
            size=_size(size),
            seeds=seeds,
            key=key,
            steps=steps,
            optimizer=optimizer,
            bounds=bounds,
            histogram=histogram,
            tileable=tileable,
            progress=True,
        )
        for taps in wanted
    ]
    together = jax.tree.map(lambda *leaves: np.stack(leaves), *_light(runs))
    names = [f"to_{slug(taps[-1])}" if taps else preset for taps in wanted]
    pictures = save_run(
        folder,
        together,
        names,
        items=[{"taps": taps} for taps in wanted],
        first=[(Path(image).stem, photo)],
        bits=bits,
        command="texture",
        arguments=arguments,
        net=net,
        weights=opened.weights,
        sha256=opened.sha256,
        key=key,
        steps=steps,
        seconds=time.perf_counter() - begin,
    )
    print(summary(folder, pictures))


def _pool(net: str, pool: str | None) -> str | None:
    """Returns the pooling asked for, if the network has a choice."""
    return pool if net.startswith("vgg") else None


def _fitted(picture: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Returns a style as large as the photograph: the sheet's cells fit the largest."""
    area = photo.shape[0] * photo.shape[1]
    return resize(picture, sides_of_area(picture.shape, area))


def _light(runs: Sequence[Run]) -> list[Run]:
    """Returns the runs without z and what only some optimizers say."""
    kept = set.intersection(*(set(run.trace) for run in runs))
    return [Run(None, run.image, {name: run.trace[name] for name in sorted(kept)}) for run in runs]


def style(
    net: str,
    content: str,
    styles: tuple[str, ...],
    /,
    *,
    preset: str = "gatys",
    content_tap: str | None = None,
    style_tap: str | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    gamma: float | None = None,
    mix: str | None = None,
    masks: str | None = None,
    style_scale: float = 1.0,
    colour: str = "style",
    noise: float | None = None,
    denoise: float | None = None,
    scales: int = 1,
    tile: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    steps: int | None = None,
    optimizer: str | None = None,
    size: str = "own",
    pool: str | None = "avg",
    weights: str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Paints a photograph in the style of one picture, or of several mixed.

    Args:
      net: the network's name, such as vgg19.
      content: a file, or astronaut, chelsea, coffee or rocket.
      styles: one file or several.
      preset: gatys, pmci, or with --weights random:0 ranvgg (the paper's ratio) or
        ranvgg_strong (more style).
      content_tap: the content's layers, such as relu4_2; the preset's if left out.
      style_tap: the styles' layers, such as relu1_1,relu2_1; the preset's if left out.
      alpha: factor of the content.
      beta: factor of the style.
      gamma: factor of total variation.
      mix: a weight for each style, such as 1,0.5; equal parts if left out.
      masks: a picture for each style, A.png,B.png, white where on the content it
        applies.
      style_scale: side of the styles, as a factor of the picture's.
      colour: style; histogram or luminance keep the content's colours.
      noise: part of the start that is noise, 0 (the content) to 1.
      denoise: weight of the total variation filter on the last picture; 0 has none.
      scales: sizes, coarse to fine, each sqrt 2 times the one before.
      tile: side in pixels of the tiles that the network sees one by one, to spare
        memory.
      seeds: pictures, from different noise.
      seed: of all randomness.
      steps: updates of every scale, of lbfgs evaluations.
      optimizer: lbfgs, adam or clipped.
      size: the content is cropped to it, 256 or 256x384 (H x W), or own.
      pool: max or avg, for the VGG networks; avg as in the papers.
      weights: a converted file, or random:SEED; the cached file if left out.
      out: a new or empty folder; jaxvis-style if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if an image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    shares = _numbers(mix, "weights")
    opened = open_net(net, weights=weights, pool=_pool(net, pool))
    photo = photograph(content, size=_size(size))
    paintings = [photograph(one, size=None) for one in styles]
    where = [photograph(one, size=photo.shape[:2]).mean(-1) for one in _words(masks) or ()]
    recipe = chosen(
        opened.net,
        preset,
        content_taps=_words(content_tap),
        alpha=alpha,
        beta=beta,
        style_taps=_words(style_tap),
        gamma=gamma,
        noise=noise,
        denoise=denoise,
        optimizer=optimizer,
        steps=steps,
    )
    folder, key = new_folder(out, "style", overwrite=overwrite), jax.random.key(seed)
    run = painted(
        opened.net,
        opened.params,
        photo,
        paintings,
        preset=recipe,
        mix=shares,
        masks=where or None,
        style_scale=style_scale,
        colour=colour,
        scales=scales,
        tile=tile,
        seeds=seeds,
        key=key,
        progress=True,
    )
    together = _light([run])[0]
    together = jax.tree.map(lambda leaf: leaf[None], together)
    names = [f"{slug(Path(content).stem)}_{slug(Path(styles[0]).stem)}"]
    pictures = save_run(
        folder,
        together,
        names,
        recipe=recipe,
        items=[{"styles": styles}],
        first=[(Path(content).stem, photo)]
        + [(Path(one).stem, _fitted(x, photo)) for one, x in zip(styles, paintings)],
        bits=bits,
        command="style",
        arguments=arguments,
        net=net,
        weights=opened.weights,
        sha256=opened.sha256,
        key=key,
        steps=recipe.steps * scales,
        seconds=time.perf_counter() - begin,
    )
    print(summary(folder, pictures))
