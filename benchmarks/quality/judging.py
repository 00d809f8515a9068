"""What other networks make of class pictures: shares of first and of first five, with errors."""

from dataclasses import dataclass

import numpy as np

from benchmarks.harness.statistics import measure_mean
from jaxvis.sweep.judges import rank_class, score_pictures
from jaxvis.weights.load import LoadedNetwork


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


def rank_classes(judge: LoadedNetwork, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Counts for every picture how many classes a network finds in it before its own.

    Args:
      judge: the network; pictures are resized to its native size where it cannot take theirs.
      images: `[N, H, W, 3]` of 8 bits.
      classes: `[N]`, the class that each should show.

    Returns:
      `[N]`: 0 where the class comes first.
    """
    scores = score_pictures(judge, images.astype(np.float32) / 255)
    return np.array([rank_class(*each) for each in zip(scores, classes)])


def measure_share(found: np.ndarray, classes: np.ndarray) -> Share:
    """Measures the share of pictures in which something was found.

    Args:
      found: `[N]` of booleans.
      classes: `[N]`, the class of each picture.
    """
    means = [found[classes == one].mean() for one in np.unique(classes)]
    return Share(100 * float(found.mean()), 100 * measure_mean(means)[1])


def format_shares(ranks: np.ndarray, classes: np.ndarray) -> str:
    """Formats a cell of the table: first / among the first five, with standard errors.

    Args:
      ranks: of `rank_classes`.
      classes: `[N]`, the class of each picture.
    """
    shares = [measure_share(ranks < place, classes) for place in (1, 5)]
    return " / ".join(f"{share.mean:.0f} ± {share.error:.0f}" for share in shares)
