"""The photographs of the gallery: by what names commands know them, and which files they are.

They belong to their owners and are no part of jaxvis. Whoever makes the pictures again names
a folder that holds them, in subfolders or not.
"""

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path

import jax
import numpy as np

from jaxvis.compiler import jit
from jaxvis.nets.demo.images import CLASSES, draw
from jaxvis.output.io import SAMPLES, write_image

FILES = {
    "photos": "imagenet_a",
    "goldfish.jpg": "001_n01443537_goldfish.jpg",
    "airliner.jpg": "404_n02690373_airliner.jpg",
    "agaric.jpg": "992_n12998815_agaric.jpg",
    "flamingo.jpg": "130_n02007558_flamingo.jpg",
    "fox.jpg": "277_n02119022_red_fox.jpg",
    "monkey.jpg": "373_n02487347_macaque.jpg",
    "pattern.jpg": "deepgoggle_stock_abstract.jpg",
    "tubingen.jpg": "tubingen_neckarfront.jpg",
    "chicago.jpg": "chicago.jpg",
    "starry_night.jpg": "starry_night_van_gogh_1889.jpg",
    "great_wave.jpg": "great_wave_hokusai.jpg",
    "scream.jpg": "the_scream_munch_1893.jpg",
    "brick.png": "brick.png",
    "grass.png": "grass.png",
    "pebbles.jpg": "pebbles_deeptextures.jpg",
    "gravel.png": "gravel.png",
}
"""Name in the commands -> name of the file, or of the folder of photographs."""
DRAWN = 5
"""Drawings of each class in the folder `shapes`."""
QUERIES = ("rings", "red", "bricks")
"""Classes of which there is a further drawing beside the folder."""


def find_photographs(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Finds the files of photographs in a folder and its subfolders.

    Args:
      folder: of photographs.
      names: of `FILES`.

    Returns:
      dict: name -> its file or folder.

    Raises:
      OSError: if there is no such folder.
      ValueError: for a file that is not there, or is there more than once.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: name that of the photographs")
    wanted = {FILES[name]: name for name in names}
    found: dict[str, list[Path]] = {name: [] for name in names}
    for path in sorted(folder.rglob("*")):
        if path.name in wanted:
            found[wanted[path.name]].append(path)
    for name, paths in found.items():
        if not paths:
            raise ValueError(f"{folder} has no {FILES[name]} ({name} in the commands)")
        if len(paths) > 1:
            raise ValueError(f"{folder} has {FILES[name]} twice: {paths[0]} and {paths[1]}")
    return {name: paths[0] for name, paths in found.items()}


def lay_photographs(folder: Path, found: Mapping[str, Path]) -> None:
    """Lays photographs into a folder under the names that commands use, as links.

    Args:
      folder: of an entry's commands.
      found: name -> its file or folder.

    Raises:
      OSError: if the folder cannot be written.
    """
    for name, path in found.items():
        (folder / name).symlink_to(path.resolve(), target_is_directory=path.is_dir())


def lay_stand_ins(folder: Path, names: Sequence[str]) -> None:
    """Lays photographs that come with jaxvis into a folder, in place of those of the gallery.

    Args:
      folder: of an entry's commands.
      names: of `FILES`.

    Raises:
      OSError: if the folder cannot be written.
    """
    with resources.as_file(resources.files("jaxvis.output") / "photographs") as own:
        for number, name in enumerate(names):
            if Path(name).suffix:
                shutil.copyfile(own / f"{SAMPLES[number % len(SAMPLES)]}.jpg", folder / name)
                continue
            (folder / name).mkdir()
            for sample in SAMPLES:
                shutil.copyfile(own / f"{sample}.jpg", folder / name / f"{sample}.jpg")


def lay_drawings(folder: Path) -> None:
    """Draws images of the embedded network's classes: a folder `shapes`, and queries beside it.

    Args:
      folder: of an entry's commands.

    Raises:
      OSError: if the folder cannot be written.
    """
    (folder / "shapes").mkdir()
    labels = jax.numpy.arange(len(CLASSES))
    paint = jit(jax.vmap(draw))
    for number in range(DRAWN + 1):
        keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(number)))(labels)
        for name, image in zip(CLASSES, np.asarray(paint(keys, labels))):
            if number < DRAWN:
                write_image(folder / "shapes" / f"{name}{number}.png", image)
            elif name in QUERIES:
                write_image(folder / f"{name}.png", image)
