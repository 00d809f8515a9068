"""The filters of a layer as pictures: of colours, in slices, or combined with those before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxvis.analysis.linear import combine_kernels
from jaxvis.convolution.kernels import raw_kernel
from jaxvis.nets.table.layers import Layer, shapes, sources
from jaxvis.network import Network
from jaxvis.types import Params


@dataclass(frozen=True, eq=False)
class Filters:
    """The filters of a layer, or of several layers combined.

    Attributes:
      tap: the layer; "conv1 to conv2" where several are combined.
      kernels: `[f, kh, kw, c]`, the weights with which a unit adds up what it reads.
      numbers: `[f]` int, the channel of the layer that each filter makes.
      colours: whether the kernels are applied to the image itself, so that their `c` channels
        are colours, or grey.
    """

    tap: str
    kernels: np.ndarray
    numbers: np.ndarray
    colours: bool

    def scale(self, *, common: bool = False) -> np.ndarray:
        """Scales the weights to pictures `[f, kh, kw, c]` in [0, 1].

        The equation is 1/2 + w / (2 max |w|): a weight of 0 is mid-grey, and so is every
        pixel of a filter whose weights are all 0. A filter of equal weights is white, or
        black where they are negative.

        Args:
          common: whether the largest weight is that of all filters, which shows how strong
            they are beside each other; else each filter has a scale of its own.
        """
        return scale_kernels(self.kernels, common=common)

    def slice(self, *, common: bool = False) -> np.ndarray:
        """Cuts the pictures into grey slices `[f, c, kh, kw]`, one for each channel it reads.

        Args:
          common: as for `scale`; the slices of one filter always share its scale.
        """
        return np.moveaxis(self.scale(common=common), -1, 1)


def scale_kernels(kernels: np.ndarray, *, common: bool = False) -> np.ndarray:
    """Scales kernels to pictures in [0, 1], in which a weight of 0 is mid-grey.

    Args:
      kernels: `[f, kh, kw, c]`, of any network.
      common: whether all kernels share one scale.
    """
    size = np.abs(kernels).max(axis=None if common else (1, 2, 3), keepdims=True)
    return np.asarray(0.5 + kernels / np.where(size > 0, 2 * size, 1), np.float32)


def filters(
    net: Network,
    params: Params,
    *,
    tap: str | tuple[str, str] | None = None,
    combined: bool = False,
    index: Sequence[int] | None = None,
) -> Filters:
    """Reads the filters of a layer, or computes those of several layers combined.

    Combined kernels are what the layers would be if all between them was linear: rectifiers
    and normalisations of responses let everything through, and a maximum is a mean. With
    layers K1, of stride s, and K2, the kernel is K[u] = sum_i K2[i] K1[u - s i].

    Args:
      net, params: the network.
      tap: a convolution or a fully connected layer that reads maps; None takes the first
        layer. A pair of layers `(first, last)` is combined, from what the first one reads.
      combined: whether the layer is combined with all before it, from the image on; the
        preprocessing of the network is left out.
      index: the filters wanted; None takes all of them.

    Returns:
      Filters: kernels `[f, kh, kw, c]`; `scale()` makes pictures of them.

    Raises:
      ValueError: for an unknown tap, one without kernels, an index outside it, or layers that
        cannot be combined.

    Source: Lecture 21, 21.1; Voss et al., Visualizing Weights (Distill, 2021), of combined
      kernels.

    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> jaxvis.filters(net, params).kernels.shape
    (16, 3, 3, 3)
    >>> jaxvis.filters(net, params, tap=("conv1_1", "conv2_1"), index=[0, 5]).scale().shape
    (2, 8, 8, 3)
    """
    if isinstance(tap, tuple) or combined:
        first, last = tap if isinstance(tap, tuple) else (None, tap)
        return _combine(net, params, first, last, index)
    if not net.rows:
        name, kernel = _find_own_kernel(net, params, tap)
        kernels, colours = np.moveaxis(kernel, -1, 0), kernel.shape[2] == net.channels
    else:
        name = tap or _find_first(net)
        kernels, colours = _read_kernels(net, params, name)
    numbers = _check_index(name, index, len(kernels))
    return Filters(name, kernels[numbers], numbers, colours)


def _combine(
    net: Network,
    params: Params,
    first: str | None,
    last: str | None,
    index: Sequence[int] | None,
) -> Filters:
    """Gives the combined filters of the layers from `first` to `last`."""
    if not net.rows:
        raise ValueError(
            f"{net.name} has no table, so nobody knows what lies between its layers: leave "
            "combined out and name one layer"
        )
    if last is None:
        raise ValueError("combined filters end at a layer: pass tap=")
    names = net.check_taps((last,) if first is None else (first, last))
    start = "input" if first is None else (*sources(net.rows)[first], "input")[0]
    count = net.shape(params, last)[-1]
    numbers = _check_index(last, index, count)
    kernels = combine_kernels(net, params, start, last, index=numbers)
    return Filters(" to ".join(names), kernels, numbers, start == "input")


def _find_first(net: Network) -> str:
    name = next((row.name for row in net.rows if row.op in ("conv", "fc")), None)
    if name is None:
        raise ValueError(f"{net.name} has no convolution, so it has no filters to show")
    return name


def _read_kernels(net: Network, params: Params, tap: str) -> tuple[np.ndarray, bool]:
    """Returns a layer's kernels `[f, kh, kw, c]`, and whether it reads the image."""
    net.check_taps(tap)
    row: Layer = next(one for one in net.rows if one.name == tap)
    read = sources(net.rows)[tap]
    if row.op not in ("conv", "fc"):
        known = ", ".join(one.name for one in net.rows if one.op == "conv")
        raise ValueError(f"{tap!r} has no kernels; convolutions of {net.name} are {known}")
    kernel = np.asarray(raw_kernel(params[tap]["kernel"]))
    if row.op == "fc":
        shape = shapes(net.rows, net.input_size)[read[0]]
        if len(shape) != 3:
            raise ValueError(f"{tap!r} reads a vector, so its weights have no extent to show")
        kernel = kernel.reshape(*shape, -1)
    return np.moveaxis(kernel, -1, 0), read == ("input",)


def _find_own_kernel(net: Network, params: Params, tap: str | None) -> tuple[str, np.ndarray]:
    """Finds the kernel `[kh, kw, c, f]` of a layer of a network without a table.

    The names of such a network's taps are the paths of its modules, by which their
    parameters are found.
    """
    for name in net.check_taps(tap) if tap else net.taps:
        for root in (params, params.get("params", {})):
            kernel = _walk(root, name)
            if kernel is not None:
                return name, kernel
    raise ValueError(
        f"no kernel [kh, kw, c, f] was found under {tap or 'any tap'!r} of {net.name}: pass it "
        "to jaxvis.analysis.filters.scale_kernels yourself, as [f, kh, kw, c]"
    )


def _walk(tree: Any, path: str) -> np.ndarray | None:
    """Follows the path of a module to its kernel; None where there is none."""
    for word in (*path.split("."), "kernel"):
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(word, tree.get(int(word)) if word.isdigit() else None)
    return np.asarray(tree) if np.ndim(tree) == 4 else None


def _check_index(tap: str, index: Sequence[int] | None, count: int) -> np.ndarray:
    numbers = np.arange(count) if index is None else np.asarray(index, int)
    if not numbers.size or numbers.min() < 0 or numbers.max() >= count:
        raise ValueError(f"{tap!r} has filters 0 to {count - 1}, not {list(numbers)}")
    return numbers
