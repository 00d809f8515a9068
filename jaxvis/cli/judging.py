"""Whether a network names its own pictures rightly, as their files hold them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxvis.network import Network
from jaxvis.output.resample import resample
from jaxvis.types import Params
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
        self.opened, self.scores, self.seeds = opened, opened.net.scores, seeds
        self.groups = [group if isinstance(group, tuple) else (group,) for group in groups]

    def rank(self, number: int, image: np.ndarray) -> int:
        """Gives the rank of a picture's class, 0 for the best; the worst of a group.

        Args:
          number: of the picture.
          image: `[H, W, C]`; one that is not finite comes last.
        """
        net, params = self.opened.net, self.opened.params
        # As its 8-bit file holds it.
        shown = (np.round(np.asarray(image) * 255) / 255).astype(np.float32)
        if shown.shape[:2] != tuple(net.input_size) and not _takes(net, params, self.scores, shown):
            shown = _resize(shown, net.input_size)
        scores = np.asarray(net.code(params, shown, self.scores))
        if not np.isfinite(scores).all():
            return len(scores)
        group = self.groups[number // self.seeds]
        # A class that is level with others is not ahead of them.
        return max(int(np.sum(scores >= scores[one])) - 1 for one in group)

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


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[-1] in (1, 3):
        return resample(image, size)
    return np.concatenate([resample(plane, size) for plane in np.moveaxis(image, -1, 0)], -1)


def _takes(net: Network, params: Params, tap: str, image: np.ndarray) -> bool:
    try:
        net.shape(params, tap, size=(image.shape[0], image.shape[1]))
    except ValueError:
        return False
    return True
