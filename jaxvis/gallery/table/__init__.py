"""The table of the gallery: every picture of docs/, and what makes it."""

from jaxvis.gallery.entry import Entry
from jaxvis.gallery.table.analysis import ANALYSIS
from jaxvis.gallery.table.generators import GENERATORS
from jaxvis.gallery.table.layers import LAYERS
from jaxvis.gallery.table.papers import PAPERS
from jaxvis.gallery.table.statistics import STATISTICS
from jaxvis.gallery.table.units import UNITS

TABLE: dict[str, Entry] = {**UNITS, **LAYERS, **STATISTICS, **GENERATORS, **ANALYSIS, **PAPERS}
"""Name -> entry."""


def find_entry(name: str) -> str:
    """Finds the entry that a name or a file of the documentation belongs to; gives its name.

    Args:
      name: such as ranvgg, ranvgg_losses.png or docs/ranvgg.jpg.

    Raises:
      ValueError: if there is none.
    """
    file = name.rpartition("/")[2]
    for known, entry in TABLE.items():
        if file == known or file in {page.rpartition("/")[2] for page in entry.pages}:
            return known
    raise ValueError(f"the gallery has no picture {name!r}: jaxvis gallery --list names them")
