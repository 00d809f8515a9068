"""Activation maximisation: the image that a neuron, channel or class likes best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvis.loss import views
from jaxvis.loss.canvas import Fourier, Phase, Pixels
from jaxvis.loss.compose import Weighted, compose
from jaxvis.loss.objectives import Algebra, CrossEntropy, Excite
from jaxvis.loss.priors import L2
from jaxvis.nets.table.fields import canvas_of, field_of, refuse_probabilities
from jaxvis.nets.table.geometry import stride_of
from jaxvis.nets.wrappers.leaky import leaky
from jaxvis.network import Network
from jaxvis.optimize import Problem, Tidy, solve
from jaxvis.optimize.rules.first_order import adam, lecture_sgd, nadam
from jaxvis.optimize.solve import OnChunk
from jaxvis.recipes.natural import Natural, stages
from jaxvis.types import Canvas, Key, Params, Run, View, as_key

Size = tuple[int, int]


@dataclass(frozen=True)
class Recipe:
    """Returns a named way to maximise: everything but the network and the objective.

    Args:
      canvas: what is painted on.
      view: what the network sees; None shows the image as it is.
      optimizer: an optax transformation.
      steps: how many updates.
      priors: named, weighted terms.
      projection: `z -> z` after every update.
      finish: `(key, image) -> image` after the last step.
      draws: views averaged in a step.
    """

    canvas: Canvas
    view: View | None
    optimizer: optax.GradientTransformation
    steps: int
    priors: tuple[Weighted, ...] = ()
    projection: Callable[[Any], Any] | None = None
    finish: Callable[..., Any] | None = None
    draws: int = 1


def robust(size: Size, seen: Size) -> Recipe:
    """Returns the default: Fourier canvas; random windows, scales, light and colour.

    A pattern that only one exact position, size or tint excites does not survive the
    views, so what is left convinces other networks too.

    Args:
      size: (H, W) of the picture in pixels.
      seen: (H, W) of what the network is shown.
    """
    zoom = seen[0] / size[0]
    view = views.in_order(
        views.Scale(0.82 * zoom, 1.28 * zoom, size=seen, shift=0.1 * seen[0]),
        views.ColourShift(shift=0.1, gain=0.2, fade=1.0),
    )
    return Recipe(Fourier(size), view, adam(0.05), 256)


def lucid(size: Size, seen: Size) -> Recipe:
    """Returns Lucid's recipe: pad, roll, scale, rotate, roll on a Fourier canvas.

    Args:
      size: (H, W) of the picture in pixels.
      seen: (H, W) of what the network is shown.

    Source: Olah, Mordvintsev & Schubert, Feature Visualization (2017).
    """
    view = views.in_order(
        views.Pad(12),
        views.Roll(8),
        views.Scale(0.9, 1.1),
        views.Rotate(10),
        views.Roll(4),
        views.Centre(seen),
    )
    return Recipe(Fourier(size), view, adam(0.05), 256)


def plain(size: Size, seen: Size) -> Recipe:
    """Returns the lecture's recipe: zero image, L2, blur, small values thresholded.

    Args:
      size: (H, W) of the picture in pixels.
      seen: unused; the network sees the picture.

    Source: Simonyan et al. (2014); Yosinski et al. (2015); Lecture 21, 21.7.
    """
    del seen
    return Recipe(
        canvas=Pixels(size, scale=255.0),
        view=None,
        optimizer=lecture_sgd(300.0, momentum=0.9, small=0.1),
        steps=256,
        priors=(Weighted("l2", 1e-5, L2(scale=255.0)),),
        projection=Tidy(blur=views.Blur(0.5), small=0.1),
    )


def maco(size: Size, seen: Size) -> Recipe:
    """Returns the MACO recipe: phases alone, random crops, noise.

    Args:
      size: (H, W) of the picture in pixels.
      seen: (H, W) of what the network is shown.

    Source: Fel et al., MACO (2023), section 3.
    """
    zoom = seen[0] / size[0]
    crop = views.Scale(0.82 * zoom, 1.28 * zoom, size=seen, shift=0.1 * seen[0])
    view = views.in_order(crop, views.Noise(0.08))
    return Recipe(Phase(size), view, nadam(1.0), 256)


RECIPES: dict[str, Callable[[Size, Size], Recipe]] = {
    "robust": robust,
    "lucid": lucid,
    "plain": plain,
    "maco": maco,
}
"""Preset name -> recipe for a picture's size and the size that the network is shown."""
NATURAL = "mahendran"
"""The preset that is no recipe of a size alone: it depends on the layer too."""


def maximize(
    net: Network,
    params: Params,
    *,
    tap: str | None = None,
    index: int | Sequence[int] | range = 0,
    position: None | str | tuple[int, int] = None,
    objective: Algebra | Sequence[Algebra] | None = None,
    seeds: int = 1,
    key: Key | int = 0,
    preset: str = "robust",
    natural: Natural | None = None,
    peaks: Sequence[float] | None = None,
    leak: float = 0.0,
    size: Size | None = None,
    steps: int | None = None,
    optimizer: optax.GradientTransformation | None = None,
    chunk: int | None = None,
    progress: bool = False,
    on_chunk: OnChunk | None = None,
) -> Run:
    """Returns pictures that maximise neurons, channels, classes or any objective.

    x* = argmin_z E(view(decode(z))) + priors, for every index and seed together. With
    preset "mahendran" E is -10^4 Phi_i / (M_i rho^2) of the central neuron of channel
    i, M_i its largest activation on photographs and rho its receptive field, and the
    picture is as large as that field asks for.

    Args:
      net, params: the network.
      tap: where to maximise; None takes the network's class scores s and maximises
        s_c + log softmax(s)_c, whose second term is 0 as soon as class c wins.
      index: which neuron, channel or class; one, or several for a sweep.
      position: of a tap `[h, w, c]`: None for the channel's mean, "centre" or (y, x)
        for one neuron.
      objective: instead of tap and index, one objective or a list of the same
        structure (directions, sums of several neurons...).
      seeds: pictures per index, from different random starts.
      key: a typed random key, or an integer seed.
      preset: a key of `RECIPES`, or "mahendran" (one index or several of one tap).
      natural: of "mahendran", its constants and departures; None is the authors' code.
      peaks: of "mahendran", M of every channel of the tap, `[c]`, as
        `jaxvis.methods.preimage.peaks.peaks` measures them; None takes 1.
      leak: slope of leaky ReLUs instead of the network's; 0 leaves it as it is.
      size: (H, W) of the pictures in pixels; None takes the network's native size,
        with "mahendran" that of the receptive field.
      steps: how many updates; None takes the preset's.
      optimizer: an optax transformation instead of the preset's.
      chunk, progress, on_chunk: see `jaxvis.optimize.solve`.

    Returns:
      Run with two leading axes, index and seed: image `[n, seeds, H, W, 3]` in [0, 1],
      trace["loss"] `[n, seeds, steps]`, trace["status"] `[n, seeds]`.

    Raises:
      ValueError: for an unknown tap or preset, a position without a tap, an index
        outside the tap's channels, or a size that the network cannot take.

    Source: Lecture 21, 21.7; Simonyan et al. 2014; Olah et al. 2017; Fel et al. 2023;
    Mahendran & Vedaldi (IJCV 2016), section 6.
    """
    if preset not in (*RECIPES, NATURAL):
        known = ", ".join((*RECIPES, NATURAL))
        raise ValueError(f"preset is one of {known}, not {preset!r}")
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    net = leaky(net, leak)
    if preset == NATURAL:
        if tap is not None:
            refuse_probabilities(net, tap)
        of_neuron = tap is not None and objective is None and position is None
        items = _items(
            net,
            params,
            tap or net.classes,
            index,
            "centre" if of_neuron else position,
            objective,
        )
        steps = 300 if steps is None else steps
        size = size or (canvas_of(net, tap) if of_neuron else net.input_size)
        items, problem = _natural(net, params, items, natural, peaks, size, steps)
    else:
        items = _items(net, params, tap, index, position, objective)
        size = size or net.input_size
        recipe = RECIPES[preset](size, _seen(net, params, items, size))
        recipe = replace(recipe, steps=recipe.steps if steps is None else steps)
        problem = _problem(net, recipe)
    if optimizer is not None:
        problem = replace(problem, optimizer=optimizer)
    repeated = jax.tree.map(lambda leaf: jnp.repeat(leaf, seeds, axis=0), items)
    run = solve(
        problem,
        params,
        repeated,
        as_key(key),
        chunk=chunk,
        progress=progress,
        on_chunk=on_chunk,
    )
    return jax.tree.map(lambda leaf: leaf.reshape(-1, seeds, *leaf.shape[1:]), run)


def _natural(net, params, items, natural, peaks, size, steps):
    """Returns the items weighed by 10^4 / (M rho^2), and the problem they share."""
    natural = replace(natural or Natural(), second=0)
    tap = (items.taps or net.taps[-1:])[0]
    field = float(min(field_of(net, tap), max(size)))
    if peaks is not None and not hasattr(items, "index"):
        raise ValueError("peaks= belong to tap= and index=, not to objective=")
    peak = 1.0 if peaks is None else np.take(np.float32(peaks), items.index)
    if np.any(peak <= 0) or not np.all(np.isfinite(peak)):
        raise ValueError(
            f"a channel of {tap!r} that was asked for never responds on the "
            "photographs (its peak is not above 0): choose another one or other images"
        )
    printed = natural.norm == "print"
    weight = peak * field**2 if printed else 1e4 / (peak * field**2)
    count = jax.tree.leaves(items)[0].shape[0]
    weights = jnp.broadcast_to(jnp.asarray(weight, jnp.float32), (count,))
    stride = stride_of(net, params, tap)
    (problem,) = stages(net, natural, size=size, stride=stride, steps=steps)
    return weights * items, problem


def _problem(net: Network, recipe: Recipe) -> Problem:
    loss = compose(net, recipe.canvas, view=recipe.view, priors=recipe.priors, draws=recipe.draws)
    return Problem(
        loss,
        recipe.canvas,
        recipe.optimizer,
        recipe.steps,
        projection=recipe.projection,
        finish=recipe.finish,
    )


def _items(net, params, tap, index, position, objective) -> Algebra:
    if objective is not None:
        parts = list(objective) if isinstance(objective, Sequence) else [objective]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
    if tap is None and position is not None:
        raise ValueError("position= is a neuron of a layer: pass tap= too")
    of_class, tap = tap is None, tap or net.classes
    if tap is None:
        raise ValueError(
            f"{net.name} names no class scores: pass tap=, one of {', '.join(net.taps)}"
        )
    net.named(tap)
    indices = np.atleast_1d(np.asarray(index, np.int32))
    width = net.shape(params, tap)[-1]
    if indices.size == 0 or indices.min() < 0 or indices.max() >= width:
        raise ValueError(
            f"{tap!r} of {net.name} has {width} channels, 0..{width - 1}; got index {index!r}"
        )
    if of_class:
        return jax.vmap(lambda i: Excite(tap, i) + CrossEntropy(tap, i))(indices)
    return jax.vmap(lambda i: Excite(tap, i, position=position))(indices)


def _seen(net: Network, params: Params, items: Algebra, size: Size) -> Size:
    """Returns what the network is shown: 6/7 of the picture where any size goes.

    Smaller views are cheaper and no worse; a fully connected layer demands its own
    size.
    """
    small = tuple(max(side * 6 // 7 // 8 * 8, 8) for side in size)
    for shown in (small, net.input_size):
        try:
            for tap in items.taps or net.taps[-1:]:
                net.shape(params, tap, size=shown)
        except ValueError:
            continue
        return shown
    return size
