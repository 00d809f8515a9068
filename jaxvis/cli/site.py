"""jaxvis site: pages to look through what sweeps have made."""

from pathlib import Path

from jaxvis.cli.flags import Folder, Text
from jaxvis.cli.locking import lock_folder
from jaxvis.site.building import Built, build_site

SHOWN = 3
"""Missing pictures that are named."""


def site(
    folders: tuple[Path, ...],
    /,
    *,
    out: Path,
    labels: Folder = None,
    title: Text = None,
) -> int:
    """Makes a site of the folders of sweeps: pages that open from a disk in any browser.

    It can be made again at any time, also while a sweep runs; only what has changed is
    written. Folders of one network that hold different methods are shown together, and
    others side by side. For example:
    jaxvis site sweeps/vgg19 --out site --labels labels.csv

    Args:
      folders: that jaxvis sweep run has written.
      out: a new or empty folder, or one that holds a site.
      labels: a CSV file with the columns tap, index, label and maybe score, or layer, unit,
        description and similarity, as CLIP-Dissect writes them.
      title: of the site; the network's name if left out.

    Raises:
      OSError: if a file cannot be opened or written.
      ValueError: if a folder is no sweep, nothing is finished, or --out holds something else.
    """
    built = build_site(folders, out, labels=labels, title=title, lock=lock_folder)
    report_built(out, built)
    return 0


def report_built(out: Path, built: Built) -> None:
    """Prints what was built.

    Args:
      out: the site.
      built: what `build_site` says of it.
    """
    count = f"{built.units} units in {built.layers} layer{'s' * (built.layers != 1)}"
    print(f"{out / 'index.html'}: {count}, {built.written} files written")
    if built.done < built.total:
        print(f"the sweep is not finished: {built.done} of {built.total} pictures")
    if built.missing:
        names = ", ".join(built.missing[:SHOWN])
        print(f"{len(built.missing)} pictures are not in the folder, such as {names}")
