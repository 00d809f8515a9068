"""A plan: what a sweep will make, written down before any of it is made.

Networks, weights and photographs are in it by the sha256 of their files, so that a sweep
that goes on elsewhere, or later, makes the same pictures or says what has changed. What
its file looks like is in `jaxvis.sweep.plan_file`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jaxvis
from jaxvis.output.encode import Format


@dataclass(frozen=True)
class Source:
    """A network of a plan, and how it is opened again.

    Attributes:
      name: of the network, or the path of the file that describes it.
      weights: as the user named them; None where they are found by the name.
      sha256: of the file of weights; None where there is none, as for random ones.
      options: classes_count, channels, precision, skip_first_label, where they were given.
      labels: the file of class labels as the user named it, or None.
      net_sha256: of the file that describes the network, or None.
      labels_sha256: of the file of class labels, or None.

    >>> from jaxvis.sweep import Source, Wish, plan_sweep
    >>> own = Source("demo", options={"precision": "bfloat16"})
    >>> plan_sweep(own, Wish(units=[("conv2_1", [3])], settings={"steps": [2]})).network.options
    {'precision': 'bfloat16'}
    """

    name: str
    weights: str | None = None
    sha256: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: str | None = None
    net_sha256: str | None = None
    labels_sha256: str | None = None


@dataclass(frozen=True)
class Photos:
    """The photographs that a sweep begins from, or explains.

    Attributes:
      folder: where they are.
      files: name inside the folder -> sha256.

    >>> from jaxvis.sweep import Photos
    >>> photos = Photos("photographs", {"cat.jpg": 64 * "0"})
    >>> list(photos.files)
    ['cat.jpg']
    """

    folder: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Shard:
    """Items that are made together and written together, all of one compiled shape.

    Its items are every photograph with every index, and each has all seeds of the plan.

    Attributes:
      name: of the shard, and of its folder.
      tap: the layer; None for class scores, or where the method has none.
      indices: channels, neurons, classes or networks; () where items have no number.
      sources: names of photographs; () where items have none.
      size: (H, W) of the pictures in pixels.
      settings: of the method.

    >>> from jaxvis.sweep import Shard
    >>> Shard("a", "conv2_1", (3, 5), ("cat.jpg",), (64, 64), {}).items
    [('cat.jpg', 3), ('cat.jpg', 5)]
    """

    name: str
    tap: str | None
    indices: tuple[int, ...]
    sources: tuple[str, ...]
    size: tuple[int, int]
    settings: Mapping[str, Any]

    @property
    def items(self) -> list[tuple[str | None, int | None]]:
        """The photograph and the index of every item, in their order."""
        return [
            (source, index)
            for source in self.sources or (None,)
            for index in self.indices or (None,)
        ]


@dataclass(frozen=True, repr=False)
class Plan:
    """Everything that a sweep makes.

    Attributes:
      method: the name of a kind of sweep, see `jaxvis.sweep.kinds`.
      network: what is looked at.
      shards: what is made, in this order.
      seeds: pictures of every item.
      seed: of all randomness.
      recipes: how the pictures of each settings and size are made, with all numbers.
      photos: what the items begin from; None without.
      judges: other networks, which say what they see in the pictures.
      chunk: items that a device makes together; None fits them to the device.
      format: of the pictures.
      estimate: measured time, memory and disk; {} where nothing was measured.
      version: of the jaxvis that wrote it.

    >>> from jaxvis.sweep import Wish, plan_sweep
    >>> plan_sweep("demo", Wish(units=[("conv2_1", range(8))], settings={"steps": [64]}))
    Plan(maximize of demo: 8 pictures in 1 shard)
    """

    method: str
    network: Source
    shards: tuple[Shard, ...]
    seeds: int = 1
    seed: int = 0
    recipes: tuple[Mapping[str, Any], ...] = ()
    photos: Photos | None = None
    judges: tuple[Source, ...] = ()
    chunk: int | None = None
    format: Format = "png"
    estimate: Mapping[str, Any] = field(default_factory=dict)
    version: str = jaxvis.__version__

    def __repr__(self) -> str:
        """One line: what is made, of which network."""
        shards = f"{len(self.shards)} shard{'s' * (len(self.shards) != 1)}"
        return f"Plan({self.method} of {self.network.name}: {self.count} pictures in {shards})"

    @property
    def count(self) -> int:
        """How many pictures there will be."""
        return self.seeds * sum(len(shard.items) for shard in self.shards)

    def count_of(self, shard: Shard) -> int:
        """Counts the pictures of a shard.

        Args:
          shard: one of the plan's.
        """
        return self.seeds * len(shard.items)
