"""Style: the content of one picture in the style of others."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvis.images import checked_image, enlarged, noisy, resized
from jaxvis.loss.chambolle import Chambolle
from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.matching.image_masks import checked_masks
from jaxvis.loss.matching.statistics import GramMatch
from jaxvis.loss.matching.transfer import Preset, chosen, transfer_item
from jaxvis.loss.objectives import Algebra, Sum
from jaxvis.loss.priors import TotalVariation
from jaxvis.methods.style.pixel_optimizers import Painting, painting
from jaxvis.methods.style.recolour import (
    luminance,
    match_colour,
    match_luminance,
    with_colour_of,
)
from jaxvis.nets.wrappers.tiled import tiled
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.runs import joined_trace, repeated
from jaxvis.types import Array, Image, Key, Params, Run, Status, as_key

COLOURS = ("style", "histogram", "luminance")
DECAY = 5e-3  # weight decay of "clipped", as Xia's code has it for styles
RATIO = 2**0.5  # of neighbouring scales


def style(
    net: Network,
    params: Params,
    content: Image,
    styles: Image | Sequence[Image],
    *,
    preset: str | Preset = "gatys",
    mix: Sequence[float] | None = None,
    masks: Sequence[Array] | None = None,
    style_scale: float = 1.0,
    colour: str = "style",
    size: tuple[int, int] | None = None,
    scales: int = 1,
    content_taps: Sequence[str] | None = None,
    style_taps: Sequence[str] | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    gamma: float | None = None,
    noise: float | None = None,
    denoise: float | None = None,
    optimizer: str | optax.GradientTransformation | None = None,
    steps: int | None = None,
    tile: int | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Returns `content` painted in the style of `styles`.

    x* = argmin alpha sum_l w_l |F_l(x) - F_l(c)|^2 + beta sum_s mix_s sum_l v_l
    |G_l(x) - G_l(s)|^2 + gamma sum of squared differences of neighbouring pixels.
    beta = 0 inverts the content's code, alpha = 0 makes a texture of the styles.

    Args:
      net, params: the network.
      content: `[H, W, 3]` in [0, 1].
      styles: one image `[H', W', 3]` in [0, 1], or several, of any sizes.
      preset: a key of `jaxvis.loss.matching.transfer.PRESETS`, or a `Preset` of one's own.
      mix: weight of each style; they are divided by their sum. None is equal parts.
      masks: `[H, W]` in [0, 1] for each style, where on the content it applies.
      style_scale: side of a style, as a factor of the picture's (of equal area); below
        1 its strokes become small, above 1 large.
      colour: "style"; "histogram" gives the styles the content's mean and covariance
        of colours first; "luminance" paints in grey and keeps the content's colours.
      size: (H, W) of the picture in pixels; None takes the content's.
      scales: sizes, each sqrt 2 times the one before; a finer one starts from the
        coarser one's picture.
      content_taps, style_taps, alpha, beta, gamma, noise, denoise, optimizer, steps:
        replace the preset's own (`jaxvis.loss.matching.transfer.Preset`); steps are those of
        every scale.
      tile: side in pixels of the tiles that the network sees one after another, to
        spare memory: the same picture, without seams, in more time.
      seeds: pictures, from different noise.
      key: a typed random key, or an integer seed.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]` in [0, 1], trace["loss"]
      `[seeds, scales * steps]`.

    Raises:
      ValueError: for an unknown preset, tap, optimizer or colour, images that are
        none or too small for the taps, or masks and mix that do not fit the styles.

    Source: Gatys, Ecker & Bethge (2016); He, Wang & Hopcroft (2016), Eq. 9; Xia et al.
      (2017), Eq. 5; Gatys et al. (2017) for masks and scales; Lecture 21, 21.12.1.
    Departures: statistics are means over positions, so styles keep their aspect.
    """
    recipe = chosen(
        net,
        preset,
        content_taps=content_taps,
        style_taps=style_taps,
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        noise=noise,
        denoise=denoise,
        optimizer=optimizer,
        steps=steps,
    )
    job = _job(content, styles, mix, masks, colour)
    runs: list[Run] = []
    for scale, at in enumerate(_sizes(job.content, size, scales)):
        if runs and np.any(runs[-1].trace["status"] == Status.UNFINISHED):
            raise KeyboardInterrupt  # the last scale has not begun: nothing is finished
        paint = painting(recipe.optimizer, at, decay=DECAY)
        item = transfer_item(
            net,
            params,
            recipe,
            job.content,
            job.styles,
            at,
            mix=job.mix,
            masks=job.masks,
            style_scale=style_scale,
        )
        problem = _problem(net, recipe, item, paint, at, tile)
        stage_key = jax.random.fold_in(as_key(key), scale)
        begin = (
            enlarged(runs[-1].image, at)
            if runs
            else noisy(stage_key, resized(job.content, at), part=recipe.noise, seeds=seeds)
        )
        runs.append(
            solve(
                problem,
                params,
                repeated(item, seeds),
                stage_key,
                start=paint.canvas.encode(begin),
                chunk=chunk,
                progress=progress,
            )
        )
    return Run(runs[-1].z, _coloured(runs[-1].image, job), joined_trace(runs))


class _Job(NamedTuple):
    """The checked pictures: what the network is shown, and the colours to keep."""

    content: Array
    styles: list[Array]
    mix: list[float]
    masks: list[Array] | None
    colours: Array | None


def _job(
    content: Image,
    styles: Image | Sequence[Image],
    mix: Sequence[float] | None,
    masks: Sequence[Array] | None,
    colour: str,
) -> _Job:
    if colour not in COLOURS:
        raise ValueError(f"colour is one of {', '.join(COLOURS)}, not {colour!r}")
    if hasattr(styles, "ndim"):
        styles = list(styles) if styles.ndim == 4 else [styles]
    content = checked_image(content, "the content image")
    found = [checked_image(s, f"style image {i}") for i, s in enumerate(styles)]
    parts = list(mix) if mix is not None else [1.0] * len(found)
    if len(parts) != len(found) or not found:
        raise ValueError(f"{len(found)} styles and {len(parts)} parts of the mix came")
    if min(parts) < 0 or not sum(parts) > 0:
        raise ValueError(f"the mix has parts above 0, not {parts}")
    if masks is not None:
        masks = checked_masks(masks, len(found), content.shape[:2])
    colours = content if colour == "luminance" else None
    if colour == "histogram":
        found = [jnp.clip(match_colour(one, content), 0, 1) for one in found]
    if colour == "luminance":
        found = [jnp.clip(match_luminance(one, content), 0, 1) for one in found]
        content = luminance(content)
    return _Job(content, found, [p / sum(parts) for p in parts], masks, colours)


def _sizes(content: Array, size: tuple[int, int] | None, scales: int) -> list[tuple[int, int]]:
    """Returns the sizes (H, W) of the scales, coarse to fine."""
    if scales < 1:
        raise ValueError(f"scales must be at least 1, got {scales}")
    last = tuple(size or content.shape[:2])
    return [tuple(max(round(side / RATIO**k), 1) for side in last) for k in reversed(range(scales))]


def _problem(
    net: Network,
    recipe: Preset,
    item: Sum,
    paint: Painting,
    size: tuple[int, int],
    tile: int | None,
) -> Problem:
    if tile is not None:
        # Masked statistics and contents need the whole map.
        whole = {p.tap for p in item.parts if not _is_gram(p)}
        grams = tuple(tap for tap in item.taps if tap not in whole)
        net = tiled(net, item.taps, tile=tile, grams=grams)
    priors = ()
    if recipe.gamma:
        variation = TotalVariation(beta=2.0, slope=1.0)
        priors = (Weighted("variation", recipe.gamma * size[0] * size[1], variation),)
    return Problem(
        compose(net, paint.canvas, priors=priors),
        paint.canvas,
        paint.optimizer,
        recipe.steps,
        projection=paint.projection,
        finish=Chambolle(recipe.denoise) if recipe.denoise else None,
    )


def _is_gram(part: Algebra) -> bool:
    return isinstance(part, GramMatch) and part.mask is None


def _coloured(images: np.ndarray, job: _Job) -> np.ndarray:
    if job.colours is None:
        return images
    colours = resized(job.colours, images.shape[1:3])
    return np.asarray(jax.vmap(with_colour_of, (0, None))(images, colours))
