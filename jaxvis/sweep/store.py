"""Where a sweep is kept: a folder, or a place that fsspec reaches, such as s3://bucket/sweep.

    plan.json             what is made
    records/SHARD.json    written last: what is in a shard, and the sha256 of its files
    shards/SHARD/*.png    its pictures
    times/SHARD.json      how long it took, and where

A shard is there when its record is. Pictures of a folder are written beside it under a
hidden name, which becomes the shard's when all are there. Elsewhere a file appears whole
or not at all, so pictures come first and the record last.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxvis.escape import escape, escape_path
from jaxvis.sweep.places import Files, LocalFiles, RemoteFiles
from jaxvis.sweep.plan import Plan
from jaxvis.sweep.plan_file import (
    decode_plan,
    describe_work,
    encode_plan,
    hash_plan,
    list_differences,
)
from jaxvis.sweep.seals import seal_record

PLAN = "plan.json"
FOLDERS = ("records", "shards", "times")
"""What a store consists of, beside its plan."""
MEASURED = ("measures", "network.json")
"""What `jaxvis sweep measure` writes beside a sweep, or before it."""


@dataclass(frozen=True, eq=False, repr=False)
class Store:
    """A sweep that is kept somewhere.

    Attributes:
      url: as the user named it.
      files: how its files are reached.

    >>> import tempfile
    >>> from jaxvis.sweep import Wish, make_sweep, plan_sweep
    >>> wish = Wish(units=[("conv2_1", [3])], settings={"steps": [2]}, size=(32, 32))
    >>> store = make_sweep(plan_sweep("demo", wish), tempfile.mkdtemp())
    >>> store.read_plan().count, len(store.list_done())
    (1, 1)
    """

    url: str
    files: Files

    def __repr__(self) -> str:
        """One line: where it is, and how much of its plan is there."""
        return f"Store({self.url!r}, {len(self.list_done())} shards)"

    @property
    def folder(self) -> Path | None:
        """The folder, where the store is one of this machine."""
        return self.files.root if isinstance(self.files, LocalFiles) else None

    def read_plan(self) -> Plan:
        """Reads the plan.

        Raises:
          OSError: if it cannot be read.
          ValueError: if there is none, or it is damaged.
        """
        try:
            data = self.files.read(PLAN)
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError(
                f"{escape(self.url)} holds no {PLAN}: begin with jaxvis sweep run PLAN DIR"
            ) from None
        return decode_plan(data, f"{escape_path(self.url)}/{PLAN}")

    def begin(self, plan: Plan) -> None:
        """Writes the plan, or checks that the one that is there makes the same pictures.

        Args:
          plan: what is made.

        Raises:
          OSError: if it cannot be written.
          ValueError: if something else is there, or another plan; names the difference.
        """
        names = self.files.list("")
        if PLAN in names:
            self.check(plan)
            return
        if set(names) - {*MEASURED}:
            raise ValueError(
                f"{escape(self.url)} holds files but no {PLAN}: name a new or empty folder"
            )
        self.files.write(PLAN, encode_plan(plan))

    def check(self, plan: Plan) -> None:
        """Checks that the plan that is there makes the same pictures as another one.

        Args:
          plan: the other one.

        Raises:
          OSError: if it cannot be read.
          ValueError: names the difference.
        """
        found = self.read_plan()
        if hash_plan(found) != hash_plan(plan):
            what = list_differences(describe_work(found), describe_work(plan))
            raise ValueError(
                f"{escape(self.url)} was begun with another plan ({'; '.join(what)}): name "
                "another folder, or go on with jaxvis sweep resume"
            )

    def list_done(self) -> list[str]:
        """Lists the names of the shards that are there, sorted."""
        names = self.files.list("records")
        return [name.removesuffix(".json") for name in names if name.endswith(".json")]

    def commit(
        self,
        name: str,
        pictures: Mapping[str, bytes],
        record: Mapping[str, Any],
        times: Mapping[str, Any],
    ) -> None:
        """Writes a shard: pictures, then its record.

        Args:
          name: of the shard.
          pictures: file name -> bytes.
          record: what is in it; the sha256 sums are added here.
          times: what differs from run to run.

        Raises:
          OSError: if it cannot be written; the shard is not there then.
        """
        sums = {
            f"shards/{name}/{file}": hashlib.sha256(data).hexdigest()
            for file, data in pictures.items()
        }
        whole = {"schema": 1, "shard": name, **record, "files": sums}
        self.files.write_folder(f"shards/{name}", pictures)
        self.files.write(f"times/{name}.json", encode_json(times))
        self.files.write(f"records/{name}.json", seal_record(whole))

    def read_record(self, name: str) -> dict[str, Any]:
        """Reads what is in a shard.

        Args:
          name: of the shard.

        Raises:
          OSError: if it cannot be read.
          ValueError: if the record is damaged.
        """
        path = f"records/{name}.json"
        try:
            whole: dict[str, Any] = json.loads(self.files.read(path).decode("utf-8"))
            sound = whole["shard"] == name and isinstance(whole["rows"], list)
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise ValueError(
                f"{escape(self.url)}/{path} is damaged: jaxvis sweep verify --mend makes it again"
            )
        return whole

    def read_rows(self) -> Iterator[dict[str, Any]]:
        """Yields a row for every picture that is there, shard by shard.

        Raises:
          OSError, ValueError: as `read_record`.
        """
        for name in self.list_done():
            yield from self.read_record(name)["rows"]


def encode_json(value: Mapping[str, Any]) -> bytes:
    """Encodes JSON values as the bytes of a file.

    Args:
      value: JSON values; numbers are finite.
    """
    return (json.dumps(value, indent=None, allow_nan=False) + "\n").encode()


def open_store(url: str | os.PathLike) -> Store:
    """Opens the place where a sweep is, or will be.

    Args:
      url: a folder, or what fsspec understands: memory://name, s3://bucket/path,
        gs://bucket/path.

    Raises:
      ValueError: for a protocol that nothing installed understands; names the pip line.

    >>> import tempfile
    >>> from jaxvis.sweep import open_store
    >>> open_store(tempfile.mkdtemp()).list_done()
    []
    """
    text = os.fspath(url)
    if "://" not in text:
        return Store(text, LocalFiles(Path(text)))
    protocol = text.partition("://")[0]
    extra = {"s3": "s3", "gs": "gs", "gcs": "gs"}.get(protocol)
    try:
        import fsspec

        system, root = fsspec.core.url_to_fs(text)
    except ImportError as missing:
        line = f"jaxvis[{extra}]" if extra else "fsspec"
        raise ValueError(
            f'{escape(text)} needs a package that is missing ({missing}): pip install "{line}"'
        ) from None
    except ValueError as unknown:
        raise ValueError(f"{escape(text)}: {unknown}") from None
    if protocol == "file":
        return Store(text, LocalFiles(Path(root)))
    return Store(text, RemoteFiles(system, root.rstrip("/")))
