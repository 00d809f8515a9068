"""What a sweep has made, in the forms that other programs read."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxvis.escape import escape, escape_path, slug
from jaxvis.sweep.contents import is_own
from jaxvis.sweep.export_tables import (
    CSV,
    PARQUET,
    Columns,
    Table,
    import_pyarrow,
    write_csv,
    write_parquet,
)
from jaxvis.sweep.export_tars import Tars
from jaxvis.sweep.leftovers import remove_path
from jaxvis.sweep.plan import Plan
from jaxvis.sweep.store import Store

FORMS = (CSV, PARQUET, "files", "webdataset")
"""A table of the rows; loose pictures with a table; tars of pictures and rows."""
TABLE = "rows.csv"
"""The table beside loose pictures."""
MEND = "jaxvis sweep verify --mend, then jaxvis sweep resume, make it again"
PER_TAR = 10**9
"""Bytes that a tar has at most, unless a single picture has more."""

Tell = Callable[[str, int], object]
"""Called with the name of each shard that was exported, and the number of its pictures."""


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes:
      rows: how many.
      pictures: how many, where pictures are exported.
      left_out: rows without a picture, where pictures alone are exported.
      shards: from how many of `planned`.
      planned: how many the plan has.
    """

    rows: int
    pictures: int
    left_out: int
    shards: int
    planned: int


class _Reader:
    """The shards of a store that are there, in the order of the plan."""

    def __init__(self, store: Store, tell: Tell | None) -> None:
        self.store, self.tell = store, tell
        self.plan: Plan = store.read_plan()
        done = set(store.list_done())
        self.names = [shard.name for shard in self.plan.shards if shard.name in done]

    def read(self) -> Iterator[tuple[str, list[dict[str, Any]], dict[str, str]]]:
        """Yields the name, the rows and the sha256 of the files of each shard."""
        for name in self.names:
            record = self.store.read_record(name)
            for row in record["rows"]:
                if not re.fullmatch(r"\w+", row["name"]):
                    shown = f"{escape_path(self.store.url)}/records/{name}.json"
                    raise ValueError(f"{shown} names a picture {escape(row['name'])!r}: {MEND}")
            yield name, record["rows"], dict(record["files"])

    def read_rows(self) -> Iterator[dict[str, Any]]:
        """Yields all rows, each with the name of its shard."""
        for name, rows, _ in self.read():
            for row in rows:
                yield {**row, "shard": name}
            if self.tell is not None:
                self.tell(name, len(rows))

    def read_pictures(
        self, names: dict[str, int]
    ) -> Iterator[tuple[str, dict[str, Any], bytes | None]]:
        """Yields a name of its own, the row and the bytes of every picture; None without one.

        Args:
          names: how often each name is used.
        """
        for shard, rows, sums in self.read():
            for row in rows:
                name, file = row["name"], row["file"]
                # With several settings a name comes once in each: the shard tells them apart.
                own = f"{name}_{shard.partition('_')[0]}" if names[name] > 1 else name
                data = self._read_file(shard, file, sums) if file else None
                yield own, {**row, "shard": shard}, data
            if self.tell is not None:
                self.tell(shard, len(rows))

    def _read_file(self, shard: str, path: str, sums: dict[str, str]) -> bytes:
        """Reads a picture, and refuses one that is not as it was written."""
        shown = f"{escape_path(self.store.url)}/{escape_path(path)}"
        try:
            data = self.store.files.read(path) if is_own(path, shard) else b""
        except FileNotFoundError:
            raise ValueError(f"{shown} is missing: {MEND}") from None
        if hashlib.sha256(data).hexdigest() != sums.get(path):
            raise ValueError(f"{shown} is damaged: {MEND}")
        return data


def export_store(
    store: Store, out: Path, form: str, *, per_tar: int | None = None, tell: Tell | None = None
) -> Exported:
    """Exports what is there of a sweep; the same store always gives the same bytes.

    Args:
      store: of a sweep, complete or not.
      out: the file of a table, or the folder of the other forms. Not there yet, or an empty
        folder.
      form: one of `FORMS`. A table has a column for each setting, metric and judge's
        answer, and in Parquet the loss curve as a list; files are the pictures in a folder a
        layer, with a table; webdataset are tars in which NAME.png and NAME.json follow each
        other.
      per_tar: pictures of a tar; None makes tars of 1 GB at most.
      tell: told of each shard.

    Raises:
      OSError: if something cannot be read or written; nothing is left of the export then.
      ValueError: for a place that holds files, a damaged picture or record, an unknown form,
        or Parquet without pyarrow.
    """
    if form not in FORMS:
        raise ValueError(f"sweeps are exported as {', '.join(FORMS)}, not as {form!r}")
    if per_tar is not None and form != "webdataset":
        raise ValueError("--per-tar is of webdataset: leave it out")
    _check_free(out, form)
    if form == PARQUET:
        import_pyarrow()
    reader = _Reader(store, None)
    columns, names, missing = Columns(), dict[str, int](), 0
    for row in reader.read_rows():
        columns.add(row)
        names[row["name"]] = names.get(row["name"], 0) + 1
        missing += not row["file"]
    rows, reader.tell = sum(names.values()), tell
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    remove_path(part)
    try:
        if form in (CSV, PARQUET):
            (write_csv if form == CSV else write_parquet)(part, columns, reader.read_rows())
        elif form == "files":
            _write_files(part, reader, columns, names)
        else:
            _write_tars(part, reader, names, per_tar)
        if out.is_dir():
            out.rmdir()  # it is empty, and not every system renames over it
        os.replace(part, out)
    finally:
        remove_path(part)
    return Exported(
        rows=rows,
        pictures=0 if form in (CSV, PARQUET) else rows - missing,
        left_out=missing if form == "webdataset" else 0,
        shards=len(reader.names),
        planned=len(reader.plan.shards),
    )


def _check_free(out: Path, form: str) -> None:
    """Checks that nothing is where the export goes."""
    shown = escape_path(out)
    if "://" in str(out) or str(out).startswith(("s3:/", "gs:/", "memory:/")):
        raise ValueError(f"{shown}: an export goes to a folder of this machine")
    if not out.absolute().parent.is_dir():
        raise ValueError(f"there is no folder {escape_path(out.absolute().parent)} for {shown}")
    if form in (CSV, PARQUET) and out.exists():
        raise ValueError(f"{shown} exists: name a new file")
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{shown} holds files: name a new or empty folder")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{shown} is a file: name a new or empty folder")


def _write_files(part: Path, reader: _Reader, columns: Columns, names: dict[str, int]) -> None:
    """Writes loose pictures, a folder a layer, and the table."""
    part.mkdir()
    with Table(part / TABLE, columns) as table:
        for name, row, data in reader.read_pictures(names):
            file = None
            if data is not None:
                folder = slug(row["tap"] or "") or slug(row["method"])
                (part / folder).mkdir(exist_ok=True)
                file = f"{folder}/{name}.{row['file'].rpartition('.')[2]}"
                (part / file).write_bytes(data)
            table.write({**row, "file": file})


def _write_tars(part: Path, reader: _Reader, names: dict[str, int], per_tar: int | None) -> None:
    """Writes tars of pictures, each followed by its row."""
    part.mkdir()
    with Tars(part, most_bytes=PER_TAR, most_samples=per_tar) as tars:
        for name, row, data in reader.read_pictures(names):
            if data is not None:
                ending = row["file"].rpartition(".")[2]
                text = json.dumps(row, allow_nan=False).encode()
                tars.add({f"{name}.{ending}": data, f"{name}.json": text})
