"""What judges of heatmaps share: which score each map is about, and the score as they read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.attribution.masks.engine import Masking, Scene
from jaxvis.attribution.subject import Index, Subject, choose_subject, read_score
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.objectives import CrossEntropy
from jaxvis.network import Network
from jaxvis.recipes.targets import AnyObjective
from jaxvis.types import Array, ArrayLike, ImageLike, Params


class Mapped(NamedTuple):
    """A score and its heatmap.

    Attributes:
      objective: minus the score.
      heat: `[H, W]`, the map, or what a judge made of it.
    """

    objective: Algebra
    heat: Array


@dataclass(frozen=True)
class Judged(Masking):
    """The score, or the probability, of a class whose heatmap says what is hidden, `[]`.

    Args:
      net: the network.
      probable: whether the objective is minus a log probability, of which the probability is
        taken.
    """

    probable: bool

    def find_taps(self, item: Any) -> tuple[str, ...] | None:
        """Finds the taps that an item reads.

        Args:
          item: a `Mapped`.
        """
        return item.objective.taps

    def read(self, item: Any, taps: Any) -> Array:
        """Reads the score or the probability, `[]`.

        Args:
          item: a `Mapped`.
          taps: those of the hidden image.
        """
        score = read_score(item.objective, taps)
        return jnp.exp(score) if self.probable else score

    def make_mask(self, scene: Scene, item: Any, sample: Any) -> Array:
        """Makes the mask of a sample, `[H, W]`: by itself the heatmap.

        Args:
          scene, item, sample: see `Masking`.
        """
        del scene, sample
        return item.heat


class Case(NamedTuple):
    """Heatmaps and what they are about.

    Attributes:
      subject: the images and the scores.
      heat: `[N, K, H, W]` float32.
      probable: whether the scores are log probabilities of classes.
    """

    subject: Subject
    heat: np.ndarray
    probable: bool

    def pair(self, heat: ArrayLike) -> Subject:
        """Pairs every score of every image with a map, as a subject of `Mapped` items.

        Args:
          heat: `[N, K, H, W]`, what stands in the map's place.
        """
        count, scores = heat.shape[:2]
        items: Any = Mapped(spread_items(self.subject, count), jnp.asarray(heat))
        indices = np.broadcast_to(self.subject.indices, (count, scores))
        return self.subject._replace(items=items, paired=True, indices=indices)


def spread_items(subject: Subject, count: int) -> Any:
    """Gives every image items of its own, leaves `[N, K, ...]`.

    Args:
      subject: the images and the scores.
      count: N.
    """
    if subject.paired:
        return subject.items
    return jax.tree.map(
        lambda leaf: jnp.broadcast_to(jnp.asarray(leaf), (count, *jnp.shape(leaf))), subject.items
    )


def choose_case(
    net: Network,
    params: Params,
    image: ImageLike | Sequence[ImageLike],
    heat: ArrayLike,
    *,
    tap: str | None,
    index: Index,
    position: None | str | tuple[int, int],
    objective: AnyObjective | Sequence[AnyObjective] | None,
    probable: bool = True,
) -> Case:
    """Brings heatmaps together with what they are about; everything is checked.

    Args:
      net, params, image, tap, index, position, objective: as the heatmaps were made with.
      heat: `[..., H, W]`, the heatmaps.
      probable: whether classes are judged by their probability instead of their score.

    Raises:
      ValueError: as `choose_subject`, or for heatmaps of another shape, or that are not
        finite.
    """
    subject = choose_subject(
        net, params, image, tap=tap, index=index, position=position, objective=objective
    )
    heat = check_heat(heat)
    if heat.shape != (*subject.lead, *subject.size):
        raise ValueError(
            f"the heatmaps have the shape {heat.shape}, and {(*subject.lead, *subject.size)} "
            "follows from the images and scores: pass the same image= and index= (or tap=, "
            "objective=) that they were made with"
        )
    of_class = tap is None and objective is None
    if probable and of_class and net.scores is not None:
        subject = subject._replace(items=CrossEntropy(net.scores, jnp.asarray(subject.indices)))
    shape = (len(subject.images), subject.scores, *subject.size)
    return Case(subject, heat.reshape(shape), probable and of_class)


def check_heat(heat: ArrayLike) -> np.ndarray:
    """Returns heatmaps as float32, checked.

    Args:
      heat: `[..., H, W]`.

    Raises:
      ValueError: for what has less than two axes, no pixels, or values that are not finite.
    """
    maps = np.asarray(heat, np.float32)
    if maps.ndim < 2 or 0 in maps.shape:
        raise ValueError(f"heatmaps are [..., H, W], not of shape {maps.shape}")
    if not np.isfinite(maps).all():
        raise ValueError("a heatmap has values that are NaN or infinite")
    return maps


def rank_pixels(maps: np.ndarray) -> np.ndarray:
    """Ranks the pixels of heatmaps, `[..., H, W]` int32: 0 is the hottest.

    Equally hot pixels follow each other row by row.

    Args:
      maps: `[..., H, W]`.
    """
    flat = maps.reshape(*maps.shape[:-2], -1)
    order = np.argsort(-flat, axis=-1, kind="stable")
    ranks = np.empty(flat.shape, np.int32)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(flat.shape[-1]), flat.shape), -1)
    return ranks.reshape(maps.shape)
