"""jaxvis sweep export: what a sweep has made, as tables, loose pictures or tars."""

from pathlib import Path

from tqdm import tqdm

from jaxvis.cli.flags import Count
from jaxvis.cli.sweep_flags import Form
from jaxvis.escape import escape_path
from jaxvis.sweep.export import export_store
from jaxvis.sweep.store import open_store


def export(
    dir: str,
    /,
    *,
    to: Path,
    form: Form = "csv",
    per_tar: Count = None,
) -> int:
    """Writes what is there of a sweep in a form that other programs read.

    Tables have a row for each picture, with its settings, metrics and what judges say. The
    same sweep always gives the same bytes. Every picture is compared with its sha256. For
    example: jaxvis sweep export pictures --to rows.csv

    Args:
      dir: the folder of the sweep, or s3://bucket/path, gs://...
      to: a new file for csv and parquet, a new or empty folder for files and webdataset.
      form: csv is a table; parquet one that also holds the loss curves (it needs pip
        install "jaxvis[parquet]"); files are the pictures, in a folder a layer, with
        rows.csv; webdataset are tars of NAME.png and NAME.json.
      per_tar: pictures in each tar; as many as make 1 GB if left out.

    Raises:
      OSError: if something cannot be read or written.
      ValueError: if there is no sweep, --to holds files, or a picture is damaged.
    """
    store = open_store(dir)
    with tqdm(total=store.read_plan().count, unit="picture", delay=1) as bar:
        found = export_store(
            store, to, form, per_tar=per_tar, tell=lambda shard, count: bar.update(count)
        )
    what = f"{found.pictures} pictures" if found.pictures else f"{found.rows} rows"
    print(f"{escape_path(to)}: {what}")
    if found.left_out:
        print(f"{found.left_out} rows have no picture and were left out")
    if found.shards < found.planned:
        print(f"the sweep is not complete: {found.shards} of {found.planned} shards")
    return 0
