"""Our side of every comparison: networks with random weights, and their gradients.

Speed does not depend on the values of the weights; He's initialisation keeps the
activations of all layers at one scale.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxvis.compiler import jit
from jaxvis.nets import build, random_params
from jaxvis.nets.table.layers import shapes
from jaxvis.network import Network
from jaxvis.types import Array, Params

Gradient = Callable[[Params, Array, Array], tuple[Array, Array]]
"""`(params, images [N, H, W, 3], index [N]) -> (scores [N], gradients like images)`."""


def make_network(
    name: str,
    side: int,
    *,
    stop: str | None = None,
    seed: int = 0,
    precision: str = "float32",
) -> tuple[Network, Params]:
    """Makes a network for images of side x side pixels, with random parameters.

    Args:
      name: of `jaxvis.nets.registry`.
      side: pixels.
      stop: the last tap wanted; None goes up to the class scores.
      seed: of the parameters.
      precision: see `jaxvis.nets.build`.
    """
    net = build(name, input_size=(side, side), precision=precision)
    params = random_params(
        net, jax.random.key(seed), preprocess="imagenet", stop=stop or net.classes
    )
    return net, params


def prepare_params(net: Network, params: Params, side: int) -> Params:
    """Prepares parameters once for all steps, as the solver does.

    Args:
      net, params: the network; leading axes of items are kept.
      side: pixels of a side of the images to come.
    """
    return net.prepare(params, size=(side, side))


def to_arrays(params: Params) -> dict[str, dict[str, np.ndarray]]:
    """Converts parameters to NumPy arrays, for the peer.

    Args:
      params: as `make_network` returns them.
    """
    return jax.tree.map(np.asarray, {row: dict(leaf) for row, leaf in params.items()})


def rows_of(net: Network) -> list[dict[str, Any]]:
    """Gives a network's table as plain dicts, for the peer and for JSON.

    Args:
      net: a network built from a table.
    """
    return [dataclasses.asdict(row) for row in net.rows]


def shapes_of(net: Network, side: int) -> dict[str, tuple[int, ...]]:
    """Gives every tap's shape for an image of side x side pixels.

    Args:
      net: a network built from a table.
      side: pixels.
    """
    return shapes(net.rows, (side, side))


def draw_images(count: int, side: int, *, seed: int = 0) -> np.ndarray:
    """Draws smooth random images `[count, side, side, 3]` float32 in [0, 1].

    Args:
      count: how many.
      side: pixels.
      seed: of the draw.
    """
    draw = np.random.default_rng(seed)
    # Away from 0 and 1: pixels that are clipped to one value would be ties under max pooling.
    coarse = draw.uniform(0.25, 0.75, size=(count, side // 8 + 2, side // 8 + 2, 3))
    large = coarse.repeat(8, 1).repeat(8, 2)[:, :side, :side]
    noisy = large + 0.05 * draw.standard_normal(large.shape)
    return np.clip(noisy, 0, 1).astype(np.float32)


def make_gradient(net: Network, tap: str, *, params_axis: int | None = None) -> Gradient:
    """Makes the compiled gradient of each image's score with respect to the image.

    Of a tap `[d]` the score is entry `index`, of a tap `[h, w, c]` the mean of channel
    `index`. Every method takes this step, under the same `vmap` that the solver uses.

    Args:
      net: the network.
      tap: where the score is.
      params_axis: 0 where the parameters carry the images' axis, None where shared.
    """

    def score(image: Array, params: Params, index: Array) -> Array:
        values = net.apply(params, image, stop=tap)[tap]
        values = values.mean((0, 1)) if values.ndim == 3 else values
        return values @ jax.nn.one_hot(index, values.shape[-1])

    def both(params: Params, images: Array, index: Array) -> tuple[Array, Array]:
        value = jax.value_and_grad(score)
        return jax.vmap(value, (0, params_axis, 0))(images, params, index)

    return jit(both)


def number_classes(count: int) -> np.ndarray:
    """Numbers the classes whose scores are taken, one for each image: `[count]` int32.

    Args:
      count: how many images.
    """
    return np.arange(count, dtype=np.int32)
