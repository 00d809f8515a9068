"""Style: the content of one picture in the style of others."""

from collections.abc import Collection, Sequence
from functools import partial

import jax

from jaxvis.images import enlarge, resize
from jaxvis.loss.algebra import Algebra, Sum
from jaxvis.loss.chambolle import build_filter
from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.matching.statistics import GramMatch
from jaxvis.loss.matching.transfer import StyleRecipe, build_transfer, check_styles
from jaxvis.loss.priors import TotalVariation
from jaxvis.methods.style.pictures import check_pictures, give_colours
from jaxvis.methods.style.pixel_optimizers import Painting, build_painting
from jaxvis.methods.style.scales import list_sizes
from jaxvis.methods.style.starts import draw_starts
from jaxvis.nets.wrappers.tiled import with_tiles
from jaxvis.network import Network
from jaxvis.optimize import Problem, solve
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.runs import change_when_interrupted, repeat_item, run_stages
from jaxvis.optimize.watch import Progress, change_looks
from jaxvis.recipes.styles import choose_style
from jaxvis.types import ArrayLike, ImageLike, Key, Params, Run, as_key

DECAY = 5e-3
"""Weight decay of "clipped", as Xia's code has it for styles."""


def style(
    net: Network,
    params: Params,
    content: ImageLike,
    styles: ImageLike | Sequence[ImageLike],
    *,
    recipe: str | StyleRecipe = "relative",
    steps: int | None = None,
    mix: Sequence[float] | None = None,
    masks: Sequence[ArrayLike] | None = None,
    size: tuple[int, int] | None = None,
    tile: int | None = None,
    init: ImageLike | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    skip: Collection[int] = (),
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Paints `content` in the style of `styles`.

    x* = argmin alpha sum_l w_l |F_l(x) - F_l(c)|^2 + beta sum_s mix_s sum_l v_l
    |G_l(x) - G_l(s)|^2 + gamma sum of squared differences of neighbouring pixels.
    beta = 0 inverts the content's code, alpha = 0 makes a texture of the styles.

    Args:
      net, params: the network.
      content: `[H, W, 3]` in [0, 1].
      styles: one image `[H', W', 3]` in [0, 1], or several, of any sizes.
      recipe: "relative", "gatys", "pmci", "ranvgg" or "ranvgg_strong"
        (`jaxvis.recipes.STYLES`), or a `jaxvis.recipes.StyleRecipe`: the layers, the
        factors alpha, beta and gamma, the noise of the start, the optimizer, the scales,
        the colours. Change one with `dataclasses.replace`, such as
        `replace(STYLES["relative"], beta=5.0)`.
      steps: how many updates of every scale, instead of the recipe's.
      mix: weight of each style; they are divided by their sum. None is equal parts.
      masks: `[H, W]` in [0, 1] for each style, where on the content it applies.
      size: (H, W) of the picture in pixels; None takes the content's.
      tile: side in pixels of the tiles that the network sees one after another, to
        save memory: the same picture, without seams, in more time.
      init: `[H', W', 3]` in [0, 1], the picture that the coarsest scale begins from, of
        any size; None is the content. One scale (`scales=1` of the recipe) keeps its
        details.
      seeds: pictures, from different noise.
      key: a typed random key, or an integer seed.
      skip: numbers of seeds that are left out: they are NaN and UNFINISHED.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the seeds' axis: image `[seeds, H, W, 3]` in [0, 1], trace["loss"]
      `[seeds, scales * steps]`.

    Raises:
      ValueError: for an unknown recipe, tap, optimizer or colour, images that are
        none or too small for the taps, or masks and mix that do not fit the styles.

    Source: Gatys, Ecker & Bethge (2016); He, Wang & Hopcroft (2016), Eq. 9; Xia et al.
      (2017), Eq. 5; Gatys et al. (2017) for masks and scales; Lecture 21, 21.12.1.
    Departures: statistics are means over positions, so styles keep their aspect.

    >>> from dataclasses import replace
    >>> import jaxvis
    >>> from jaxvis.output.io import read_sample_photo
    >>> net, params = jaxvis.load("demo")
    >>> photo, painting = (
    ...     read_sample_photo(name, size=32) for name in ("chelsea", "rocket")
    ... )
    >>> own = replace(
    ...     jaxvis.recipes.STYLES["relative"],
    ...     content_taps=("relu2_1",),
    ...     style_taps=("relu1_1", "relu2_1"),
    ... )
    >>> jaxvis.style(net, params, photo, painting, recipe=own, steps=3).image.shape
    (1, 32, 32, 3)
    """
    how = choose_style(net, recipe, steps=steps)
    pictures = check_pictures(content, styles, mix, masks, how.colour, channels=net.channels)
    first = pictures.choose_start(init, channels=net.channels)
    height, width, _ = pictures.content.shape
    sizes = list_sizes(size or (height, width), how.scales)
    check_styles(net, how, pictures.styles, sizes[-1])

    def paint_scale(scale: int, before: Run | None, progress: Progress) -> Run:
        size = sizes[scale]
        item = build_transfer(
            *(net, params, how, pictures.content, pictures.styles, size),
            mix=pictures.mix,
            masks=pictures.masks,
            coarse=scale < len(sizes) - 1,
        )
        keys = item_keys(jax.random.fold_in(as_key(key), scale), seeds=seeds)
        if before is None:
            begin = draw_starts(keys, resize(first, size), part=how.noise)
        else:
            begin = enlarge(before.image, size)
        painting = build_painting(how.optimizer, size, decay=DECAY, channels=net.channels)
        return solve(
            _build_problem(_cut_into_tiles(net, item, tile), how, painting, size),
            params,
            repeat_item(item, seeds),
            keys,
            start=painting.canvas.encode(begin),
            skip=skip,
            chunk=chunk,
            progress=progress,
        )

    show = partial(give_colours, pictures)
    with change_when_interrupted(show):
        stages = [partial(paint_scale, scale) for scale in range(len(sizes))]
        run = run_stages(stages, progress=change_looks(progress, show))
    return show(run)


def _cut_into_tiles(net: Network, item: Sum, tile: int | None) -> Network:
    """Gives the network that sees an image tile by tile; without `tile` the network itself."""
    if tile is None:
        return net
    # Masked statistics and contents need the whole map.
    whole = {tap for part in item.parts if not _is_gram(part) for tap in part.taps or ()}
    taps = item.taps or ()
    grams = tuple(tap for tap in taps if tap not in whole)
    return with_tiles(net, taps, tile=tile, grams=grams)


def _is_gram(part: Algebra) -> bool:
    return isinstance(part, GramMatch) and part.mask is None


def _build_problem(
    net: Network, recipe: StyleRecipe, painting: Painting, size: tuple[int, int]
) -> Problem:
    priors: tuple[Weighted, ...] = ()
    if recipe.gamma:
        count = size[0] * size[1] if recipe.variation == "sum" else 1
        variation = TotalVariation(beta=2.0, slope=1.0)
        priors = (Weighted("variation", recipe.gamma * count, variation),)
    return Problem(
        compose(net, painting.canvas, priors=priors),
        painting.canvas,
        painting.optimizer,
        recipe.steps,
        projection=painting.projection,
        finish=build_filter(recipe.denoise, size),
    )
