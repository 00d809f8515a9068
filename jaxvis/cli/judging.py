"""Whether a network names its own pictures rightly, as their files hold them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxvis.sweep.judges import rank_class, score_pictures
from jaxvis.weights.load import LoadedNetwork


class Ranks:
    """How many classes a network prefers to the one that a picture is of.

    Args:
      opened: the network.
      groups: the class, or the classes together, of each item.
      seeds: pictures of every item.

    Raises:
      ValueError: for a network that names no class scores.
    """

    def __init__(
        self, opened: LoadedNetwork, groups: Sequence[int | tuple[int, ...]], seeds: int
    ) -> None:
        if opened.net.scores is None:
            raise ValueError(f"{opened.net.name} names no class scores: it cannot judge pictures")
        self.opened, self.seeds = opened, seeds
        self.groups = [group if isinstance(group, tuple) else (group,) for group in groups]

    def rank(self, number: int, image: np.ndarray) -> int:
        """Gives the rank of a picture's class, 0 for the best; the worst of a group.

        Args:
          number: of the picture.
          image: `[H, W, C]`; one that is not finite comes last.
        """
        scores = score_pictures(self.opened, np.asarray(image)[None])[0]
        return max(rank_class(scores, one) for one in self.groups[number // self.seeds])

    def judge(self, number: int, image: np.ndarray) -> dict[str, Any]:
        """Says whether a picture is named rightly: {"rank", "top1", "top5"}.

        Args:
          number: of the picture.
          image: `[H, W, C]`.
        """
        rank = self.rank(number, image)
        return {"rank": rank, "top1": rank < 1, "top5": rank < 5}


def judge_by_network(name: str, pictures: Sequence[Mapping[str, Any]]) -> None:
    """Prints how many pictures a network names as their class.

    Args:
      name: of the network.
      pictures: with what `Ranks.judge` says.
    """
    hits = [bool(picture["top1"]) for picture in pictures if "top1" in picture]
    if hits:
        print(f"{name} itself names {sum(hits)} of {len(hits)} as their class")
