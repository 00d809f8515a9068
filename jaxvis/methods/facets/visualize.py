"""A picture of every facet of a neuron."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.images import check_images
from jaxvis.loss.canvas import Fourier
from jaxvis.loss.compose import Weighted
from jaxvis.loss.objectives import CrossEntropy, Excite
from jaxvis.loss.views import ColourShift, Scale, in_order
from jaxvis.methods.facets.find import Facets, choose_tap, find_facets
from jaxvis.network import Network
from jaxvis.optimize import solve
from jaxvis.optimize.keys import item_keys
from jaxvis.optimize.rules import adam
from jaxvis.optimize.runs import repeat_item
from jaxvis.optimize.watch import Progress
from jaxvis.recipes.recipe import Recipe
from jaxvis.types import Array, ArrayLike, Image, Key, Params, Run, as_key


def facets(
    net: Network,
    params: Params,
    images: ArrayLike,
    *,
    index: int,
    tap: str | None = None,
    features: str | None = None,
    count: int = 4,
    steps: int = 200,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Makes one picture of every facet of a neuron: `find_facets`, then `visualize_facets`.

    Args:
      net, params: the network.
      images: `[N, H, W, 3]` in [0, 1], among which its facets are looked for.
      index, tap, features: see `find_facets`.
      count: how many facets.
      steps: updates of each picture.
      key: a typed random key, or an integer seed.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the facets' axis: image `[count, H, W, 3]` in [0, 1].

    Raises:
      ValueError: as `find_facets`.

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> images = jax.random.uniform(jax.random.key(0), (6, 32, 32, 3))
    >>> own = {"tap": "relu2_1", "features": "relu1_1", "count": 2}
    >>> jaxvis.facets(net, params, images, index=3, **own, steps=2).image.shape
    (2, 32, 32, 3)
    """
    found = find_facets(
        net, params, images, index=index, tap=tap, features=features, facets=count, key=key
    )
    return visualize_facets(
        net,
        params,
        found,
        index=index,
        tap=tap,
        steps=steps,
        key=key,
        chunk=chunk,
        progress=progress,
    )


@dataclass(frozen=True)
class CentreBias:
    """A prior that counts more, the farther from the middle of the image.

    sum over pixels of w |x - grey|^2 / (H W), w = (distance to the middle / half the
    diagonal)^2: an object in the middle is free, its copies at the edges are not.

    Args:
      grey: the level that costs nothing.

    Source: Nguyen et al. (2016), section 2.1, center-biased regularization. Departures:
      a weight; the paper optimises a growing window in stages.
    """

    grey: float = 0.5

    def __call__(self, image: Image) -> Array:
        """Computes the prior `[]` of `[H, W, 3]`."""
        height, width = image.shape[:2]
        y = (np.arange(height) - (height - 1) / 2)[:, None]
        x = (np.arange(width) - (width - 1) / 2)[None]
        weight = (y**2 + x**2) / ((height / 2) ** 2 + (width / 2) ** 2)
        square = jnp.mean((image - self.grey) ** 2, axis=-1)
        return jnp.mean(jnp.asarray(weight, image.dtype) * square)


def visualize_facets(
    net: Network,
    params: Params,
    found: Facets,
    *,
    index: int,
    tap: str | None = None,
    steps: int = 200,
    learning_rate: float = 0.05,
    centre: float = 10.0,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: Progress = False,
) -> Run:
    """Makes one picture of every facet, started from the facet's mean image.

    x* = argmin -s_c / s_top - log softmax(s)_c + centre C(x) from x = mean, s of random
    windows, scales and tints of x, s_top the score of the best image.

    Args:
      net, params: the network.
      found: what `find_facets` returned.
      index, tap: as given there.
      steps: updates.
      learning_rate: Adam's, of the coefficients of `jaxvis.loss.canvas.Fourier`.
      centre: weight of `CentreBias`.
      key: a typed random key, or an integer seed; a facet's own comes from tap, index
        and the number of the facet.
      chunk, progress: see `jaxvis.optimize.solve`.

    Returns:
      Run with the facets' axis: image `[K, H, W, 3]` in [0, 1].

    Raises:
      ValueError: for an unknown tap, or an index outside it.

    Source: Nguyen, Yosinski & Clune (2016), section 2.1 and Algorithm 1. Departures:
      the canvas and the views of `jaxvis.maximize`'s preset "robust" take the place of
      total variation and blur, which leave fine patterns everywhere.
    """
    tap = choose_tap(net, params, tap, index)
    means = check_images(found.mean, "the facets' means", channels=net.channels)
    size = (means.shape[1], means.shape[2])
    view = in_order(
        Scale(0.82, 1.28, shift=0.1 * size[0]),
        ColourShift(shift=0.1, gain=0.2, fade=1.0),
    )
    priors = (Weighted("centre", centre, CentreBias()),)
    canvas = Fourier(size, channels=net.channels)
    recipe = Recipe(canvas, view, adam(learning_rate), steps, priors)
    share = 1 / max(abs(float(found.scores[0])), 1e-6)
    item = share * Excite(tap, index) + CrossEntropy(tap, index)
    return solve(
        recipe.problem(net),
        params,
        repeat_item(item, len(means)),
        item_keys(as_key(key), seeds=len(means), indices=(index,), name=tap),
        chunk=chunk,
        progress=progress,
        start=_encode(canvas, means),
    )


@jit(static_argnums=0)
def _encode(canvas: Fourier, images: Array) -> Array:
    return jax.vmap(canvas.encode)(images)
