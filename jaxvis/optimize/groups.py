"""Which items of a sweep come next: a chunk for each device, of those that are missing."""

from typing import NamedTuple

import numpy as np


class Group(NamedTuple):
    """The items that all devices take together: a chunk each.

    Attributes:
      places: `[devices * chunk]`, positions in the sweep.
      where: positions of those that are wanted; the others are done, or fill a place.
      rows: where these are in `places`.
      chunks_left: how many chunks have to be made, these included.
    """

    places: np.ndarray
    where: np.ndarray
    rows: np.ndarray
    chunks_left: int


def choose_group(missing: np.ndarray, chunk: int, devices: int, length: int) -> Group:
    """Chooses the next chunks, one for each device, of those with items that are missing.

    An item is always in the same chunk, whatever is done already. Where chunks or items
    run out the last one is taken again: another size would compile again.

    Args:
      missing: `[m]` positions in the sweep, ascending, at least one.
      chunk: how many items a device takes together.
      devices: how many devices there are.
      length: N, how many items the sweep has.
    """
    chunks = np.unique(missing // chunk)
    taken = chunks[:devices]
    every = np.pad(taken, (0, devices - len(taken)), mode="edge")
    places = np.minimum(every[:, None] * chunk + np.arange(chunk), length - 1).ravel()
    where = missing[np.isin(missing // chunk, taken)]
    rows = np.searchsorted(taken, where // chunk) * chunk + where % chunk
    return Group(places, where, rows, len(chunks))
