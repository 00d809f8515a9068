"""Photographs of known classes: what is attacked, judged and learned from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxvis.attacks.rows import score_images
from jaxvis.cli.parsing import parse_indices
from jaxvis.cli.photographs import choose_size, read_for
from jaxvis.escape import slug
from jaxvis.images import to_channels
from jaxvis.network import Network
from jaxvis.train.images import Images, open_folder
from jaxvis.weights.class_names import find_label
from jaxvis.weights.load import LoadedNetwork


class Photographs(NamedTuple):
    """Photographs of one size.

    Attributes:
      names: N of them, without ending.
      images: `[N, H, W, C]` float32 in [0, 1], whole levels of a file.
      labels: N classes, where the folders they lie in are named as classes; or None.
      skipped: name -> why a file of the folder is not among them.
    """

    names: tuple[str, ...]
    images: np.ndarray
    labels: tuple[int, ...] | None
    skipped: Mapping[str, str]

    def __len__(self) -> int:
        """How many there are, and not how many fields."""
        return len(self.names)


def open_photographs(
    opened: LoadedNetwork, source: str, size: str | None, *, levels: int = 255
) -> Photographs:
    """Reads one photograph, or those of a folder, as a network is shown them.

    Args:
      opened: the network.
      source: a file, a folder, or the name of a photograph that comes with jaxvis.
      size: see `jaxvis.cli.photographs.choose_size`.
      levels: the levels of a channel that files will have, so that what is attacked is what
        a file can hold.

    Raises:
      OSError: if nothing can be read.
      ValueError: for a folder whose images have no common size, or a wrong size.
    """
    net = opened.net
    if not Path(source).is_dir():
        image = read_for(net, source, size)[None]
        return Photographs((Path(source).stem,), _round(image, levels), None, {})
    wanted = choose_size(net, size)
    if wanted is None:
        raise ValueError("the photographs of a folder need one size: pass --size 224, not own")
    found = open_folder(source, size=wanted)
    grey = stack_images(found, net)
    names = tuple(slug(str(Path(name).with_suffix(""))) for name in found.names)
    if len(set(names)) < len(names):
        names = tuple(slug(name) for name in found.names)
    labels = read_labels(found.names, opened)
    return Photographs(names, _round(grey, levels), labels, found.skipped)


def _round(images: np.ndarray, levels: int) -> np.ndarray:
    return (np.rint(levels * np.asarray(images, np.float64)) / levels).astype(np.float32)


def stack_images(images: Images, net: Network) -> np.ndarray:
    """Reads all images of a folder as a network is shown them, `[N, H, W, C]` in [0, 1].

    Args:
      images: of one size, as `jaxvis.train.images.open_folder` gives them.
      net: its channels are theirs.
    """
    colour = np.stack([np.asarray(images[i], np.float32) / 255 for i in range(len(images))])
    return np.asarray(to_channels(colour, net.channels), np.float32)


def read_labels(files: Sequence[str], opened: LoadedNetwork) -> tuple[int, ...] | None:
    """Returns the classes that the folders of files are named after; None where any is not.

    Args:
      files: paths; the folder that a file lies in is its class, by name or number.
      opened: the network whose classes they are.
    """
    if opened.net.scores is None:
        return None
    folders = [Path(name).parent.name for name in files]
    count = opened.net.shape(opened.params, opened.net.scores)[-1]
    found: list[int] = []
    for folder in folders:
        try:
            found.append(find_label(folder, opened.labels))
        except ValueError:
            if not (folder.isdecimal() and int(folder) < count):
                return None
            found.append(int(folder))
    return tuple(found)


def describe_labels(photos: Photographs, label: str | None) -> str:
    """Says where the true classes of photographs are from.

    Args:
      photos: what is attacked.
      label: the flag.
    """
    if label is not None:
        return f"the true class of all is {label}"
    if photos.labels is not None:
        return "true classes: the names of the folders"
    return (
        "true classes: what the network says, as not every image lies in a folder that is "
        "named after a class"
    )


def find_labels(opened: LoadedNetwork, photos: Photographs, label: str | None) -> np.ndarray:
    """Finds the true class of every photograph, `[N]` int32.

    Args:
      opened: the network.
      photos: of `open_photographs`.
      label: the flag; None takes the folders that photographs lie in, where these are named
        as classes, and otherwise what the network says.

    Raises:
      ValueError: for an unknown class, or a network without classes.
    """
    if opened.net.scores is None:
        raise ValueError(f"{opened.net.name} names no class scores, which an attack needs")
    if label is not None:
        return np.full(len(photos), find_class(opened, label, "--label"), np.int32)
    if photos.labels is not None:
        return np.asarray(photos.labels, np.int32)
    scores = score_images(opened.net, opened.params, photos.images)
    return np.argmax(scores, -1).astype(np.int32)


def find_class(opened: LoadedNetwork, text: str, flag: str) -> int:
    """Finds the one class that a flag names.

    Args:
      opened: the network.
      text: its number or name.
      flag: what messages call it.

    Raises:
      ValueError: for none, or several.
    """
    count = opened.net.shape(opened.params, opened.net.scores or "")[-1]
    found = parse_indices(text, count=count, what="class", labels=opened.labels)
    if len(found) != 1:
        raise ValueError(f"{flag} {text} names {len(found)} classes: name one")
    return found[0]
