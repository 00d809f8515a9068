"""Where a command's pictures go, and how it ends.

Pictures go to `--out DIR`, else to `jaxvis-COMMAND` in the current folder, with -2,
-3... where that is taken. A folder named by --out must be new or empty; --overwrite
writes into it all the same, replacing files of the same name and leaving the others.
`--out art.png` is that file alone, with its record art.json beside it; its ending chooses
the format (`jaxvis.output.io.FORMATS`).
"""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.cli.autotuning import keep_choices
from jaxvis.cli.checksums import hash_outputs
from jaxvis.cli.flags import OutputFlags
from jaxvis.cli.locking import is_leftover, lock_file, lock_folder
from jaxvis.cli.sheets import write_sheet
from jaxvis.display import join_planes
from jaxvis.output.io import FORMATS, check_format, write_image
from jaxvis.output.record import make_record, write_record
from jaxvis.platform import platform_of
from jaxvis.types import Interrupted, Run, Status

ONE_FILE = tuple(FORMATS)
"""Endings of `--out` that name a picture, not a folder."""
REFUSED = tuple(
    ".gif .avif .heic .heif .jp2 .jxl .jfif .ico .tga .exr .hdr .psd .svg .pdf .eps .ps .pgm "
    ".pbm .npy .npz .json .html .mp4 .apng .txt .csv".split()
)
"""Endings of files that pictures are not written as; no folder is meant by them."""
BAD = {
    Status.FAILED: "failed: a value was not finite; try fewer steps or another --seed",
    Status.DEAD: "dead: no gradient ever reached the canvas, or the objective never moved; "
    "try --leak 0.05 where the command has it, another --seed, or another unit",
    Status.UNFINISHED: "not finished",
}
"""How an item can end badly, in words."""


@dataclass(frozen=True)
class Output:
    """Where a command writes.

    Attributes:
      folder: exists.
      file: the one picture to write, or None for a folder of pictures.
      bits: a channel of the PNG files.
    """

    folder: Path
    file: Path | None = None
    bits: int = 8

    def path_of(self, name: str) -> Path:
        """Gives the file of a picture.

        Args:
          name: without ending.
        """
        return self.file or self.folder / f"{name}.png"

    def __str__(self) -> str:
        """The file or folder, as messages call it."""
        return str(self.file or self.folder)


def open_output(flags: OutputFlags, command: str, *, count: int | None = None) -> Output:
    """Makes the folder to write to; see the rule at the top of this file.

    Args:
      flags: where the pictures shall go.
      command: names the folder when none was asked for.
      count: how many pictures there will be; None where the command always makes a folder.

    Raises:
      OSError: if it cannot be made.
      ValueError: if something is there already and --overwrite is off, if one file is
        asked for and there will be several pictures, or for an ending or a number of bits
        that pictures are not written with.
    """
    out = flags.out
    if out is not None and not out.is_dir():
        _refuse_ending(out)
        if out.suffix.lower() in ONE_FILE:
            return _open_file(out, flags, command, count)
    return Output(new_folder(out, command, overwrite=flags.overwrite), None, flags.bits)


def _refuse_ending(out: Path) -> None:
    """Refuses a file of a format that pictures are not written in."""
    if out.suffix.lower() in REFUSED:
        raise ValueError(
            f"{out}: a picture ends in {', '.join(ONE_FILE)}, not {out.suffix}: name another "
            "file, or a folder"
        )


def _open_file(out: Path, flags: OutputFlags, command: str, count: int | None) -> Output:
    """Makes the folder of the one picture to write; see `open_output`."""
    if count != 1:
        what = f"{count} pictures" if count else "a folder of files"
        raise ValueError(f"{out} is one picture and {command} makes {what}: name a folder")
    check_format(out, bits=flags.bits)
    # art.png and art.jpg would share one record.
    record = out.with_suffix(".json")
    if not flags.overwrite and (out.exists() or record.exists()):
        there = out if out.exists() else f"{record}, where the record of {out.name} goes,"
        raise ValueError(f"{there} is there already: name another file, or pass --overwrite")
    out.parent.mkdir(parents=True, exist_ok=True)
    lock_file(out)
    return Output(out.parent, out, flags.bits)


def new_folder(out: Path | None, command: str, *, overwrite: bool = False) -> Path:
    """Makes a folder to write to.

    Args:
      out: the folder asked for, or None.
      command: names the folder when none was asked for.
      overwrite: whether a folder with files in it may be written to.

    Raises:
      OSError: if it cannot be made.
      ValueError: if it is a file, another command writes into it, or it holds files and
        `overwrite` is off.
    """
    if out is None:
        out = _make_next_folder(f"jaxvis-{command.replace(' ', '-')}")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: name a folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    lock_folder(out)
    if not overwrite and holds_files(out):
        raise ValueError(
            f"{out} already holds files: name another folder with --out, or pass --overwrite"
        )
    return out


def holds_files(folder: Path) -> bool:
    """Says whether a folder holds anything but what a killed command left half written.

    Args:
      folder: exists.

    Raises:
      OSError: if it cannot be read.
    """
    return not all(map(is_leftover, folder.iterdir()))


def _make_next_folder(name: str) -> Path:
    """Makes the first of NAME, NAME-2, NAME-3... that is not there yet."""
    for number in range(1, 10**6):
        folder = Path(name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise ValueError(f"there are a million folders {name}-...: name one with --out")


def run_or_interrupt(method: Callable[[], Run]) -> tuple[Run, bool]:
    """Runs a method; gives its Run, and whether Ctrl-C cut it short.

    Args:
      method: without arguments.

    Raises:
      KeyboardInterrupt: where Ctrl-C left nothing to keep.
    """
    try:
        return method(), False
    except Interrupted as stop:
        if stop.run is None:
            raise
        return stop.run, True


def save_run(
    output: Output,
    run: Run,
    names: Sequence[str],
    *,
    captions: Sequence[str] | None = None,
    items: Sequence[Mapping[str, Any]] | None = None,
    first: Sequence[tuple[str, np.ndarray]] = (),
    saved: Collection[str] = (),
    others: Collection[str] = (),
    sheet: bool = True,
    prefix: str = "",
    **facts: Any,
) -> list[dict[str, Any]]:
    """Writes a run's pictures, a contact sheet of them, and the record.

    The files are NAME.png (NAME_0.png, NAME_1.png... where there are seeds),
    contact.png and record.json, all with `prefix` in front. An image with a value that
    is not finite is shown in the sheet in magenta and not written.

    Args:
      output: see `open_output`; with a file there is one picture and no sheet.
      run: image `[N, H, W, C]` or `[N, S, H, W, C]`, and the rest of it.
      names: N file names without ending.
      captions: N captions for the sheet; None takes the names.
      items: N further facts for the record, such as {"class": 1}; a list of S values
        is one for each seed.
      first: (caption, image `[H, W, 3]`) shown before the others in the sheet.
      saved: files that are already written.
      others: further files of the folder that the record has the sha256 of.
      sheet: whether there is a contact sheet.
      prefix: of every file name.
      **facts: for `jaxvis.output.record.make_record`: command, arguments, net, weights,
        sha256, inputs, key, steps, seconds...

    Returns:
      list: for each picture its file (None if it was not written), name, seed, status,
      and what `items` said.

    Raises:
      OSError: if the folder cannot be written.
      ValueError: if two names are the same.
    """
    if len(set(names)) < len(names):
        raise ValueError(f"pictures need names of their own, not {', '.join(names)}")
    images = join_planes(run.image)
    seeds = images.shape[1] if images.ndim == 5 else 1
    flat = images.reshape(-1, *images.shape[-3:])
    status = np.broadcast_to(np.asarray(run.status).reshape(-1), len(flat))
    pictures = []
    for i, image in enumerate(flat):
        item, seed = divmod(i, seeds)
        name = names[item] if images.ndim == 4 else f"{names[item]}_{seed}"
        path = output.path_of(f"{prefix}{name}")
        file = path.name if np.isfinite(image).all() else None
        if file is not None and file not in saved:
            write_image(path, image, bits=output.bits)
        about = {"file": file, "name": names[item], "seed": seed, "status": word_of(status[i])}
        for fact, value in (items[item] if items is not None else {}).items():
            each = isinstance(value, list) and images.ndim == 5 and len(value) == seeds
            about[fact] = value[seed] if each else value
        pictures.append(about)
    written = [str(one["file"]) for one in pictures if one["file"]] + list(others)
    if output.file is None and sheet:
        notes = [note for note in captions or names for _ in range(seeds)]
        written.append(f"{prefix}contact.png")
        write_sheet(output.folder / written[-1], flat, notes, seeds=seeds, first=first)
    facts |= {"files": hash_outputs(output.folder, written), "run": run, "pictures": pictures}
    beside = output.file.with_suffix(".json") if output.file else None
    write_record(beside or output.folder / f"{prefix}record.json", make_record(**facts))
    if beside is None:
        keep_choices(output.folder, platform_of(()))
    return pictures


def word_of(status: int) -> str:
    """Gives the word that records and messages have for a status.

    Args:
      status: the value of a `jaxvis.types.Status`.
    """
    return Status(int(status)).name.lower()


def end_command(
    output: Output | Path, pictures: Sequence[Mapping[str, Any]], *, interrupted: bool = False
) -> int:
    """Says what a command wrote, where, and what went wrong; gives the exit code.

    Args:
      output: where.
      pictures: what `save_run` returned.
      interrupted: whether Ctrl-C cut it short.

    Returns:
      int: 0; 1 where a picture failed or is dead; 130 after Ctrl-C.
    """
    written = sum(picture["file"] is not None for picture in pictures)
    count = f"{written} picture{'s' * (written != 1)}"
    of = f" of {len(pictures)}" if written < len(pictures) else ""
    rest = "" if isinstance(output, Output) and output.file else ", contact sheet, record"
    print(f"{output}: {count}{of}{rest}")
    ends = Counter(picture["status"] for picture in pictures)
    bad = {status: ends[word_of(status)] for status in BAD if ends[word_of(status)]}
    for status, times in bad.items():
        print(f"{times} of {len(pictures)} {BAD[status]}", file=sys.stderr)
    if interrupted:
        print("interrupted", file=sys.stderr)
        return 130
    return 1 if bad else 0
