"""Inversion as the paper on ranVGG has it: by L-BFGS from white noise, without a prior."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from jaxvis.images import check_image
from jaxvis.loss.canvas import Pixels
from jaxvis.loss.compose import Weighted
from jaxvis.loss.objectives import Match
from jaxvis.loss.priors import TotalVariation
from jaxvis.methods.ranvgg.candidates import take_network
from jaxvis.network import Network
from jaxvis.optimize import lbfgs, solve
from jaxvis.optimize.keys import check_seeds, item_keys
from jaxvis.optimize.runs import change_when_interrupted
from jaxvis.optimize.watch import Progress, change_looks
from jaxvis.recipes.recipe import Recipe, Size
from jaxvis.types import Image, ImageLike, Key, Params, Run, as_key


@dataclass(frozen=True)
class Inversion:
    """How a code is inverted: the first image, and what holds the image beside the code.

    Args:
      noise: standard deviation of the start around ImageNet's mean colour; the default
        is about that of photographs.
      total_variation: weight of a total variation prior; the paper has none.
      boxed: whether the image must stay in [0, 1]; else it is clipped in the end.
    """

    noise: float = 0.2
    total_variation: float = 0.0
    boxed: bool = False

    def canvas(self, size: Size, *, channels: int = 3) -> Pixels:
        """Builds the canvas of `size` (H, W) pixels and `channels`."""
        return Pixels(size, noise=self.noise, channels=channels)

    def recipe(self, size: Size, steps: int, *, channels: int = 3) -> Recipe:
        """Builds the recipe of `size` (H, W), `steps` evaluations and `channels`."""
        canvas, low, high = self.canvas(size, channels=channels), None, None
        priors: tuple[Weighted, ...] = ()
        if self.boxed:  # z where the image is 0, and where it is 1
            low = tuple(-c for c in canvas.center)
            high = tuple(1 - c for c in canvas.center)
        if self.total_variation:
            priors = (Weighted("total_variation", self.total_variation, TotalVariation()),)
        return Recipe(canvas, None, lbfgs(lower=low, upper=high), steps, priors)


PLAIN = Inversion()
"""The paper's way."""


def reconstruct(
    net: Network,
    params: Params,
    image: ImageLike,
    *,
    tap: str,
    seeds: int = 1,
    params_axis: int | None = None,
    numbers: Sequence[int] | None = None,
    key: Key | int = 0,
    start: np.ndarray | None = None,
    steps: int = 300,
    inversion: Inversion = PLAIN,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Finds images with the code of `image` at `tap`, by L-BFGS from white noise.

    x* = argmin |F(x) - F(x0)|^2 / |F(x0)|^2: no factor on a layer's weights matters.

    Args:
      net, params: the network; with `params_axis` many, leaves `[networks, ...]`.
      image: x0, `[H, W, 3]` in [0, 1].
      tap: the layer.
      seeds: reconstructions from different noise; of many networks one each.
      params_axis: 0 where `params` hold many networks; None for one.
      numbers: of the networks, or seeds, from 0, so that many can be made in several calls;
        None counts from 0.
      key: a typed random key, or an integer seed. Network n starts from the noise of
        seed n.
      start: first images `[N, H, W, 3]` instead of noise; they may leave [0, 1].
      steps: evaluations of the loss and its gradient.
      inversion: the noise, a prior and a box.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the axis of networks or seeds: image, trace["loss"] `[N, steps]`;
      facts["distance"] `[N]`, |F(x) - F0| / |F0| before clipping;
      facts["image_error"] `[N]`, the root mean square of x - x0.

    Raises:
      ValueError: for an unknown tap, an image that the network cannot take, a code that
        is zero or not finite, a start of another shape, or seeds of many networks.

    Source: He, Wang & Hopcroft (2016), Eq. 1. Departures: divided by |F0|^2 instead of
      weighted by omega / (2 N M), constants both; the paper's layers are rectified.
    """
    check_seeds(seeds)
    if seeds > 1 and params_axis == 0:
        raise ValueError(f"many networks have one seed, not {seeds}: repeat the networks instead")
    image = check_image(image, "the image", channels=net.channels)
    net.check_taps(tap)
    targets = _compute_targets(net, params, image, tap, params_axis)
    count = len(targets) if params_axis == 0 else seeds
    targets = np.broadcast_to(targets, (count, *targets.shape[1:]))
    recipe = inversion.recipe((image.shape[0], image.shape[1]), steps, channels=net.channels)

    def add_errors(run: Run) -> Run:
        square = np.mean((run.image - np.asarray(image)) ** 2, axis=(1, 2, 3))
        distance = np.sqrt(_last_finite(run.trace["objective"]))
        facts = {**run.facts, "distance": distance, "image_error": np.sqrt(square)}
        return run._replace(facts=facts)

    with change_when_interrupted(add_errors):
        run = solve(
            recipe.problem(net),
            params,
            Match(tap, targets, mask=np.ones(count, np.float32)),
            _make_keys(as_key(key), tap, range(count) if numbers is None else numbers),
            start=_encode(
                inversion.canvas(recipe.size, channels=net.channels), start, (count, *image.shape)
            ),
            params_axis=params_axis,
            chunk=chunk,
            progress=change_looks(progress, add_errors),
        )
    return add_errors(run)


def _make_keys(key: Key, tap: str, numbers: Sequence[int]) -> Key:
    return item_keys(key, seeds=max(numbers) + 1, name=tap)[np.asarray(numbers)]


def _encode(canvas: Pixels, start: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """Gives the z of first images, which must have a certain shape; None stays None."""
    if start is None:
        return None
    if np.shape(start) != shape:
        raise ValueError(f"start has the shape {np.shape(start)}: pass images {list(shape)}")
    return np.asarray(start, np.float32) - np.asarray(canvas.center, np.float32)


def _last_finite(values: np.ndarray) -> np.ndarray:
    """Gives the last finite value of each line `[N, steps]`; NaN where there is none."""
    back = np.isfinite(values[:, ::-1]).argmax(1)
    return values[np.arange(len(values)), values.shape[1] - 1 - back]


def _compute_targets(
    net: Network, params: Params, image: Image, tap: str, params_axis: int | None
) -> np.ndarray:
    """Computes the codes of the image, `[networks, ...]`, `[1, ...]` of one network."""
    each = [params]
    if params_axis == 0:
        count = len(jax.tree.leaves(params)[0])
        each = [take_network(params, n) for n in range(count)]
    codes = np.stack([np.asarray(net.code(one, image, tap)) for one in each])
    norms = np.sum(codes.reshape(len(codes), -1).astype(np.float64) ** 2, axis=1)
    if not np.all((norms > 0) & np.isfinite(norms)):
        raise ValueError(
            f"this image's code at {tap!r} is zero or not finite: there is nothing to "
            "invert; choose an earlier tap, another image or other weights"
        )
    return codes
