"""An index of a folder's images, which is saved, extended and asked for neighbours."""

import hashlib
import importlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import jax
import numpy as np

from jaxvis.analysis.codes import PIXELS, Codes, ImagesLike, Pool, ReadCode, collect_codes, stream
from jaxvis.analysis.neighbours import Metric, Neighbours, as_values, measure_distances, neighbours
from jaxvis.network import Network
from jaxvis.train.images import list_files, open_folder
from jaxvis.types import Params
from jaxvis.weights.tensor_file import hash_file

LARGE = 100_000
"""Images beyond which a graph is searched instead of every code."""
Way = Literal["exact", "graph"]
"""How neighbours are found: every code is compared, or usearch follows a graph."""


class Found(NamedTuple):
    """The nearest images of some queries, the nearest first.

    Attributes:
      names: for every query a tuple of k names.
      numbers: `[q, k]` int, of the images in the index.
      distance: `[q, k]` float32.
    """

    names: tuple[tuple[str, ...], ...]
    numbers: np.ndarray
    distance: np.ndarray


@dataclass(frozen=True, eq=False)
class Index:
    """The codes of a folder's images, and what they were made of.

    Attributes:
      codes: of the images.
      sums: `[N]`, the sha256 of each file.
      net: the name of the network.
      weights: the sha256 of its parameters; empty for an index of pixels.
      skipped: file -> why the last call left it out; an index that was read knows of none.
    """

    codes: Codes
    sums: tuple[str, ...]
    net: str
    weights: str
    skipped: Mapping[str, str] = field(default_factory=dict)
    _graphs: dict[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Gives the number of images."""
        return len(self.sums)

    def save(self, path: str | os.PathLike) -> None:
        """Saves the index as a file `.npz`; an older one is replaced when all is written.

        Args:
          path: of the file; its ending is `.npz`.

        Raises:
          ValueError: for another ending.
        """
        to = Path(path)
        if to.suffix != ".npz":
            raise ValueError(f"an index is saved as a file .npz, not {str(path)!r}")
        about: dict[str, Any] = {"net": self.net, "weights": self.weights, "tap": self.codes.tap}
        about |= {"pool": self.codes.pool, "size": self.codes.size}
        part = to.with_name(f".{to.stem}.part.npz")
        try:
            names, sums = np.array(self.codes.names), np.array(self.sums)
            text = np.array(json.dumps(about))
            np.savez(part, codes=self.codes.values, names=names, sha256=sums, about=text)
            os.replace(part, to)
        finally:
            part.unlink(missing_ok=True)

    def extend(
        self,
        net: Network,
        params: Params,
        folder: str | os.PathLike,
        *,
        chunk: int | None = None,
        progress: bool = False,
    ) -> "Index":
        """Makes an index with the files of a folder added; only new files are opened.

        A file of a known name and content stays as it is. A file of a known name whose
        content has changed is computed again. What is no longer in the folder stays.

        Args:
          net, params: the network that the index was made with.
          folder: the folder.
          chunk, progress: see `index_folder`.

        Raises:
          OSError: if there is no such folder.
          ValueError: for another network or other weights.
        """
        tap = self.codes.tap
        own = (net.name, hash_weights(params, tap))
        if own != (self.net, self.weights):
            raise ValueError(
                f"the index was made with {self.net} and other weights than {net.name}'s here: "
                "its codes cannot be compared with new ones; make a new index"
            )
        known = dict(zip(self.codes.names, self.sums))
        sums = {name: hash_file(path) for name, path in list_files(folder).items()}
        new = {name for name, value in sums.items() if known.get(name) != value}
        images = open_folder(folder, size=self.codes.size, only=new, progress=progress)
        if not len(images):
            return replace(self, skipped=images.skipped)
        look = ReadCode(net, tap, self.codes.pool)
        values = stream(look, params, images, chunk=chunk, progress=progress)
        again = set(images.names)
        kept = [i for i, name in enumerate(self.codes.names) if name not in again]
        codes = replace(
            self.codes,
            values=np.concatenate([self.codes.values[kept], values]),
            names=(*(self.codes.names[i] for i in kept), *images.names),
        )
        both = (*(self.sums[i] for i in kept), *(sums[name] for name in images.names))
        return Index(codes, both, self.net, self.weights, images.skipped)

    def query(
        self,
        net: Network,
        params: Params,
        images: ImagesLike,
        k: int,
        *,
        metric: Metric = "l2",
        way: Way | None = None,
    ) -> Found:
        """Finds the nearest images of some images.

        Args:
          net, params: the network that the index was made with.
          images: a folder, or `[q, H, W, C]` in [0, 1] of the index's size.
          k: how many.
          metric: "l2" or "cosine".
          way: "exact" compares every code; "graph" lets usearch follow a graph of them, which
            is quicker and may miss some. None is exact up to 10^5 images. The graph is built
            at the first question, and kept with the index in memory.

        Raises:
          OSError: if there is no such folder.
          ValueError: for images of another size, another metric or way, a k that is not from
            1 to the number of images, or where usearch is missing.
        """
        size, tap = self.codes.size, self.codes.tap
        asked = collect_codes(net, params, images, tap, pool=self.codes.pool, size=size)
        found = self.query_codes(asked, k, metric=metric, way=way)
        names = tuple(tuple(self.codes.names[i] for i in row) for row in found.numbers)
        return Found(names, found.numbers, found.distance)

    def query_codes(
        self, query: Codes, k: int, *, metric: Metric = "l2", way: Way | None = None
    ) -> Neighbours:
        """Finds the nearest images of some codes, `[q, k]`.

        Args:
          query: of `collect_codes` with the index's tap, pool and size.
          k, metric, way: see `query`.

        Raises:
          ValueError: as `query`.
        """
        if way is not None and way not in get_args(Way):
            raise ValueError(f"way is {' or '.join(get_args(Way))}, not {way!r}")
        if metric not in get_args(Metric):
            raise ValueError(f"metric is {' or '.join(get_args(Metric))}, not {metric!r}")
        if (way or ("exact" if len(self) <= LARGE else "graph")) == "exact":
            return neighbours(self.codes, query, k, metric=metric)
        asked = as_values(query, width=self.codes.values.shape[1])
        if not 1 <= k <= len(self):
            raise ValueError(f"k is from 1 to {len(self)}, the number of images, not {k}")
        if metric not in self._graphs:
            self._graphs[metric] = _build_graph(self.codes.values, metric)
        index = np.stack([self._graphs[metric].search(one, k).keys for one in asked]).astype(int)
        distance = measure_distances(self.codes.values[index], asked[:, None], metric)
        order = np.lexsort((index, distance), axis=-1)
        index, distance = (np.take_along_axis(one, order, axis=1) for one in (index, distance))
        return Neighbours(index, distance.astype(np.float32))


def index_folder(
    net: Network,
    params: Params,
    folder: str | os.PathLike,
    tap: str,
    *,
    pool: Pool | None = None,
    size: tuple[int, int] | None = None,
    chunk: int | None = None,
    progress: bool = False,
) -> Index:
    """Makes an index of a folder's images, to `save`, `extend` and `query`.

    Args:
      net, params: the network.
      folder: the folder and its subfolders; files that cannot be used are left out.
      tap, pool, size, chunk, progress: see `jaxvis.collect_codes`.

    Raises:
      OSError: if there is no such folder.
      ValueError: as `jaxvis.collect_codes`.

    >>> import tempfile
    >>> import numpy as np
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> image = np.random.default_rng(0).random((192, 64, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(3):
    ...         jaxvis.write_image(f"{folder}/{i}.png", image[64 * i : 64 * i + 64])
    ...     index = jaxvis.index_folder(net, params, folder, "conv2_1")
    >>> index.query(net, params, [image[64:128]], 2).names[0][0]
    '1.png'
    """
    if tap != PIXELS:
        net.check_taps(tap)
    images = open_folder(folder, size=size or net.input_size, progress=progress)
    codes = collect_codes(net, params, images, tap, pool=pool, chunk=chunk, progress=progress)
    sums = tuple(hash_file(Path(folder) / name) for name in images.names)
    return Index(codes, sums, net.name, hash_weights(params, tap), images.skipped)


def read_index(path: str | os.PathLike) -> Index:
    """Reads an index that was saved as the file `path`, a `.npz`.

    Raises:
      OSError: if it cannot be opened.
      ValueError: if it is no index.

    >>> import tempfile
    >>> import numpy as np
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     jaxvis.write_image(f"{folder}/0.png", np.zeros((64, 64, 3)))
    ...     jaxvis.index_folder(net, params, folder, "conv2_1").save(f"{folder}/index.npz")
    ...     jaxvis.read_index(f"{folder}/index.npz").codes.names
    ('0.png',)
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            names, sums = (tuple(map(str, file[key])) for key in ("names", "sha256"))
            values = np.asarray(file["codes"], np.float32)
        size = (int(about["size"][0]), int(about["size"][1]))
        codes = Codes(values, names, about["tap"], about["pool"], size)
        index = Index(codes, sums, about["net"], about["weights"])
    except (KeyError, ValueError, EOFError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no index of images: {error}") from None
    if not len(values) == len(names) == len(sums) or values.ndim != 2:
        raise ValueError(f"{path} is damaged: it has not as many codes as names; make it again")
    return index


def hash_weights(params: Params, tap: str) -> str:
    """Returns the sha256 of a network's parameters; nothing for pixels, which need none.

    Args:
      params: the parameters.
      tap: the layer, or "pixels".
    """
    if tap == PIXELS:
        return ""
    known = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        known.update(jax.tree_util.keystr(path).encode())
        known.update(np.ascontiguousarray(leaf).tobytes())
    return known.hexdigest()


def _build_graph(values: np.ndarray, metric: Metric) -> Any:
    """Builds the graph of usearch."""
    try:
        usearch = importlib.import_module("usearch.index")
    except ImportError:
        raise ValueError(
            f"among more than {LARGE} images neighbours are found by usearch, which is not "
            "installed: pip install jaxvis[analysis], or pass way='exact', which compares all"
        ) from None
    graph = usearch.Index(ndim=values.shape[1], metric={"l2": "l2sq", "cosine": "cos"}[metric])
    graph.add(np.arange(len(values)), values)
    return graph
