"""The units of a layer that are most alike: by the kernels that make them, or by responses."""

import numpy as np

from jaxvis.analysis.filters import filters
from jaxvis.analysis.neighbours import neighbours
from jaxvis.network import Network
from jaxvis.site.measures.wiring import Wiring
from jaxvis.types import Params

Near = list[tuple[int, float]]
"""Units of a layer, and how much alike they are, from -1 to 1."""
MOST = 8
"""Units that are kept for each."""
FEW = 1024
"""Units that are compared on the host, all at once."""
LEAST_IMAGES = 3
"""Images without which a correlation means nothing: of two it is always 1 or -1."""


def find_near_by_weight(net: Network, params: Params, tap: str) -> list[Near]:
    """Finds the units of a layer whose kernels have the largest cosine with that of each.

    A kernel is that of the convolution or dense layer behind which the unit stands, with the
    sign of the norms between both; rectifiers and poolings leave it what it is. Units whose
    kernels read different channels (of other groups, or of other branches that are
    concatenated) are not compared. Of a unit that is a sum of several layers, or is made in
    another way, nothing is said: its list is empty.

    Args:
      net, params: the network; without a table, kernels are found by the names of its modules.
      tap: the layer.

    Returns:
      list: for each unit at most `MOST` others as (index, cosine), the nearest first.
    """
    count = net.shape(params, tap)[-1]
    found: list[Near] = [[] for _ in range(count)]
    for start, kernels in _list_kernels(net, params, tap, count):
        for index, near in enumerate(find_nearest(kernels), start):
            found[index] = [(start + other, cosine) for other, cosine in near]
    return found


def find_near_by_activation(responses: np.ndarray) -> list[Near]:
    """Finds the units whose responses to the same images correlate most with those of each.

    The correlation is Pearson's. A unit that responds to all images alike has no neighbours
    and is none.

    Args:
      responses: `[N, c]`, of c units to N images.

    Returns:
      list: for each unit at most `MOST` others as (index, correlation), the largest first;
      all are empty where there are fewer than `LEAST_IMAGES` images.
    """
    if len(responses) < LEAST_IMAGES:
        return [[] for _ in range(responses.shape[1])]
    values = np.where(np.isfinite(responses).all(axis=0), responses, 0).astype(np.float64)
    moved = np.ptp(values, axis=0) > 0
    return find_nearest(np.where(moved, values - values.mean(axis=0), 0).T)


def find_nearest(vectors: np.ndarray, *, most: int = MOST) -> list[Near]:
    """Finds the vectors of the largest cosine with each, exactly.

    Many are compared in blocks on the device; for few, a program would take longer to compile
    than all their products take.

    Args:
      vectors: `[c, d]`; one of zeros has no neighbours and is none.
      most: how many others.
    """
    size = np.linalg.norm(vectors, axis=1)
    alive = np.flatnonzero((size > 0) & np.isfinite(size))
    found: list[Near] = [[] for _ in vectors]
    if len(alive) < 2:
        return found
    unit = vectors[alive].astype(np.float64) / size[alive, None]
    wanted = min(most, len(alive) - 1)
    if len(alive) <= FEW:
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -np.inf)
        numbers = np.argsort(-cosines, axis=1, kind="stable")[:, :wanted]
        values = np.take_along_axis(cosines, numbers, axis=1)
    else:
        near = neighbours(unit, None, wanted, metric="cosine")
        numbers, values = near.numbers, 1 - near.distance.astype(np.float64)
    for own, others, cosine in zip(alive, numbers, values):
        found[own] = [(int(alive[n]), float(value)) for n, value in zip(others, cosine)]
    return found


def _list_kernels(
    net: Network, params: Params, tap: str, count: int
) -> list[tuple[int, np.ndarray]]:
    """Lists kernels `[f, n]` that may be compared, with the unit that the first one makes."""
    if not net.rows:
        try:
            kernels = filters(net, params, tap=tap).kernels
        except ValueError:  # there is none under that name
            return []
        return [(0, kernels.reshape(count, -1))] if len(kernels) == count else []
    wiring = Wiring(net, params)
    makers = wiring.find_makers(tap) or []
    starts = [maker.start for maker in makers]
    if len(set(starts)) < len(starts):
        return []  # a sum of several
    found = []
    for maker in makers:
        if not maker.kernel:
            continue
        kernel = wiring.read_kernel(maker.row) * np.sign(maker.factor)
        rows = kernel.reshape(-1, kernel.shape[-1]).T
        for group, part in enumerate(np.split(rows, wiring.rows[maker.row].groups)):
            found.append((maker.start + group * len(part), part))
    return found
