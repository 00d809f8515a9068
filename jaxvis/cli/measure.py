"""jaxvis sweep measure: what is known of each unit of a network, for the site of a sweep."""

from pathlib import Path

from jaxvis.cli.flags import NETWORK, NetworkFlags, default_of
from jaxvis.cli.locking import lock_folder
from jaxvis.cli.opening import open_net
from jaxvis.cli.parsing import parse_words
from jaxvis.cli.skipping import describe_images
from jaxvis.output.folder import list_images
from jaxvis.site.measures.measure import measure_units, write_network
from jaxvis.site.measures.store import FOLDER, check_folder


def measure(
    folder: Path,
    net: str,
    /,
    *,
    tap: str | None = None,
    photos: Path | None = None,
    top: int = default_of(measure_units, "top"),
    overwrite: bool = False,
    network: NetworkFlags = NETWORK,
) -> None:
    """Measures the units of a network, and writes what is known of them into a sweep's folder.

    Of each unit: the patches of photographs that excite it most and that matter most, its
    histogram, its tuning to angles and hues, the units that are most alike, and those that it
    is fed by and feeds. network.json holds the facts of the layers. What is there from the
    same weights and photographs stays, so that an interrupted command can be called again.
    For example: jaxvis sweep measure SWEEP squeezenet1_1 --photos PHOTOS

    Args:
      folder: of the sweep, or a new one.
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      tap: the layers, such as conv1_1,conv2_1; all that have kernels, and the classes, if
        left out.
      photos: a folder of images; what needs none is measured if left out.
      top: patches of each unit.
      overwrite: measure again what is there, and replace what was made of others.

    Raises:
      OSError: if weights or a folder cannot be opened.
      ValueError: for a flag that does not fit the network or the folder.
    """
    opened = open_net(net, network)
    taps = parse_words(tap)
    if taps is not None:
        opened.net.check_taps(taps)
    check_folder(folder)
    if photos is not None:
        list_images(photos)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    lock_folder(folder / FOLDER)
    write_network(
        folder,
        opened.net,
        opened.params,
        weights=opened.weights,
        labels=opened.labels,
        overwrite=overwrite,
    )
    found = measure_units(
        folder,
        opened.net,
        opened.params,
        taps=taps,
        photos=photos,
        top=top,
        overwrite=overwrite,
        progress=True,
    )
    if found.images is not None:
        print(describe_images(len(found.images), dict(found.images.skipped)))
    layers = f"{len(found.made)} layer{'s' * (len(found.made) != 1)}"
    there = f", {len(found.there)} were there" if found.there else ""
    print(f"{folder}: {found.units} units of {layers}{there}")
