"""Rows: what the records of a sweep say of every picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxvis.site.fields import Fields, read_fields
from jaxvis.types import Status

ENDS = {
    **{one.name.lower(): one.name.lower() for one in Status},
    # Optimizers that search end so: the picture is as good as it gets.
    **{one.name.lower(): "done" for one in (Status.CONVERGED, Status.STALLED)},
}
"""How an item may have ended -> what pages say of it."""


@dataclass(frozen=True)
class Judge:
    """What another network sees in a picture.

    Attributes:
      network: its name.
      label: of the class that it gives the highest score, or None.
      index: that class.
      probability: of it, from 0 to 1, or None.
      rank: how many classes it prefers to the one that was meant; or None.
    """

    network: str
    label: str | None
    index: int | None
    probability: float | None
    rank: float | None


@dataclass(frozen=True)
class Row:
    """One picture of a sweep.

    Attributes:
      name: of the picture, without ending.
      method: that made it, such as "maximize".
      settings: of the method, any JSON.
      tap: the layer; None for class scores, or where the method has none.
      index: the channel or class, or None.
      label: of the class, or None.
      seed: number of the picture among those of its item.
      source: the photograph that it was made from, or None.
      file: its path inside the folder, or None where it was not finite.
      status: one of the values of `ENDS`.
      why: what went wrong, in words, or None.
      size: (H, W) in pixels, or None.
      metrics: numbers of it; only those that are finite.
      judges: what other networks see in it.
      curve: the loss at each step, None where it was not finite.
    """

    name: str
    method: str
    settings: Mapping[str, Any]
    tap: str | None
    index: int | None
    label: str | None
    seed: int
    source: str | None
    file: str | None
    status: str
    why: str | None
    size: tuple[int, int] | None
    metrics: Mapping[str, float]
    judges: tuple[Judge, ...]
    curve: tuple[float | None, ...]


def read_records(folder: Path) -> tuple[Row, ...]:
    """Reads the rows of all records of a folder, ordered by shard and place.

    Args:
      folder: of the sweep.

    Raises:
      OSError: if a record cannot be opened.
      ValueError: if one is no record.
    """
    rows: list[Row] = []
    for path in sorted((folder / "records").glob("*.json")):
        if path.name.startswith("."):
            continue
        record = read_fields(path, f"{folder}/records/{path.name}")
        if not isinstance(record.value.get("rows"), list):
            raise ValueError(f"{record.where} has no rows: it is no record of a sweep")
        rows += map(read_row, record.objects("rows"))
    return tuple(rows)


def read_row(fields: Fields) -> Row:
    """Reads one row.

    Args:
      fields: of its JSON object.

    Raises:
      ValueError: if it is no row.
    """
    status, size, settings = (
        fields.text("status"),
        fields.sequence("size"),
        fields.inner("settings"),
    )
    if status not in ENDS:
        raise ValueError(f"{fields.where}: status is none of {', '.join(ENDS)}")
    if size and (len(size) != 2 or not all(type(one) is int and 0 < one < 2**20 for one in size)):
        raise ValueError(f"{fields.where}: size is no [height, width] in pixels")
    return Row(
        name=fields.text("name"),
        method=fields.text("method"),
        settings=settings.value if settings else {},
        tap=fields.optional_text("tap"),
        index=fields.optional_whole("index"),
        label=fields.optional_text("label"),
        seed=fields.optional_whole("seed") or 0,
        source=fields.optional_text("source"),
        file=fields.picture("file"),
        status=ENDS[status],
        why=fields.optional_text("why"),
        size=(size[0], size[1]) if size else None,
        metrics=fields.metrics("metrics"),
        judges=tuple(_read_judge(one) for one in fields.objects("judges")),
        curve=fields.numbers("curve"),
    )


def _read_judge(fields: Fields) -> Judge:
    return Judge(
        network=fields.text("network"),
        label=fields.optional_text("label"),
        index=fields.optional_whole("class"),
        probability=fields.number("probability"),
        rank=fields.number("rank"),
    )
