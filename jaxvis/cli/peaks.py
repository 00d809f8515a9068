"""Channels' largest activations on photographs: measured, or read from a record."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.cli.opening import Opened
from jaxvis.methods.preimage.peaks import measure_peaks
from jaxvis.output.io import SAMPLES, read_image, read_sample_photo

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".tif", ".tiff")


def peaks_of(opened: Opened, tap: str, text: str | None) -> dict[str, Any]:
    """Returns what a record says of a tap's peaks: "tap", "source", "images", "values".

    Args:
      opened: the network.
      tap: the layer.
      text: a folder of images; a record.json that holds this tap's peaks, which are
        taken over; or None for the photographs that come with jaxvis.

    Raises:
      OSError: if a file or folder cannot be read.
      ValueError: for a folder without images, or a record of another network or tap.
    """
    if text is not None and Path(text).suffix == ".json":
        return _recorded(opened, tap, Path(text))
    size = opened.net.input_size
    if text is None:
        images = [read_sample_photo(name, size=size) for name in SAMPLES]
        source = "photographs of jaxvis"
    else:
        files = sorted(p for p in Path(text).iterdir() if p.suffix.lower() in ENDINGS)
        if not files:
            raise ValueError(f"{text} holds no image ({', '.join(ENDINGS)})")
        images = [read_image(file, size=size) for file in files]
        source = text
    values = measure_peaks(opened.net, opened.params, images, tap=tap)
    found = {"tap": tap, "source": source, "images": len(images)}
    return {**found, "values": [float(value) for value in values]}


def _recorded(opened: Opened, tap: str, path: Path) -> dict[str, Any]:
    """Returns the peaks that a record keeps, if they are this network's and tap's."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        found, network = record.get("peaks"), record.get("network", {})
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError):
        raise ValueError(f"{path} is no record of a run") from None
    if not isinstance(found, dict) or found.get("tap") != tap:
        raise ValueError(f"{path} holds no peaks of {tap!r}: name a folder of images")
    same = network.get("name"), network.get("sha256")
    if same != (opened.net.name, opened.sha256):
        raise ValueError(
            f"{path} holds peaks of {same[0]} with other weights: name a folder of images"
        )
    return found


def values_of(found: dict[str, Any]) -> np.ndarray:
    """Returns the peaks of what `peaks_of` returned, `[c]`.

    Args:
      found: what a record says.
    """
    return np.asarray(found["values"], np.float32)
