"""Our side of every comparison: networks with random weights, and their gradients.

Speed does not depend on the values of the weights; He's initialisation keeps the
activations of all layers at one scale.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxvis.compiler import jit
from jaxvis.devices import PARTS, WHOLE, copy_to_all, count_devices, share, split_items
from jaxvis.loss.canvas import Fourier
from jaxvis.loss.compose import compose
from jaxvis.nets import build, random_params
from jaxvis.nets.table.layers import shapes
from jaxvis.network import Network
from jaxvis.optimize import Problem
from jaxvis.optimize.chunk_size import Sweep, choose_devices, max_chunk
from jaxvis.optimize.keys import keys_of_places
from jaxvis.optimize.rules import adam
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


def make_gradient(
    net: Network, tap: str, *, params_axis: int | None = None, mesh: Mesh | None = None
) -> Gradient:
    """Makes the compiled gradient of each image's score with respect to the image.

    Of a tap `[d]` the score is entry `index`, of a tap `[h, w, c]` the mean of channel
    `index`. Every method takes this step, under the same `vmap` that the solver uses.

    Args:
      net: the network.
      tap: where the score is.
      params_axis: 0 where the parameters carry the images' axis, None where shared.
      mesh: the devices, each of which computes its own part of the images; None for one.
    """

    def score(image: Array, params: Params, index: Array) -> Array:
        values = net.apply(params, image, stop=tap)[tap]
        values = values.mean((0, 1)) if values.ndim == 3 else values
        return values @ jax.nn.one_hot(index, values.shape[-1])

    def both(params: Params, images: Array, index: Array) -> tuple[Array, Array]:
        value = jax.value_and_grad(score)
        return jax.vmap(value, (0, params_axis, 0))(images, params, index)

    own = WHOLE if params_axis is None else PARTS
    return jit(share(mesh, both, (own, PARTS, PARTS), PARTS))


class SharedStep:
    """The gradient step of a batch, whose images lie on devices as the solver's items do.

    A core that is a device takes few images at a time, so that the step of a large batch
    is several calls. Parameters and images are put on the devices when it is made.

    Args:
      net, params: the network; the parameters are prepared here.
      tap: where the scores are: see `make_gradient`.
      images: `[N, H, W, 3]`.
      index: `[N]`, whose scores are taken.
    """

    def __init__(
        self, net: Network, params: Params, tap: str, images: np.ndarray, index: np.ndarray
    ) -> None:
        self.count = len(images)
        ready = net.prepare(params, size=images.shape[1:3])
        mesh, each = choose_share(net, ready, self.count, images.shape[1:3])
        self.params = copy_to_all(ready, mesh)
        self.gradient = make_gradient(net, tap, mesh=mesh)
        together = each * count_devices(mesh)
        # The last part is filled up with copies: another size would be another program.
        parts = [
            np.minimum(np.arange(first, first + together), self.count - 1)
            for first in range(0, self.count, together)
        ]
        self.parts = [
            jax.device_put(split_items((images[part], index[part]), mesh)) for part in parts
        ]

    def take(self) -> list[tuple[Array, Array]]:
        """Takes the step and waits for it: scores and gradients of every part, on the devices."""
        return jax.block_until_ready([self.gradient(self.params, *part) for part in self.parts])

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Takes the step and reads the scores `[N]` and the gradients `[N, H, W, 3]`."""
        scores, gradients = (np.concatenate(found)[: self.count] for found in zip(*self.take()))
        return scores, gradients


def choose_share(
    net: Network, params: Params, count: int, size: tuple[int, int]
) -> tuple[Mesh | None, int]:
    """Chooses as the solver does which devices share images, and how many each takes.

    Args:
      net, params: the network.
      count: images.
      size: (H, W) in pixels.

    Returns:
      The devices, None for one alone, and the images that each takes together.
    """
    canvas, index = Fourier(size), number_classes(count)
    problem = Problem(compose(net, canvas), canvas, adam(0.05), 1)
    keys = keys_of_places(jax.random.key(0), count)
    sweep = Sweep(params, None, index, keys, None, None)
    mesh = choose_devices(sweep)
    return mesh, max_chunk(problem, sweep._replace(mesh=mesh))


def number_classes(count: int) -> np.ndarray:
    """Numbers the classes whose scores are taken, one for each image: `[count]` int32.

    Args:
      count: how many images.
    """
    return np.arange(count, dtype=np.int32)
