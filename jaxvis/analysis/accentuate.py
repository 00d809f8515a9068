"""Feature accentuation: what of a photograph excites a unit, exaggerated within it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.paths import integrated_gradients
from jaxvis.compiler import jit
from jaxvis.images import check_image
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.anchor import Anchor, Anchored
from jaxvis.loss.compose import Weighted
from jaxvis.network import Network
from jaxvis.optimize import Job
from jaxvis.optimize.keys import check_seeds, item_keys
from jaxvis.optimize.runs import repeat_items
from jaxvis.recipes.choose import choose_recipe
from jaxvis.recipes.recipe import Recipe
from jaxvis.recipes.targets import AnyObjective, Target, choose_target
from jaxvis.recipes.together import find_map
from jaxvis.types import Array, Canvas, Image, ImageLike, Key, Params, Run, View, as_key


class Accentuated(NamedTuple):
    """A photograph exaggerated towards units, and where.

    Attributes:
      run: image `[n, seeds, H, W, C]`, and the rest of the optimisation; its facts have
        "before" and "after" `[n, seeds]`, minus the objective of the photograph and of the
        picture, as they are.
      heat: `[n, seeds, H, W]`, what each pixel's change adds to that, by integrated
        gradients from the photograph to the picture: it adds up to after - before.
    """

    run: Run
    heat: np.ndarray


def accentuate(
    net: Network,
    params: Params,
    image: ImageLike,
    *,
    tap: str | None = None,
    index: int | Sequence[int] | range | None = None,
    position: None | str | tuple[int, int] = None,
    objective: AnyObjective | Sequence[AnyObjective] | None = None,
    layer: str | None = None,
    strength: float = 1.0,
    seeds: int = 1,
    key: Key | int = 0,
    recipe: str | Recipe = "accent",
    steps: int | None = None,
    canvas: Canvas | None = None,
    view: View | None = None,
    priors: Sequence[Weighted] | Mapping[str, Any] | None = None,
    chunk: int | None = None,
    progress: bool = False,
) -> Accentuated:
    """Exaggerates in a photograph what excites a unit, and shows which changes count.

    x* = argmin E(x) / |E(x0)| + strength |F(x) - F(x0)|^2 / |F(x0)|^2 from the photograph x0
    on, F the code of a layer, both seen through the same random view; of several units that
    share a layer the scale is the largest |E(x0)|, so that one that is silent moves too.

    Args:
      net, params: the network.
      image: x0, `[H, W, C]` in [0, 1].
      tap, index, position, objective: what is maximised, see `jaxvis.maximize`. A class is
        its score alone.
      layer: where the distance from the photograph is taken; None takes the middle one of
        the maps before what is maximised.
      strength: weight of that distance: more keeps more of the photograph.
      seeds: pictures of every unit, which differ by their views.
      key: a typed random key, or an integer seed.
      recipe, steps, canvas, view, priors: see `jaxvis.maximize`; "accent" has mild views.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Accentuated: `run` and `heat`.

    Raises:
      ValueError: as `jaxvis.maximize`, for an image that the network cannot take, an unknown
        layer, or a strength that is negative or not finite.

    Source: Hamblin, Fel, Saha, Konkle & Alvarez, Feature accentuation (2024). Departures: the
      distance is squared and relative; the heat is integrated gradients along the change.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> from jaxvis.output.io import read_sample_photo
    >>> photo = read_sample_photo("chelsea", size=(64, 64))
    >>> found = jaxvis.accentuate(net, params, photo, tap="relu3_1", index=[3, 5], steps=2)
    >>> found.run.image.shape, found.heat.shape
    ((2, 1, 64, 64, 3), (2, 1, 64, 64))
    """
    photo = check_image(image, "the image", channels=net.channels)
    if not 0 <= strength < float("inf"):
        raise ValueError(f"strength is at least 0 and finite, not {strength}")
    check_seeds(seeds)
    named = net.classes if tap is None and objective is None and position is None else tap
    target, chosen = choose_recipe(
        net,
        params,
        choose_target(net, params, tap=named, index=index, position=position, objective=objective),
        recipe,
        size=(photo.shape[0], photo.shape[1]),
        steps=steps,
        canvas=canvas,
        view=view,
        priors=priors,
    )
    job = _plan(net, params, photo, target, chosen, layer, strength, seeds, as_key(key))
    run = job.run(chunk=chunk, progress=progress)
    items = _split_items(target)
    heat = np.stack(
        [_explain(net, params, photo, pictures, item) for pictures, item in zip(run.image, items)]
    )
    before = np.array([[-_value(net, params, photo, one)] * seeds for one in items], np.float32)
    after = np.array(
        [
            [-_value(net, params, picture, one) for picture in pictures]
            for pictures, one in zip(run.image, items)
        ],
        np.float32,
    )
    return Accentuated(run._replace(facts={**run.facts, "before": before, "after": after}), heat)


def _plan(
    net: Network,
    params: Params,
    photo: Array,
    target: Target,
    recipe: Recipe,
    layer: str | None,
    strength: float,
    seeds: int,
    key: Key,
) -> Job:
    """Plans the pictures of all units and seeds."""
    size = (photo.shape[0], photo.shape[1])
    layer = net.check_taps(layer or _find_layer(net, params, target.items, size))[0]
    items, count = target.items, len(target.indices)
    values = [abs(float(_value(net, params, photo, one))) for one in _split_items(target)]
    scale = max(*values, 1e-6)
    weights = jnp.full(count, 1 / scale, jnp.float32)
    anchors = Anchor(
        weights * items,
        jnp.broadcast_to(photo, (count, *photo.shape)),
        jnp.full(count, strength, jnp.float32),
    )
    problem = recipe.build(net, lambda net: Anchored(recipe.compose(net), layer))
    keys = item_keys(key, seeds=seeds, indices=target.indices, name=target.name)
    z = recipe.encode(photo)
    start = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (count * seeds, *leaf.shape)), z)
    return Job(problem, params, repeat_items(anchors, seeds), keys, seeds, start=start)


def _split_items(target: Target) -> list[Algebra]:
    """Splits the items of a target into one objective after another."""
    leaves, tree = jax.tree.flatten(target.items)
    return [jax.tree.unflatten(tree, [leaf[i] for leaf in leaves]) for i in range(len(leaves[0]))]


def _find_layer(net: Network, params: Params, items: Algebra, size: tuple[int, int]) -> str:
    """Finds the middle one of the maps before what is maximised."""
    tap = min(items.taps or net.taps[-1:], key=net.taps.index)
    last = find_map(net, params, tap, size, own=True)
    place = net.taps.index(last)
    return net.taps[max(1, place // 2)] if place > 1 else last


def _explain(
    net: Network, params: Params, photo: Array, pictures: np.ndarray, item: Algebra
) -> np.ndarray:
    """Explains what the change of pictures adds to a unit, `[seeds, H, W]`."""
    shown = np.nan_to_num(pictures, nan=0.0)
    return integrated_gradients(
        net, params, shown, objective=item, baseline=photo, steps=32, combine="sum"
    )


@jit(static_argnums=0)
def _value(net: Network, params: Params, image: Image, item: Algebra) -> Array:
    return item(net.apply(params, image, stop=item.taps))
