"""What networks see in the pictures of a sweep, as their files hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from jaxvis.analysis.codes import Look, collect_codes, open_images, stream
from jaxvis.images import to_channels
from jaxvis.network import Network
from jaxvis.output.encode import to_levels
from jaxvis.output.resample import resample
from jaxvis.types import Array, Params
from jaxvis.weights.class_names import simplify
from jaxvis.weights.load import LoadedNetwork


@dataclass(frozen=True, eq=False)
class Judge:
    """A network that says what it sees in pictures made for another one.

    Attributes:
      opened: the network.
      classes: class of the swept network -> its own class of the same name; {} where
        their labels have nothing in common.
    """

    opened: LoadedNetwork
    classes: dict[int, int]

    def say(self, images: np.ndarray, indices: Sequence[int | None]) -> list[dict[str, Any]]:
        """Says of each picture which class it sees, and how it ranks the one that is meant.

        Args:
          images: `[N, H, W, C]` in [0, 1]; of one that is not finite it says nothing.
          indices: N classes of the swept network; None where a picture is of no class.

        Returns:
          list: "network", "class", "label" and "probability" of the best class, and, where
          a class is meant that it knows, "wanted" (its own number of it), its "rank" from
          0, and "wanted_probability".
        """
        scores = score_pictures(self.opened, images)
        return [
            self._describe(one, None if index is None else self.classes.get(index))
            for one, index in zip(scores, indices)
        ]

    def _describe(self, scores: np.ndarray, wanted: int | None) -> dict[str, Any]:
        name, labels = self.opened.net.name, self.opened.labels
        if not np.isfinite(scores).all():
            return {"network": name}
        chances, best = softmax(scores), int(np.argmax(scores))
        found = {
            "network": name,
            "class": best,
            "label": labels[best] if best < len(labels) else None,
            "probability": float(chances[best]),
        }
        if wanted is None:
            return found
        chance = float(chances[wanted])
        rank = rank_class(scores, wanted)
        return found | {"wanted": wanted, "rank": rank, "wanted_probability": chance}


def open_judge(judge: LoadedNetwork, swept: LoadedNetwork) -> Judge:
    """Makes a judge of a network, which finds classes of the swept one by their names.

    Where one of the two has no names, and both tell as many classes apart, their numbers
    are taken for the same.

    Args:
      judge: the network that judges.
      swept: the network whose pictures they are.

    Raises:
      ValueError: if the judge names no class scores.
    """
    if judge.net.scores is None:
        raise ValueError(f"{judge.net.name} names no class scores: it cannot judge pictures")
    own = {simplify(label): number for number, label in enumerate(judge.labels)}
    if own and swept.labels:
        names = enumerate(map(simplify, swept.labels))
        return Judge(judge, {number: own[name] for number, name in names if name in own})
    # One of them does not say what its classes are called: as many are taken for the same.
    count = _count_classes(judge)
    return Judge(judge, {n: n for n in range(count)} if count == _count_classes(swept) else {})


def _count_classes(opened: LoadedNetwork) -> int:
    net = opened.net
    return 0 if net.scores is None else int(net.shape(opened.params, net.scores)[-1])


def rank_class(scores: np.ndarray, wanted: int) -> int:
    """Counts the classes that a network prefers to one; those that are level are ahead of it.

    Args:
      scores: `[classes]`; where one is not finite the class comes last.
      wanted: the class.
    """
    if not np.isfinite(scores).all():
        return len(scores)
    return int(np.sum(scores >= scores[wanted])) - 1


def score_pictures(opened: LoadedNetwork, images: np.ndarray) -> np.ndarray:
    """Computes class scores of pictures as their files hold them, `[N, classes]`.

    Args:
      opened: the network; pictures are resized to its size where it cannot take theirs.
      images: `[N, H, W, C]` in [0, 1]; the scores of one that is not finite are NaN.
    """
    net, tap = opened.net, str(opened.net.scores)
    shown = show_pictures(net, opened.params, images, tap)
    scores = collect_codes(net, opened.params, shown, tap, pool="flatten").values
    return np.where(find_finite(images)[:, None], scores, np.float32(np.nan))


def measure_units(
    opened: LoadedNetwork, images: np.ndarray, tap: str, indices: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Measures the mean and the largest activation of a channel in each picture, `[N]` each.

    Args:
      opened, images: see `score_pictures`.
      tap: the layer.
      indices: N channels, of each picture its own.
    """
    net, good = opened.net, find_finite(images)
    shown = open_images(net, show_pictures(net, opened.params, images, tap))
    params = (opened.params, np.asarray(indices, np.int32))
    found = stream(ReadUnit(net, tap), params, shown)
    mean, largest = (np.where(good, one, np.float32(np.nan)) for one in found)
    return mean, largest


@dataclass(frozen=True)
class ReadUnit(Look):
    """The reading of the mean and the largest activation of one channel, `[]` each.

    Args:
      tap: the layer.
    """

    tap: str

    def __call__(self, params: Any, image: Array, number: Array) -> tuple[Array, Array]:
        """Computes both.

        Args:
          params: the network's parameters, and the channel of every image.
          image, number: see `Look`.
        """
        found = self.net.apply(params[0], image, stop=self.tap)[self.tap][..., params[1][number]]
        return jnp.mean(found), jnp.max(found)


def find_finite(images: np.ndarray) -> np.ndarray:
    """Says which pictures are finite, `[N]` bool.

    Args:
      images: `[N, H, W, C]`.
    """
    finite: np.ndarray = np.isfinite(images).reshape(len(images), -1).all(1)
    return finite


def show_pictures(net: Network, params: Params, images: np.ndarray, tap: str) -> np.ndarray:
    """Gives pictures as their files hold them, in the channels and size of a network.

    Args:
      net, params: the network that is to see them.
      images: `[N, H, W, C]` in [0, 1]; one that is not finite becomes black in places.
      tap: what is asked of it.
    """
    levels = to_levels(np.nan_to_num(images)).astype(np.float32) / np.float32(255)
    if levels.shape[-1] != net.channels and {levels.shape[-1], net.channels} == {1, 3}:
        levels = np.stack([np.asarray(to_channels(one, net.channels)) for one in levels])
    height, width = levels.shape[1:3]
    if (height, width) != tuple(net.input_size) and not _takes(net, params, tap, (height, width)):
        levels = np.stack([_resize(one, net.input_size) for one in levels])
    return np.asarray(levels, np.float32)


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[-1] in (1, 3):
        return resample(image, size)
    return np.concatenate([resample(plane, size) for plane in np.moveaxis(image, -1, 0)], -1)


def _takes(net: Network, params: Params, tap: str, size: tuple[int, int]) -> bool:
    try:
        net.shape(params, tap, size=size)
    except ValueError:
        return False
    return True
