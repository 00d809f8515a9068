"""Channels' largest activations on photographs: measured, or read from a record."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.cli.skipping import describe_images
from jaxvis.methods.preimage.peaks import measure_peaks
from jaxvis.output.folder import read_folder
from jaxvis.output.io import SAMPLES, read_image, read_sample_photo
from jaxvis.output.record import read_record
from jaxvis.weights.load import LoadedNetwork


def find_peaks(opened: LoadedNetwork, tap: str, source: str | None) -> dict[str, Any]:
    """Finds what a record says of a tap's peaks: "tap", "source", "images", "values".

    Args:
      opened: the network.
      tap: the layer.
      source: a folder of images, of which those that cannot be read are skipped; a
        record.json that holds this tap's peaks; or None for the photographs that come
        with jaxvis.

    Returns:
      dict: the facts; "skipped" too where files of a folder could not be read.

    Raises:
      OSError: if a file or folder cannot be read.
      ValueError: for a folder without images, or a record of another network or tap.
    """
    if source is not None and Path(source).suffix == ".json":
        return _read_peaks(opened, tap, Path(source))
    count = 0
    skipped: dict[str, str] = {}

    def read() -> Iterator[np.ndarray]:
        nonlocal count
        for image in _read_images(opened, source, skipped):
            count += 1
            yield image

    values = measure_peaks(opened.net, opened.params, read(), tap=tap)
    found: dict[str, Any] = {
        "tap": tap,
        "source": source or "photographs of jaxvis",
        "images": count,
    }
    found |= {"skipped": skipped} if skipped else {}
    if source is not None:
        print(f"peaks: {describe_images(count, skipped)}")
    return {**found, "values": [float(value) for value in values]}


def _read_images(
    opened: LoadedNetwork, source: str | None, skipped: dict[str, str]
) -> Iterator[np.ndarray]:
    """Yields the images of a folder, or those that come with jaxvis, one after the other."""
    size = opened.net.input_size
    if source is None:
        yield from (read_sample_photo(name, size=size) for name in SAMPLES)
        return

    def read(path: Path) -> np.ndarray:
        return read_image(path, size=size)

    for image in read_folder(source, skipped=skipped, read=read, progress=True):
        yield image.value


def _read_peaks(opened: LoadedNetwork, tap: str, path: Path) -> dict[str, Any]:
    """Reads the peaks that a record keeps, if they are this network's and tap's."""
    record = read_record(path)
    found, network = record.get("peaks"), record.get("network", {})
    if not isinstance(found, dict) or found.get("tap") != tap:
        raise ValueError(f"{path} holds no peaks of {tap!r}: name a folder of images")
    same = network.get("name"), network.get("sha256")
    if same != (opened.net.name, opened.sha256):
        raise ValueError(
            f"{path} holds peaks of {same[0]} with other weights: name a folder of images"
        )
    return found
