"""jaxvis stylize, augment and export: what a trained style network is used for."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from jaxvis.cli.common import new_folder, parse_size
from jaxvis.cli.image import photograph
from jaxvis.methods.fast_style.stylize import exported, of_style, restyled
from jaxvis.methods.fast_style.stylize import stylize as styled
from jaxvis.output.files import write_atomically
from jaxvis.output.io import read_image, write_image
from jaxvis.output.record import file_sha256, record, write_record
from jaxvis.output.sheet import contact_sheet
from jaxvis.train.images import ENDINGS
from jaxvis.weights.style_file import StyleNet, load_transform

SHOWN = 6
"""Photographs of a contact sheet, each beside its picture."""


class _Photo(NamedTuple):
    """A photograph and the name of its picture, a path inside the folder."""

    name: Path
    image: np.ndarray


def stylize(
    net: Path,
    image: str,
    /,
    *,
    style: str | None = None,
    size: str = "own",
    tile: int | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Paints a photograph, or a folder of them, with a trained style network.

    Args:
      net: its file, from jaxvis train style or a converted checkpoint.
      image: a file, a folder (subfolders too), or astronaut, chelsea, coffee or rocket.
      style: a name or number of the network's styles, or a mix such as
        wave:1,scream:0.5; may be left out where there is only one.
      size: photographs are cropped to it, 512 or 512x768 (H x W), or own.
      tile: side in pixels of the tiles that are computed one by one, to spare memory;
        the picture stays the same.
      out: a new or empty folder; jaxvis-stylize if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if a file or folder cannot be opened.
      ValueError: for a file that is no style network, an unknown style, or a folder
        without usable images.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    found = load_transform(net)
    choice = parse_style(style, found)
    own = of_style(found.params, choice)
    at = None if size == "own" else parse_size(size)
    folder, skipped, pictures, shown = None, {}, [], []
    for photo in _photos(image, at, skipped):
        folder = folder or new_folder(out, "stylize", overwrite=overwrite)
        ready = found.net.prepare(own, size=photo.image.shape[:2])
        picture = styled(found.net, ready, photo.image, tile=tile)
        _write(folder / photo.name, picture, bits)
        pictures.append({"file": photo.name.as_posix(), "size": picture.shape[:2]})
        if len(shown) < 2 * SHOWN:
            shown += [photo.image, picture]
    folder = _checked(folder, image, skipped)
    page = contact_sheet(shown, columns=2 if len(shown) < 6 else 4, cell=384)
    write_image(folder / "contact.png", page)
    _record(folder, "stylize", arguments, found, pictures, skipped, begin, mix=choice)


def augment(
    net: Path,
    folder: Path,
    /,
    *,
    copies: int = 1,
    strength: str = "0.3:1",
    size: str = "own",
    seed: int = 0,
    out: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Writes copies of a training folder's images in random mixes of styles.

    Subfolders, and so the classes that they stand for, are kept; NAME_0.png,
    NAME_1.png... are the copies of NAME.

    Args:
      net: the style network's file.
      folder: the images; what cannot be read is skipped.
      copies: of each image.
      strength: least and largest part that the picture replaces, LOW:HIGH.
      size: images are cropped to it, 224 or 224x320 (H x W), or own; a size of each
        image's own compiles once for every size.
      seed: of all randomness.
      out: a new or empty folder; jaxvis-augment if left out.
      overwrite: write into a folder that holds files.

    Raises:
      OSError: if a file or folder cannot be opened.
      ValueError: for a file that is no style network, a strength that is none, or a
        folder without usable images.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    if copies < 1:
        raise ValueError(f"copies must be at least 1, not {copies}")
    found, bounds = load_transform(net), _strength(strength)
    at = None if size == "own" else parse_size(size)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    to, skipped, pictures, key = None, {}, [], jax.random.key(seed)
    for photo in _photos(str(folder), at, skipped):
        to = to or new_folder(out, "augment", overwrite=overwrite)
        for copy in range(copies):
            own = jax.random.fold_in(key, len(pictures))
            image = restyled(found.net, found.params, own, photo.image, strength=bounds)
            name = photo.name.with_stem(f"{photo.name.stem}_{copy}")
            _write(to / name, image, 8)
            pictures.append({"file": name.as_posix(), "of": photo.name.stem})
    to = _checked(to, folder, skipped)
    _record(to, "augment", arguments, found, pictures, skipped, begin, key=key)


def export(
    net: Path,
    /,
    *,
    out: Path,
    size: str = "512",
    style: str | None = None,
    platforms: str = "cpu,cuda",
) -> None:
    """Writes a style network as one program with its weights, which needs JAX alone.

    Python reads it back with jax.export.deserialize(bytearray(data)).call(image).

    Args:
      net: the network's file.
      out: the file to write.
      size: of the images that it takes, 512 or 512x768 (H x W).
      style: as for stylize.
      platforms: where it shall run: cpu, cuda, rocm, tpu, separated by commas.

    Raises:
      OSError: if a file cannot be read or written.
      ValueError: for a file that is no style network, an unknown style or platform.
    """
    found = load_transform(net)
    names = [name.strip() for name in platforms.split(",")]
    unknown = set(names) - {"cpu", "cuda", "rocm", "tpu"}
    if unknown:
        raise ValueError(f"platforms are cpu, cuda, rocm and tpu, not {unknown.pop()!r}")
    data = exported(
        found.net,
        found.params,
        size=parse_size(size),
        platforms=names,
        style=parse_style(style, found),
    )
    write_atomically(out, data)
    print(f"{out} ({len(data) / 1e6:.1f} MB)")


def parse_style(text: str | None, net: StyleNet) -> int | list[float] | None:
    """Returns the style that a flag names: which, or a weight of each.

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
        return _style(parts[0][0], net.styles)
    weights = dict.fromkeys(range(max(len(net.styles), 1)), 0.0)
    for name, _, weight in parts:
        try:
            weights[_style(name, net.styles)] = float(weight or 1)
        except ValueError as error:
            if "style" in str(error):
                raise
            raise ValueError(f"{weight!r} in {text!r} is no weight") from None
    return [weights[i] for i in sorted(weights)]


def _style(name: str, known: Sequence[str]) -> int:
    if name in known:
        return known.index(name)
    if name.isdecimal():
        return int(name)
    raise ValueError(
        f"there is no style {name!r}; this network knows "
        f"{', '.join(known) or 'one, without a name'}"
    )


def _strength(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise ValueError(f"{text!r} is no strength: write LOW:HIGH") from None
    return low, high


def _photos(text: str, size: tuple[int, int] | None, skipped: dict[str, str]) -> Iterator[_Photo]:
    """Yields one photograph, or those of a folder; what fails is put into `skipped`."""
    folder = Path(text)
    if not folder.is_dir():
        yield _Photo(Path(f"{Path(text).stem}.png"), photograph(text, size=size))
        return
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS)
    for path in tqdm(paths, delay=1):
        name, image = path.relative_to(folder), None
        try:
            image = read_image(path, size=size)
        except (OSError, ValueError) as error:
            skipped[name.as_posix()] = str(error)
        if image is not None:
            # a.jpg and a.png must not become one file
            twin = sum(p.with_suffix("") == path.with_suffix("") for p in paths) > 1
            stem = name.name.replace(".", "_") if twin else name.stem
            yield _Photo(name.with_name(f"{stem}.png"), image)


def _checked(folder: Path | None, source: object, skipped: dict[str, str]) -> Path:
    if folder is None and skipped:
        raise ValueError(
            f"none of the {len(skipped)} images in {source} can be read; the first: "
            f"{next(iter(skipped.values()))}"
        )
    if folder is None:
        raise ValueError(f"{source} holds no image ({', '.join(ENDINGS)})")
    return folder


def _write(path: Path, image: np.ndarray, bits: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, image, bits=bits)


def _record(folder, command, arguments, found, pictures, skipped, begin, **facts):
    write_record(
        folder / "record.json",
        record(
            command,
            arguments,
            net=found.net.name,
            weights=str(arguments["net"]),
            sha256=file_sha256(arguments["net"]),
            pictures=pictures,
            skipped=skipped,
            seconds=time.perf_counter() - begin,
            styles=list(found.styles),
            **facts,
        ),
    )
    tail = f", {len(skipped)} files skipped" if skipped else ""
    count = f"{len(pictures)} picture{'s' * (len(pictures) != 1)}"
    print(f"{folder}: {count}{tail}, record")
