"""The folder of a sweep, read and checked: rows, facts and measures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxvis.escape import escape_path
from jaxvis.site.facts import NetworkFacts, PlanFacts, read_network, read_plan_facts
from jaxvis.site.measured import Measures, read_measures
from jaxvis.site.rows import Row, read_records


@dataclass(frozen=True)
class Sweep:
    """What the folder of a sweep holds.

    Attributes:
      folder: the folder.
      rows: of all records, at least one.
      network: facts of the network, or None where they were not written.
      plan: what the plan says, or None where there is none.
      measures: layer -> what was measured of it.
    """

    folder: Path
    rows: tuple[Row, ...]
    network: NetworkFacts | None
    plan: PlanFacts | None
    measures: Mapping[str, Measures]

    @property
    def name(self) -> str:
        """The network's name, or the folder's where nothing says it."""
        if self.network is not None:
            return self.network.name
        return self.plan.network if self.plan is not None else self.folder.resolve().name

    @property
    def total(self) -> int:
        """How many pictures there will be."""
        return max(self.plan.total if self.plan is not None else 0, len(self.rows))


def read_sweep(folder: str | Path) -> Sweep:
    """Reads the folder of a sweep; one that still runs may be read at any moment.

    Args:
      folder: that `jaxvis sweep run` writes.

    Raises:
      OSError: if a file cannot be opened.
      ValueError: if it is no such folder, or no picture of it is finished.
    """
    folder, shown = Path(folder), escape_path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {shown}: name one that jaxvis sweep run has written")
    if not (folder / "records").is_dir() and not (folder / "plan.json").exists():
        raise ValueError(
            f"{shown} is no folder of a sweep (it has no records): name one that jaxvis sweep "
            "run has written"
        )
    rows = read_records(folder)
    if not rows:
        raise ValueError(f"{shown} has no finished picture yet: wait for the sweep's first shard")
    return Sweep(
        folder=folder,
        rows=rows,
        network=read_network(folder),
        plan=read_plan_facts(folder),
        measures=read_measures(folder),
    )
