"""jaxvis stylize, augment and export: what a trained style network is used for."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.album import SHEET, Album
from jaxvis.cli.flags import RESUMABLE, ResumeFlags, default_of, flatten_flags
from jaxvis.cli.parsing import parse_size, split_words
from jaxvis.methods.fast_style.export import export_program
from jaxvis.methods.fast_style.stylize import check_strength, choose_style, restyle
from jaxvis.methods.fast_style.stylize import stylize as paint
from jaxvis.optimize.keys import item_keys
from jaxvis.output.files import write_atomically
from jaxvis.output.io import write_image
from jaxvis.output.sheet import contact_sheet
from jaxvis.weights.style_file import StyleNet, load_transform

SHOWN = 6
"""Photographs of a contact sheet, each beside its picture."""
CELL = 384
"""Pixels of the longest side that a picture has there."""
STRENGTH = ":".join(f"{part:g}" for part in default_of(restyle, "strength"))


def stylize(
    net: Path,
    image: str,
    /,
    *,
    style: str | None = None,
    size: str = "own",
    tile: int | None = None,
    output: ResumeFlags = RESUMABLE,
) -> int:
    """Paints a photograph, or a folder of them, with a trained style network.

    For example: jaxvis stylize starry/style.safetensors photo.jpg --out art.png

    Args:
      net: its file, from jaxvis train style or a converted checkpoint.
      image: a file, a folder (subfolders too), or astronaut, chelsea, coffee or rocket.
      style: a name or number of the network's styles, or a mix such as
        wave:1,scream:0.5; may be left out where there is only one.
      size: photographs are cropped to it, 512 or 512x768 (H x W), or own.
      tile: side in pixels of the tiles that are computed one by one, to save memory;
        the picture stays the same.

    Raises:
      OSError: if a file or folder cannot be opened.
      ValueError: for a file that is no style network, an unknown style, or a folder
        without usable images.
    """
    arguments = flatten_flags(locals())
    if tile is not None and tile < 1:
        raise ValueError(f"--tile is a side in pixels, at least 1, not {tile}")
    found = load_transform(net)
    choice = parse_style(style, found)
    own = choose_style(found.params, choice)
    album = Album("stylize", arguments, output, image, size, show=SHOWN)

    def paint_photo(stem: str, photo: np.ndarray) -> None:
        ready = found.net.prepare(own, size=photo.shape[:2])
        picture = paint(found.net, ready, photo, tile=tile)
        album.add(stem, picture, size=picture.shape[:2])

    album.make(paint_photo)
    sheets = [] if album.output.file else [SHEET]
    for sheet in sheets:
        page = contact_sheet(album.shown, columns=2 if len(album.shown) < 6 else 4, cell=CELL)
        write_image(album.output.folder / sheet, page)
    return album.end(found, others=sheets, mix=choice)


def augment(
    net: Path,
    folder: Path,
    /,
    *,
    copies: int = 1,
    strength: str = STRENGTH,
    size: str = "own",
    seed: int = 0,
    output: ResumeFlags = RESUMABLE,
) -> int:
    """Writes copies of a training folder's images in random mixes of styles.

    Subfolders, and so the classes that they stand for, are kept; NAME_0.png,
    NAME_1.png... are the copies of NAME. A copy depends on the seed and its name alone.
    For example: jaxvis augment starry/style.safetensors train --copies 2 --out augmented

    Args:
      net: the style network's file.
      folder: the images; what cannot be read is skipped.
      copies: of each image.
      strength: least and largest part that the picture replaces, LOW:HIGH.
      size: images are cropped to it, 224 or 224x320 (H x W), or own; a size of each
        image's own compiles once for every size.
      seed: of all randomness, from 0 to 4294967295.

    Raises:
      OSError: if a file or folder cannot be opened.
      ValueError: for a file that is no style network, a strength that is none, or a
        folder without usable images.
    """
    arguments = flatten_flags(locals())
    if copies < 1:
        raise ValueError(f"--copies must be at least 1, not {copies}")
    bounds, key = _parse_strength(strength), jax.random.key(seed)
    found = load_transform(net)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    album = Album("augment", arguments, output, str(folder), size, each=copies)

    def restyle_photo(stem: str, photo: np.ndarray) -> None:
        for copy, own in enumerate(item_keys(key, seeds=copies, name=stem)):
            picture = restyle(found.net, found.params, own, photo, strength=bounds)
            album.add(f"{stem}_{copy}", picture, of=stem)

    album.make(restyle_photo)
    return album.end(found, key=key)


def export(
    net: Path,
    /,
    *,
    out: Path,
    size: str = "512",
    style: str | None = None,
    platforms: str = ",".join(default_of(export_program, "platforms")),
    overwrite: bool = False,
) -> None:
    """Writes a style network as one program with its weights, which needs JAX alone.

    Python reads it back with jax.export.deserialize(bytearray(data)).call(image).
    For example: jaxvis export starry/style.safetensors --out starry.jax --size 512

    Args:
      net: the network's file.
      out: the file to write.
      size: of the images that it takes, 512 or 512x768 (H x W).
      style: as for stylize.
      platforms: where it shall run: cpu, cuda, rocm, tpu, separated by commas.
      overwrite: replace the file if it is there.

    Raises:
      OSError: if a file cannot be read or written.
      ValueError: for a file that is no style network, an unknown style or platform, or a
        file that is there already.
    """
    if out.exists() and not overwrite:
        raise ValueError(f"{out} is there already: name another file, or pass --overwrite")
    found = load_transform(net)
    program = export_program(
        found.net,
        found.params,
        size=parse_size(size),
        platforms=split_words(platforms),
        style=parse_style(style, found),
    )
    write_atomically(out, program)
    print(f"{out} ({len(program) / 1e6:.1f} MB)")


def parse_style(text: str | None, net: StyleNet) -> int | list[float] | None:
    """Reads the style that a flag names: which, or a weight of each.

    Args:
      text: a name, a number, or NAME:WEIGHT,NAME:WEIGHT; None where there is one.
      net: the network.

    Raises:
      ValueError: names the unknown style and lists the known ones.
    """
    if text is None:
        return None
    parts = [part.strip().partition(":") for part in text.split(",")]
    if len(parts) == 1 and not parts[0][1]:
        return _find_style(parts[0][0], net.styles)
    weights = dict.fromkeys(range(max(len(net.styles), 1)), 0.0)
    for name, _, weight in parts:
        number = _find_style(name, net.styles)
        try:
            weights[number] = float(weight or 1)
        except ValueError:
            raise ValueError(f"{weight!r} in {text!r} is no weight: write a number") from None
    return [weights[i] for i in sorted(weights)]


def _find_style(name: str, known: Sequence[str]) -> int:
    if name in known:
        return known.index(name)
    if name.isdecimal():
        return int(name)
    raise ValueError(
        f"there is no style {name!r}; this network knows "
        f"{', '.join(known) or 'one, without a name'}"
    )


def _parse_strength(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise ValueError(f"{text!r} is no strength: write LOW:HIGH, such as 0.3:1") from None
    check_strength((low, high))
    return low, high
