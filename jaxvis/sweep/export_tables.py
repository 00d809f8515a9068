"""Rows of a sweep as a table: a column for every setting, metric and answer of a judge."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from jaxvis.sweep.extras import import_extra

CSV, PARQUET = "csv", "parquet"
FIRST = (
    *("name", "shard", "method", "tap", "index", "label", "seed", "source", "file"),
    *("status", "why", "finite", "height", "width"),
)
"""Columns that every table begins with."""
LATER = ("settings", "metrics", "judges")
"""What the columns after them come from, in this order."""
CURVE = "curve"
"""The column of the loss of every step, which only Parquet holds."""
GROUP = 8192
"""Rows that are written together in Parquet."""

Cell = str | int | float | bool | None


def flatten_row(row: Mapping[str, Any]) -> dict[str, Cell]:
    """Gives a row as the cells of a table, by the names of their columns.

    Args:
      row: of a record, with its shard.

    >>> from jaxvis.sweep.export_tables import flatten_row
    >>> row = {"name": "a", "settings": {"steps": 4}, "metrics": {"loss": 0.5}, "size": [8, 9]}
    >>> flatten_row(row)
    {'name': 'a', 'height': 8, 'width': 9, 'settings.steps': 4, 'metrics.loss': 0.5}
    """
    height, width = row["size"]
    cells: dict[str, Cell] = {name: row[name] for name in FIRST if name in row}
    cells |= {"height": height, "width": width}
    for part in ("settings", "metrics"):
        cells |= {f"{part}.{name}": _to_cell(value) for name, value in row[part].items()}
    seen: dict[str, int] = {}
    for judge in row.get("judges", ()):
        network = str(judge["network"])
        seen[network] = seen.get(network, 0) + 1
        # The same network may judge with several weights.
        shown = network if seen[network] == 1 else f"{network}#{seen[network]}"
        answers = {name: value for name, value in judge.items() if name != "network"}
        cells |= {f"judges.{shown}.{name}": _to_cell(one) for name, one in answers.items()}
    return cells


def _to_cell(value: Any) -> Cell:
    plain = value is None or isinstance(value, str | int | float | bool)
    return value if plain else json.dumps(value)


class Columns:
    """The columns that some rows have, and the kinds of their values."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[type]] = {name: set() for name in FIRST}
        self.curves = False

    def add(self, row: Mapping[str, Any]) -> None:
        """Adds the columns of a row.

        Args:
          row: of a record, with its shard.
        """
        for name, value in flatten_row(row).items():
            kinds = self._kinds.setdefault(name, set())
            if value is not None:
                kinds.add(type(value))
        self.curves = self.curves or bool(row.get(CURVE))

    @property
    def names(self) -> list[str]:
        """The columns: the first ones, then settings, metrics and judges as they came."""
        others = [name for name in self._kinds if name not in FIRST]
        parts = [name for part in LATER for name in others if name.startswith(f"{part}.")]
        return [*FIRST, *parts]

    def find_kind(self, name: str) -> type:
        """Finds the one kind that holds all values of a column: bool, int, float or str.

        Args:
          name: of the column.
        """
        kinds = self._kinds[name]
        if kinds <= {int, float} and kinds:
            return float if float in kinds else int
        return next(iter(kinds)) if len(kinds) == 1 else str


class Table:
    """A CSV file that is being written; use it in a `with` block.

    Args:
      path: of the new file.
      columns: of all rows.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.names = columns.names
        self._file = open(path, "w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._csv.writerow(self.names)

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes a row; what it does not have stays empty.

        Args:
          row: of a record, with its shard.
        """
        cells = flatten_row(row)
        self._csv.writerow([cells.get(name) for name in self.names])

    def __enter__(self) -> "Table":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()


def write_csv(path: Path, columns: Columns, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as CSV.

    Args:
      path: of the new file.
      columns: of all rows.
      rows: of records, with their shards.

    Raises:
      OSError: if it cannot be written.
    """
    with Table(path, columns) as table:
        for row in rows:
            table.write(row)


def import_pyarrow() -> Any:
    """Imports what writes Parquet.

    Raises:
      ValueError: if it is not installed; says how to install it.
    """
    import_extra("pyarrow.parquet", "parquet")
    return import_extra("pyarrow", "parquet")


def write_parquet(path: Path, columns: Columns, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as Parquet: whole numbers, floats, truth values, texts, and loss curves.

    Args:
      path: of the new file.
      columns: of all rows.
      rows: of records, with their shards.

    Raises:
      OSError: if it cannot be written.
      ValueError: if pyarrow is not installed.
    """
    arrow = import_pyarrow()
    kinds = {bool: arrow.bool_(), int: arrow.int64(), float: arrow.float64(), str: arrow.string()}
    types = [(name, kinds[columns.find_kind(name)]) for name in columns.names]
    types += [(CURVE, arrow.list_(arrow.float64()))] if columns.curves else []
    schema = arrow.schema(types)
    with arrow.parquet.ParquetWriter(path, schema) as writer:
        for group in _group(rows):
            cells = [flatten_row(row) | {CURVE: row.get(CURVE) or None} for row in group]
            arrays = [
                arrow.array([_cast(one.get(name), kind, arrow) for one in cells], kind)
                for name, kind in types
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def _cast(value: Any, kind: Any, arrow: Any) -> Any:
    """Gives a value as its column holds it: a column of several kinds holds texts."""
    text = kind == arrow.string() and value is not None and not isinstance(value, str)
    return json.dumps(value) if text else value


def _group(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    group: list[Mapping[str, Any]] = []
    for row in rows:
        group.append(row)
        if len(group) == GROUP:
            yield group
            group = []
    if group:
        yield group
