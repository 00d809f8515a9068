"""How strongly the units of layers respond to each of many images."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxvis.analysis.codes import Look, stream
from jaxvis.analysis.responses import find_largest
from jaxvis.network import Network
from jaxvis.train.images import Images
from jaxvis.types import Array, Params

SAMPLE = 4096
"""Images whose responses are kept, at most, and that are looked at together."""


class Responses(NamedTuple):
    """The responses of the units of a layer to images: the largest activation in each.

    Attributes:
      mean: `[c]`, over all images; of the finite ones where some are not.
      active: `[c]`, the share of all images whose response is above 0.
      sample: `[n, c]`, the responses to all images, or to `SAMPLE` of them, evenly chosen.
    """

    mean: np.ndarray
    active: np.ndarray
    sample: np.ndarray


@dataclass(frozen=True)
class ReadResponses(Look):
    """The reading of the largest activation of every unit of layers in a row, `[c]`.

    Args:
      taps: the layers.
    """

    taps: tuple[str, ...]

    def __call__(self, params: Any, image: Array, number: Array) -> Array:
        """Computes the activations.

        Args:
          params: the network's parameters.
          image, number: see `Look`.
        """
        del number
        found = self.net.apply(params, image, stop=self.taps)
        return jnp.concatenate([find_largest(found[tap])[0] for tap in self.taps])


def collect_responses(
    net: Network,
    params: Params,
    images: Images,
    taps: tuple[str, ...],
    *,
    progress: bool = False,
) -> dict[str, Responses]:
    """Collects the responses of the units of layers to images, which stream through once.

    Args:
      net, params: the network.
      images: those to show.
      taps: the layers.
      progress: whether to show a bar.
    """
    look, count = ReadResponses(net, taps), len(images)
    chosen = np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).round().astype(int))
    sums: list[Any] = [0.0, 0.0, 0.0]
    kept = []
    for start in range(0, count, SAMPLE):
        numbers = np.arange(start, min(start + SAMPLE, count))
        found = stream(look, params, images.take(numbers), progress=progress)
        real = np.isfinite(found)
        new = (np.where(real, found, 0).sum(0, dtype=np.float64), real.sum(0), (found > 0).sum(0))
        sums = [old + one for old, one in zip(sums, new)]
        kept.append(found[np.isin(numbers, chosen)])
    mean, active, sample = sums[0] / np.maximum(sums[1], 1), sums[2] / count, np.concatenate(kept)
    widths = [net.shape(params, tap, size=images.size)[-1] for tap in taps]
    ends = np.cumsum(widths)
    places = [slice(end - width, end) for end, width in zip(ends, widths)]
    return {
        tap: Responses(mean[place], active[place], sample[:, place])
        for tap, place in zip(taps, places)
    }
