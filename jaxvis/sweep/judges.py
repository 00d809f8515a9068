"""What networks see in the pictures of a sweep, as their files hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.images import resize, to_channels
from jaxvis.network import Network
from jaxvis.output.encode import to_levels
from jaxvis.types import Array, Params
from jaxvis.weights.class_names import simplify
from jaxvis.weights.load import LoadedNetwork

AT_ONCE = 8
"""Pictures that are shown to a network together."""


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
        name = self.opened.net.name
        if not np.isfinite(scores).all():
            return {"network": name}
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        best = int(np.argmax(scores))
        labels = self.opened.labels
        found = {
            "network": name,
            "class": best,
            "label": labels[best] if best < len(labels) else None,
            "probability": float(chances[best]),
        }
        if wanted is None:
            return found
        rank = int(np.sum(scores >= scores[wanted])) - 1
        chance = float(chances[wanted])
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


def score_pictures(opened: LoadedNetwork, images: np.ndarray) -> np.ndarray:
    """Computes class scores of pictures as their files hold them, `[N, classes]`.

    Args:
      opened: the network; pictures are resized to its size where it cannot take theirs.
      images: `[N, H, W, C]` in [0, 1]; the scores of one that is not finite are NaN.
    """
    net = opened.net
    shown = show_pictures(net, opened.params, images, str(net.scores))
    return read_taps(net, opened.params, shown, str(net.scores))


def show_pictures(net: Network, params: Params, images: np.ndarray, tap: str) -> np.ndarray:
    """Gives pictures as their files hold them, in the channels and size of a network.

    Args:
      net, params: the network that is to see them.
      images: `[N, H, W, C]` in [0, 1].
      tap: what is asked of it.
    """
    levels = to_levels(np.nan_to_num(images)).astype(np.float32) / np.float32(255)
    levels = np.where(np.isfinite(images), levels, np.float32(np.nan))
    if levels.shape[-1] != net.channels and {levels.shape[-1], net.channels} == {1, 3}:
        levels = np.stack([np.asarray(to_channels(one, net.channels)) for one in levels])
    height, width = levels.shape[1:3]
    if (height, width) != tuple(net.input_size) and not _takes(net, params, tap, (height, width)):
        levels = np.asarray(_resize(net.input_size, jnp.asarray(levels)))
    return np.asarray(levels, np.float32)


def read_taps(net: Network, params: Params, images: np.ndarray, tap: str) -> np.ndarray:
    """Computes a layer's activations of pictures, `[N, ...]`, some at a time.

    Args:
      net, params: the network.
      images: `[N, H, W, C]`.
      tap: the layer.
    """
    parts = []
    for first in range(0, len(images), AT_ONCE):
        part = images[first : first + AT_ONCE]
        # Always as many at once: one program for all.
        full = np.concatenate([part, np.repeat(part[-1:], AT_ONCE - len(part), axis=0)])
        parts.append(np.asarray(_read(net, tap, params, full))[: len(part)])
    return np.concatenate(parts)


@jit(static_argnames=("net", "tap"))
def _read(net: Network, tap: str, params: Params, images: Array) -> Array:
    return jax.vmap(lambda image: net.apply(params, image, stop=tap)[tap])(images)


@jit(static_argnames=("size",))
def _resize(size: tuple[int, int], images: Array) -> Array:
    return jax.vmap(lambda image: resize(image, size))(images)


def _takes(net: Network, params: Params, tap: str, size: tuple[int, int]) -> bool:
    try:
        net.shape(params, tap, size=size)
    except ValueError:
        return False
    return True
