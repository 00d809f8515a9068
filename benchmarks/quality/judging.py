"""What other networks make of class pictures: shares of first and of first five, with errors."""

from dataclasses import dataclass

import jax
import numpy as np

from jaxvis.compiler import jit
from jaxvis.network import Network
from jaxvis.types import Params

BATCH = 10
"""Pictures a judge looks at together."""


@dataclass(frozen=True)
class Share:
    """A share of pictures, in percent.

    Attributes:
      mean: of all pictures.
      error: the standard error of the mean, from the spread between classes: pictures of
        one class are alike, so they do not count as independent.
    """

    mean: float
    error: float


def rank_classes(
    net: Network, params: Params, images: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Counts for every picture how many classes a network finds in it before its own.

    Args:
      net, params: the judge; pictures are resized to its native size.
      images: `[N, H, W, 3]` of 8 bits.
      classes: `[N]`, the class that each should show.

    Returns:
      `[N]`: 0 where the class comes first.
    """

    @jit(static_argnums=0)
    def look(net, params, batch):
        size = (len(batch), *net.input_size, 3)
        small = jax.image.resize(batch, size, "linear")
        return jax.vmap(lambda image: net.apply(params, image, stop=net.scores)[net.scores])(small)

    ranks = []
    for first in range(0, len(images), BATCH):
        index = np.minimum(np.arange(first, first + BATCH), len(images) - 1)
        scores = np.asarray(look(net, params, images[index].astype(np.float32) / 255))
        own = scores[np.arange(BATCH), classes[index]]
        ranks.append((scores > own[:, None]).sum(1)[: len(images) - first])
    return np.concatenate(ranks)


def measure_share(found: np.ndarray, classes: np.ndarray) -> Share:
    """Measures the share of pictures in which something was found.

    Args:
      found: `[N]` of booleans.
      classes: `[N]`, the class of each picture.
    """
    means = np.array([found[classes == one].mean() for one in np.unique(classes)])
    error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else float("nan")
    return Share(100 * float(found.mean()), 100 * float(error))


def format_shares(ranks: np.ndarray, classes: np.ndarray) -> str:
    """Formats a cell of the table: first / among the first five, with standard errors.

    Args:
      ranks: of `rank_classes`.
      classes: `[N]`, the class of each picture.
    """
    shares = [measure_share(ranks < place, classes) for place in (1, 5)]
    return " / ".join(f"{share.mean:.0f} ± {share.error:.0f}" for share in shares)
