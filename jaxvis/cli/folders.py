"""Folders of images, as the commands that analyse them open them."""

from pathlib import Path

from jaxvis.analysis.codes import PIXELS
from jaxvis.cli.skipping import describe_images
from jaxvis.network import Network
from jaxvis.train.images import Images, open_folder


def open_shown(net: Network, folder: Path, size: tuple[int, int] | None) -> Images:
    """Opens the images of a folder as a network is shown them, and says how many there are.

    Args:
      net: the network.
      folder: the folder.
      size: (H, W) in pixels, or None for the network's native size.

    Raises:
      OSError: if there is no such folder.
      ValueError: for a folder without images that can be used.
    """
    images = open_folder(folder, size=size or net.input_size, progress=True)
    print(describe_images(len(images), images.skipped))
    return images


def choose_layer(net: Network, tap: str | None, *, pixels: bool = False) -> str:
    """Chooses the layer that a flag names, or the one before the class scores.

    Args:
      net: the network.
      tap: the flag.
      pixels: whether the word pixels, for the image itself, is one too.

    Raises:
      ValueError: for an unknown layer, or if none is named of a network without class scores.
    """
    if tap is not None and pixels and tap == PIXELS:
        return PIXELS
    if tap is not None:
        return net.check_taps(tap)[0]
    place = net.taps.index(net.scores) if net.scores in net.taps else 0
    if place < 2:
        raise ValueError(f"{net.name} names no class scores: pass --tap, see jaxvis layers")
    return net.taps[place - 1]
