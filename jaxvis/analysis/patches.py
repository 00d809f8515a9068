"""The patches of images that excite channels most, and how strongly channels respond at all."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxvis.analysis.codes import open_images
from jaxvis.analysis.places import Placement, find_placement
from jaxvis.analysis.responses import NONE, Counts, Tops, list_edges
from jaxvis.analysis.search import Findings, Search, run_search
from jaxvis.network import Network
from jaxvis.train.images import Images
from jaxvis.types import ImageLike, Params
from jaxvis.weights.class_names import find_label
from jaxvis.weights.labels import read_imagenet_labels

BEST = "best"
"""The word for the class that each image has the highest score of."""
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the images that respond no more strongly than a sample."""


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches of images, some for every channel of a layer.

    Attributes:
      values: `[c, k]`, the activations, or the relevance, for which they were chosen.
      images: `[c, k]` int, the number of the image; -1 where there is none.
      units: `[c, k, 2]` int, row and column in the layer's map.
      boxes: `[c, k, 4]` int, the pixels that the unit sees: (y0, x0, y1, x1), cut at the
        borders, so that the patch is `image[y0:y1, x0:x1]`.
    """

    values: np.ndarray
    images: np.ndarray
    units: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often the channels of a layer responded how strongly.

    A channel's response to an image is its largest activation in it.

    Attributes:
      counts: `[c, b]` int, images in each bin.
      edges: `[b + 1]`, from -inf to inf; a bin is 19 % wide, and the middle one is around 0.
      samples: `[c, b]` patches, the first image of each bin.
    """

    counts: np.ndarray
    edges: np.ndarray
    samples: Patches

    def sample(self, *, shares: Sequence[float] = QUANTILES) -> Patches:
        """Gives patches at quantiles of the responses, `[c, q]`.

        Each is the first image of the bin in which the quantile lies.

        Args:
          shares: `[q]` in [0, 1].

        Raises:
          ValueError: for a share outside.
        """
        wanted = np.asarray(shares, float)
        if wanted.ndim != 1 or not np.all((wanted >= 0) & (wanted <= 1)):
            raise ValueError(f"quantiles are shares from 0 to 1, not {list(shares)}")
        below = np.cumsum(self.counts, axis=1)
        # As the smallest response that so many images do not exceed; at least the first.
        rank = np.maximum(np.ceil(wanted * below[:, -1:]), 1)
        at = np.minimum((below[:, None] < rank[..., None]).sum(-1), self.counts.shape[1] - 1)
        pick = np.take_along_axis
        return Patches(
            *(pick(one, at, axis=1) for one in (self.samples.values, self.samples.images)),
            *(pick(one, at[..., None], axis=1) for one in (self.samples.units, self.samples.boxes)),
        )


@dataclass(frozen=True, eq=False)
class LayerPatches:
    """What was found for one layer.

    Attributes:
      top: `[c, k]`, the patches of the largest activations, the largest first.
      relevant: `[c, k]`, those of the largest relevance, where it was asked for.
      histogram: of the responses to all images.
      placement: where the units look; `placement.why` says why patches are whole images.
    """

    top: Patches
    relevant: Patches | None
    histogram: Histogram
    placement: Placement


@dataclass(frozen=True, eq=False)
class FoundPatches:
    """What was found in images, layer by layer: `found["relu3_1"].top.boxes`.

    Attributes:
      layers: tap -> what was found.
      images: those that were shown; `images.names` and `images.skipped` say which.
    """

    layers: Mapping[str, LayerPatches]
    images: Images

    def __getitem__(self, tap: str) -> LayerPatches:
        """Gives what was found for one layer."""
        return self.layers[tap]

    def __iter__(self) -> Iterator[str]:
        """Yields the names of the layers."""
        return iter(self.layers)

    def cut(self, patches: Patches, channel: int) -> list[np.ndarray]:
        """Cuts the patches of a channel out of the images, `[h, w, 3]` each.

        Args:
          patches: any of those that were found.
          channel: its number.
        """
        return cut_patches(self.images, patches, channel)


def cut_patches(images: Images | np.ndarray, patches: Patches, channel: int) -> list[np.ndarray]:
    """Cuts the patches of a channel out of images, `[h, w, C]` each; they have many sizes.

    Args:
      images: those in which the patches were found, such as `[N, H, W, C]`.
      patches: any of those that were found.
      channel: its number.
    """
    return [
        np.asarray(images[number])[y0:y1, x0:x1]
        for number, (y0, x0, y1, x1) in zip(patches.images[channel], patches.boxes[channel])
        if number >= 0
    ]


def patches(
    net: Network,
    params: Params,
    images: str | os.PathLike | Images | ImageLike | Sequence[ImageLike],
    taps: str | Sequence[str],
    *,
    top: int = 9,
    several: bool = False,
    relevance: int | str | None = None,
    size: tuple[int, int] | None = None,
    chunk: int | None = None,
    progress: bool = False,
) -> FoundPatches:
    """Finds the patches of images that excite the channels of layers most.

    All channels of all layers are found in one pass over the images, which stream through
    the network; only what is found is kept, so that the memory does not grow with their
    number. A patch is what the unit sees, its receptive field, cut at the borders of the
    image. Every entry of a vector sees the whole image.

    Args:
      net, params: the network.
      images: a folder (files that cannot be used are skipped, see `images.skipped` of the
        result), or images `[N, H, W, C]` in [0, 1].
      taps: the layer or layers.
      top: patches of each channel, at most as many as there are.
      several: whether one image may give several patches to a channel.
      relevance: the class for which patches of the largest relevance are found too, by
        number or by ImageNet's name; "best" is each image's best class. A channel's relevance
        is the sum over its map of gradient times activation, of the score before softmax; its
        patch is where the largest product is.
      size: (H, W) in pixels to which the images of a folder are cropped; None takes the
        network's native size.
      chunk: images that a device takes together; None fits them to the machine.
      progress: whether to show a bar.

    Returns:
      FoundPatches: for each layer `top`, `relevant` and `histogram`; `cut` makes pictures.

    Raises:
      OSError: if there is no such folder.
      ValueError: for an unknown tap or class, a count below 1, or what are no images.

    Source: Lecture 21, 21.3.1; Zeiler & Fergus (2014), section 4; Achtibat et al. (2023),
      Relevance Maximization, here by gradient times activation in the place of LRP.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> from jaxvis.output.io import read_sample_photo
    >>> photos = [read_sample_photo(name, size=(64, 64)) for name in ("chelsea", "coffee")]
    >>> found = jaxvis.patches(net, params, photos, "conv2_1", top=1)
    >>> found["conv2_1"].top.boxes.shape
    (32, 1, 4)
    """
    names = tuple(dict.fromkeys(net.check_taps(taps if isinstance(taps, str) else tuple(taps))))
    if not names:
        raise ValueError("there is no layer to look at: pass taps=")
    for option, count in (("top", top), ("chunk", 1 if chunk is None else chunk)):
        if count < 1:
            raise ValueError(f"{option} must be at least 1, got {count}")
    target = _choose_class(net, params, relevance)
    shown = open_images(net, images, size=size, progress=progress)
    places = [find_placement(net, params, tap, size=shown.size) for tap in names]
    found = run_search(
        Search(net, names, top, several, relevance is not None),
        params,
        shown,
        index=target,
        chunk=chunk,
        progress=progress,
    )
    layers = {place.tap: _describe(place, found[place.tap]) for place in places}
    return FoundPatches(layers, shown)


def _choose_class(net: Network, params: Params, relevance: int | str | None) -> int:
    """Returns the number of the class whose score is explained; -1 for each image's best."""
    if relevance is None or relevance == BEST:
        number = -1
    elif isinstance(relevance, str):
        number = find_label(relevance, read_imagenet_labels())
    else:
        number = int(relevance)
    if relevance is None:
        return number
    if net.scores is None:
        raise ValueError(f"{net.name} names no class scores: leave the relevance out")
    count = net.shape(params, net.scores)[-1]
    if number >= count or (number < 0 and relevance != BEST):
        raise ValueError(f"{net.name} has classes 0 to {count - 1}, not {relevance}")
    return number


def _describe(place: Placement, found: Findings) -> LayerPatches:
    """Gives what was found for a layer, with the boxes of what its units see."""
    return LayerPatches(
        _place(place, found.tops),
        None if found.relevant is None else _place(place, found.relevant),
        Histogram(np.asarray(found.counts.counts), list_edges(), _place(place, found.counts)),
        place,
    )


def _place(place: Placement, found: Tops | Counts) -> Patches:
    """Gives patches with the boxes of what the units see."""
    there = np.asarray(found.images) != NONE
    width = place.shape[1] if len(place.shape) == 3 else 1
    units = np.stack(np.divmod(np.where(there, found.units, 0), width), axis=-1)
    numbers = np.where(there, found.images, -1)
    return Patches(np.asarray(found.values), numbers, units, place.find_boxes(units))
