"""What a method must say of itself to be swept."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxvis.images import to_channels
from jaxvis.network import Network
from jaxvis.output.io import read_image
from jaxvis.output.record import name_status
from jaxvis.sweep.plan import Shard
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork


@dataclass(frozen=True, eq=False)
class Subject:
    """What a sweep is about, opened.

    Attributes:
      opened: the network.
      photos: name of a photograph -> its file; {} where there are none.
    """

    opened: LoadedNetwork
    photos: Mapping[str, Any] = field(default_factory=dict)

    @property
    def net(self) -> Network:
        """The network."""
        return self.opened.net

    def read(self, names: Sequence[str], size: tuple[int, int]) -> np.ndarray:
        """Reads photographs, `[N, H, W, C]` float32 in [0, 1], cropped to a size.

        Args:
          names: of the photographs.
          size: (H, W) in pixels.

        Raises:
          OSError: if one cannot be opened.
          ValueError: if one is damaged.
        """
        found = [read_image(self.photos[name], size=size) for name in names]
        return np.stack([np.asarray(to_channels(one, self.net.channels)) for one in found])


@dataclass(frozen=True, eq=False)
class Order:
    """What is asked of a method for one shard.

    Attributes:
      shard: its items.
      seeds: pictures of each.
      seed: of all randomness.
      chunk: items that a device makes together; None fits them to the device.
      progress: see `jaxvis.optimize.solve`.
    """

    shard: Shard
    seeds: int
    seed: int
    chunk: int | None = None
    progress: Any = False

    @property
    def options(self) -> dict[str, Any]:
        """What methods that draw seeds by themselves are told."""
        return {
            "seeds": self.seeds,
            "key": self.seed,
            "chunk": self.chunk,
            "progress": self.progress,
        }


@dataclass(frozen=True, eq=False)
class Made:
    """The pictures of a shard, item by item and seed by seed, N in all.

    Attributes:
      images: `[N, H, W, C]` in [0, 1].
      status: N words, such as "done".
      metrics: numbers of each picture.
      curves: `[N, steps]`, the loss; None where nothing was minimised.
      chunk: how many were made together; None where the method does not say.
      why: why pictures were refused; one for all, or one for each; "" for those that are there.
    """

    images: np.ndarray
    status: Sequence[str]
    metrics: Sequence[Mapping[str, float]]
    curves: np.ndarray | None = None
    chunk: int | None = None
    why: str | Sequence[str] = ""

    @property
    def reasons(self) -> list[str]:
        """Why each picture was refused; "" for one that is there."""
        return [self.why] * len(self.images) if isinstance(self.why, str) else list(self.why)


class Kind:
    """A method that can be swept.

    Attributes:
      name: what plans call it.
      needs_photos: whether its items begin from photographs, or explain them.
      needs_index: whether its items are channels, classes or networks.
      needs_tap: whether a layer must be named.
      of_class: whether its indices are classes where no layer is named.
    """

    name = ""
    needs_photos = False
    needs_index = True
    needs_tap = False
    of_class = True

    def defaults(self) -> dict[str, Any]:
        """Gives the settings with their defaults, which are those of the method."""
        return {}

    def choose_size(self, subject: Subject, tap: str | None) -> tuple[int, int]:
        """Chooses (H, W) of the pictures where none is asked for: the network's own.

        Args:
          subject: the network.
          tap: the layer.
        """
        del tap
        return subject.net.input_size

    def count_indices(self, subject: Subject, tap: str | None) -> int:
        """Counts the indices that there are: channels of a layer, or classes.

        Args:
          subject: the network.
          tap: the layer; None for classes.

        Raises:
          ValueError: for a network that names no class scores.
        """
        shown = tap or subject.net.classes
        if shown is None:
            raise ValueError(
                f"{subject.net.name} names no class scores: name layers with --taps, see "
                f"jaxvis layers {subject.net.name}"
            )
        return int(subject.net.shape(subject.opened.params, shown)[-1])

    def describe(self, subject: Subject, order: Order) -> dict[str, Any]:
        """Describes how the pictures of a shard are made, with all numbers.

        Args:
          subject: the network.
          order: a shard of the plan.

        Raises:
          ValueError: for settings that do not fit the network.
        """
        del subject
        return dict(order.shard.settings)

    def make(self, subject: Subject, order: Order) -> Made:
        """Makes the pictures of a shard.

        Args:
          subject: what they are about.
          order: which ones.

        Raises:
          NotImplementedError: where a method does not say how.
          OSError, ValueError: as the method raises them.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how pictures are made")


def take_run(run: Run) -> Made:
    """Gives what a solver returned, all leading axes as one.

    Args:
      run: image `[..., H, W, C]`.
    """
    images = np.asarray(run.image)
    lead = images.ndim - 3
    images = images.reshape(-1, *images.shape[lead:])
    terms = {name: np.asarray(term).reshape(len(images), -1) for name, term in run.trace.items()}
    facts = {name: np.asarray(one).reshape(-1) for name, one in run.facts.items()}
    metrics = []
    for i in range(len(images)):
        own = {name: float(term[i, -1]) for name, term in terms.items() if term.shape[1]}
        own |= {name: float(one[i]) for name, one in facts.items() if name != "chunk"}
        metrics.append(own)
    chunk = facts.get("chunk")
    return Made(
        images,
        list(np.ravel(name_status(np.asarray(run.status).reshape(-1)))),
        metrics,
        terms.get("loss"),
        None if chunk is None or not len(chunk) else int(chunk[0]),
    )


def join_seeds(parts: Sequence[Made]) -> Made:
    """Joins what was made seed after seed: the pictures of an item come side by side.

    Args:
      parts: of every seed, the same items each.
    """
    order = [(seed, i) for i in range(len(parts[0].images)) for seed in range(len(parts))]
    curves = [part.curves for part in parts if part.curves is not None]
    return Made(
        np.stack([parts[seed].images[i] for seed, i in order]),
        [parts[seed].status[i] for seed, i in order],
        [parts[seed].metrics[i] for seed, i in order],
        np.stack([curves[seed][i] for seed, i in order]) if curves else None,
        parts[0].chunk,
    )


def join_items(parts: Sequence[Made]) -> Made:
    """Joins what was made item after item.

    Args:
      parts: pictures of one size; curves that are missing become NaN.
    """
    steps = max((part.curves.shape[1] for part in parts if part.curves is not None), default=0)
    curves = [
        np.full((len(part.images), steps), np.nan) if part.curves is None else part.curves
        for part in parts
    ]
    channels = max(part.images.shape[-1] for part in parts)
    images = [
        part.images
        if part.images.shape[-1] == channels
        else np.full((*part.images.shape[:-1], channels), np.nan, np.float32)
        for part in parts
    ]
    chunks = [part.chunk for part in parts if part.chunk is not None]
    return Made(
        np.concatenate(images),
        [word for part in parts for word in part.status],
        [one for part in parts for one in part.metrics],
        np.concatenate(curves) if steps else None,
        chunks[0] if chunks else None,
        [why for part in parts for why in part.reasons],
    )


def default_settings(function: Callable[..., Any], *names: str) -> dict[str, Any]:
    """Gives the defaults of a method's options, so that they are written once.

    Args:
      function: the method.
      *names: of the options.
    """
    parameters = inspect.signature(function).parameters
    return {name: parameters[name].default for name in names}
