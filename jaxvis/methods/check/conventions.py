"""What a network sees of an image, and what it would see under common other preprocessings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.images import DEVIATION, LUMINANCE, MEAN, to_channels
from jaxvis.network import Network
from jaxvis.types import Array, ArrayLike, Params

SAME = 0.02
"""Part of the input's range by which two preprocessings differ, to count as two."""

CONVENTIONS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "values from 0 to 1": lambda x, mean, std: x,
    "values from 0 to 255": lambda x, mean, std: 255 * x,
    "values from -1 to 1": lambda x, mean, std: 2 * x - 1,
    "values from 0 to 1 less ImageNet's mean, by its deviation": lambda x, m, s: (x - m) / s,
    "values from 0 to 255 less ImageNet's mean": lambda x, mean, std: 255 * (x - mean),
}
"""In words -> what it makes of `[H, W, C]` in [0, 1], the channels' means and deviations."""


@dataclass(frozen=True)
class Input:
    """What a network makes of an image before its first layer: y = x matrix + shift.

    Attributes:
      matrix: `[c, C]`, c the channels of the image.
      shift: `[C]`.
    """

    matrix: np.ndarray
    shift: np.ndarray

    @property
    def words(self) -> str:
        """The order of the channels, "RGB", "BGR" or "grey"; "" for anything else."""
        if self.matrix.shape[1] == 1:
            return "grey"
        order = "".join("RGB"[row] for row in np.abs(self.matrix).argmax(0))
        return order if order in ("RGB", "BGR") else ""

    def undo(self, seen: ArrayLike) -> Array:
        """Computes the image of which the network would see `seen`.

        Args:
          seen: `[H, W, C]`, what enters the first layer.

        Returns:
          jax.Array: `[H, W, c]`; it may leave [0, 1].
        """
        values = jnp.asarray(seen) - self.shift
        if self.matrix.shape[1] == 1:
            return jnp.repeat(values / self.matrix.sum(), len(self.matrix), -1)
        return values @ jnp.asarray(np.linalg.inv(self.matrix))

    def list_others(self, image: Array, seen: Array) -> Iterator[tuple[str, Array]]:
        """Yields (words, what the network would see) for every other preprocessing.

        Args:
          image: `[H, W, c]` in [0, 1], RGB or grey.
          seen: what it does see.
        """
        if self.words == "grey":
            grey = jnp.asarray(to_channels(image, 1))
            mean, std = (jnp.array([np.dot(v, LUMINANCE)]) for v in (MEAN, DEVIATION))
            orders = {"": (grey, 1), ", dark for light": (1 - grey, 1)}
        else:
            mean, std = jnp.array(MEAN), jnp.array(DEVIATION)
            orders = {", RGB": (image, 1), ", BGR": (image, -1)}
        span = float(jnp.ptp(seen)) or 1.0
        for words, convention in CONVENTIONS.items():
            for order, (x, step) in orders.items():
                values = convention(x, mean, std)[..., ::step]
                if float(jnp.abs(values - seen).max()) > SAME * span:
                    yield words + order, values


def measure_input(net: Network, params: Params, size: tuple[int, int]) -> Input | None:
    """Measures what a network makes of an image before its first layer.

    Args:
      net, params: the network.
      size: (H, W) in pixels of an image that it takes.

    Returns:
      Input: or None where that is no matrix and shift of each pixel's colour.
    """
    count = net.channels
    mixture = np.resize([0.3, 0.6, 0.1], (1, count))
    colours = np.concatenate([np.zeros((1, count)), np.eye(count), mixture]).astype(np.float32)
    seen = [np.asarray(see(net, params, jnp.full((*size, count), colour))) for colour in colours]
    if any(np.ndim(one) != 3 or np.ptp(one, axis=(0, 1)).max() > 1e-3 for one in seen):
        return None
    shift, *alone, mixed = (one[0, 0] for one in seen)
    matrix = np.stack(alone) - shift
    if matrix.shape not in ((1, 1), (3, 1), (3, 3)) or not np.isfinite(matrix).all():
        return None
    largest = np.abs(matrix).max() + np.abs(shift).max()
    if np.abs(colours[-1] @ matrix + shift - mixed).max() > 1e-3 * largest:
        return None
    known = Input(matrix, shift)
    # Singular where a channel is not seen, as a scale of zero has it.
    sound = matrix.sum() != 0 if known.words == "grey" else np.linalg.matrix_rank(matrix) == 3
    return known if known.words and sound else None


@jit(static_argnums=0)
def see(net: Network, params: Params, image: Array) -> Array:
    """Computes what enters a network's first layer, `[H, W, C]`.

    Args:
      net, params: the network.
      image: `[H, W, C]` in [0, 1].
    """
    return net.apply(params, image, stop="input")["input"]
