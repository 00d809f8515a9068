"""What commands share: reading their words, loading their network, keeping their runs.

Where pictures go: `--out DIR`, else `jaxvis-COMMAND` in the current folder, with -2,
-3... where that is taken. A folder named by --out must be new or empty; --overwrite
writes into it all the same, replacing files of the same name and leaving the others.
"""

import collections
import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvis.nets.registry import FIXED
from jaxvis.network import Network
from jaxvis.output.io import write_image
from jaxvis.output.record import STATUS, file_sha256, record, write_record
from jaxvis.output.sheet import contact_sheet
from jaxvis.types import Params, Run, Status
from jaxvis.weights import load as files

SHEET = 25_000_000
"""Pixels of a contact sheet; more pictures than fit are shown smaller."""
MOST = 10**6
"""Numbers in a range whose end nothing else limits."""


def parse_indices(text: str, *, count: int | None = None, what: str = "index") -> tuple[int, ...]:
    """Returns the numbers that a list such as "1,5,9:12" names, in its order.

    Args:
      text: numbers and ranges START:STOP or START:STOP:STEP, STOP left out as in
        Python, separated by commas. With `count`, START and STOP may be omitted
        (":" is all of them).
      count: how many there are; numbers must lie below.
      what: what the messages call one of them, such as "class".

    Returns:
      tuple: at least one number, none twice.

    Raises:
      ValueError: quotes the part that cannot be read, is empty, too large or double.
    """
    numbers: list[int] = []
    for part in text.split(","):
        numbers += _part(part.strip(), text, count, what)
    if count is not None and max(numbers) >= count:
        raise _beyond(max(numbers), count, what)
    twice = [n for n, times in collections.Counter(numbers).items() if times > 1]
    if twice:
        raise ValueError(f"{text!r} names {what} {twice[0]} twice")
    return tuple(numbers)


def _beyond(number: int, count: int, what: str) -> ValueError:
    return ValueError(f"there is no {what} {number}: they go from 0 to {count - 1}")


def _part(part: str, text: str, count: int | None, what: str) -> list[int]:
    match = re.fullmatch(r"(\d+)|(\d*):(\d*)(?::(\d+))?", part)
    if match is None or (count is None and match[1] is None and not match[3]):
        raise ValueError(
            f"{part!r} in {text!r} is no {what}: write numbers and ranges such as "
            "0:1000 or 1,5,9:12"
        )
    if match[1]:
        return [int(match[1])]
    start, stop = int(match[2] or 0), int(match[3]) if match[3] else count
    step = int(match[4] or 1)
    if step == 0 or start >= stop:
        raise ValueError(f"the range {part!r} in {text!r} is empty")
    # Before it is listed: 0:1000000000000 must not fill the memory.
    if count is None and (stop - start) // step > MOST:
        raise ValueError(f"the range {part!r} has more than {MOST} numbers")
    if count is not None and stop > count:
        raise _beyond(stop - 1, count, what)
    return list(range(start, stop, step))


def parse_size(text: str) -> tuple[int, int]:
    """Returns (H, W) in pixels of "224" (a square) or "224x320" (H x W).

    Args:
      text: one or two numbers.

    Raises:
      ValueError: for anything else, and for sides below 1 or above 16384.
    """
    match = re.fullmatch(r"(\d+)(?:[xX](\d+))?", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size: write 224, or HxW such as 224x320")
    size = int(match[1]), int(match[2] or match[1])
    if not 1 <= min(size) <= max(size) <= 16384:
        raise ValueError(f"{text!r} is no size: sides go from 1 to 16384 pixels")
    return size


class Opened(NamedTuple):
    """A network as a command uses it.

    Attributes:
      net: the network.
      params: its parameters.
      labels: class names by index; () if unknown.
      weights: where the parameters came from: the path given, "random:0", "cached",
        "embedded", or "none" where there are none.
      sha256: of their file, in hex; None for random ones.
    """

    net: Network
    params: Params
    labels: tuple[str, ...]
    weights: str
    sha256: str | None


def open_net(name: str, *, weights: str | None = None, **options: Any) -> Opened:
    """Returns the network that a command was asked for.

    Args:
      name: a name of `jaxvis.nets.registry`.
      weights: a converted file, "random:SEED" for random parameters, or None for the
        cached (or embedded) file.
      **options: pool, head, input_size, precision of `jaxvis.load`.

    Raises:
      OSError, ValueError: as `jaxvis.weights.load.load`; and for a SEED that is no number.
    """
    if weights is not None and weights.partition(":")[0] == "random":
        seed = re.fullmatch(r"random:(\d{1,18})", weights)
        if seed is None:
            raise ValueError(f"{weights!r}: write random:SEED, such as random:0")
        key = jax.random.key(int(seed[1]))
        net, params = files.load(name, weights=key, **options)
        return Opened(net, params, (), weights, None)
    net, params = files.load(name, weights=weights, **options)
    if name in FIXED:
        return Opened(net, params, (), "none", None)
    source = weights or ("embedded" if name in files.EMBEDDED else "cached")
    with files.located(name, weights=weights) as path:
        return Opened(net, params, files.labels(path), source, file_sha256(path))


def new_folder(out: Path | None, command: str, *, overwrite: bool = False) -> Path:
    """Returns a folder to write to, made; see the rule at the top of this file.

    Args:
      out: the folder asked for, or None.
      command: names the folder when none was asked for.
      overwrite: whether a folder with files in it may be written to.

    Raises:
      OSError: if it cannot be made.
      ValueError: if it is a file, or holds files and `overwrite` is off.
    """
    if out is None:
        name = f"jaxvis-{command.replace(' ', '-')}"
        taken = (Path(name if i == 1 else f"{name}-{i}") for i in range(1, 10**6))
        out = next(folder for folder in taken if not folder.exists())
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: name a folder with --out")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise ValueError(
            f"{out} already holds files: name another folder with --out, or pass --overwrite"
        )
    out.mkdir(parents=True, exist_ok=True)
    return out


def slug(text: str) -> str:
    """Returns a text as part of a file name: "tench, Tinca tinca" -> "tench".

    Args:
      text: a label; what follows its first comma is left out.
    """
    words = re.findall(r"[^\W_]+", text.partition(",")[0].lower())
    return "_".join(words)[:40]


def save_run(
    folder: Path,
    run: Run,
    names: Sequence[str],
    *,
    captions: Sequence[str] | None = None,
    items: Sequence[Mapping[str, Any]] | None = None,
    first: Sequence[tuple[str, np.ndarray]] = (),
    saved: Collection[str] = (),
    bits: int = 8,
    prefix: str = "",
    **facts: Any,
) -> list[dict[str, Any]]:
    """Writes a run's pictures, a contact sheet of them, and the record.

    The files are NAME.png (NAME_0.png, NAME_1.png... where there are seeds),
    contact.png and record.json, all with `prefix` in front. An image with a value that
    is not finite is shown in the sheet in magenta and not written.

    Args:
      folder: exists; see `new_folder`.
      run: image `[N, H, W, 3]` or `[N, S, H, W, 3]`, and its trace.
      names: N file names without ending.
      captions: N captions for the sheet; None takes the names.
      items: N further facts for the record, such as {"class": 1}; a list of S values
        is one for each seed.
      first: (caption, image `[H, W, 3]`) shown before the others in the sheet.
      saved: files that are already written.
      bits: 8 or 16 bits a channel in the files.
      prefix: of every file name.
      **facts: for `jaxvis.output.record.record`: command, arguments, net, weights,
        sha256, key, steps, seconds...

    Returns:
      list: for each picture its file (None if it was not written), name, seed, status,
      and what `items` said.

    Raises:
      OSError: if the folder cannot be written.
      ValueError: if two names are the same.
    """
    if len(set(names)) < len(names):
        raise ValueError(f"pictures need names of their own, not {', '.join(names)}")
    images = np.asarray(run.image)
    seeds = images.shape[1] if images.ndim == 5 else 1
    flat = images.reshape(-1, *images.shape[-3:])
    status = np.asarray(run.trace.get("status", Status.DONE))
    status = np.broadcast_to(status.reshape(-1), len(flat))
    pictures = []
    for i, image in enumerate(flat):
        item, seed = divmod(i, seeds)
        name = names[item] if images.ndim == 4 else f"{names[item]}_{seed}"
        file = f"{prefix}{name}.png" if np.isfinite(image).all() else None
        if file is not None and file not in saved:
            write_image(folder / file, image, bits=bits)
        about = {"file": file, "name": names[item], "seed": seed}
        about["status"] = STATUS[status[i]]
        for fact, value in (items[item] if items is not None else {}).items():
            each = isinstance(value, list) and images.ndim == 5 and len(value) == seeds
            about[fact] = value[seed] if each else value
        pictures.append(about)
    notes = [note for note in captions or names for _ in range(seeds)]
    _write_sheet(folder / f"{prefix}contact.png", flat, notes, seeds, first)
    facts = {**facts, "trace": run.trace, "pictures": pictures}
    write_record(folder / f"{prefix}record.json", record(**facts))
    return pictures


def _write_sheet(
    path: Path,
    images: np.ndarray,
    captions: Sequence[str],
    seeds: int,
    first: Sequence[tuple[str, np.ndarray]],
) -> None:
    shown = [np.asarray(image) for _, image in first] + list(images)
    notes = [note for note, _ in first] + list(captions)
    columns = math.ceil(math.sqrt(len(shown)))
    # Whole rows of seeds, unless pictures of something else come first.
    if not first and seeds > 1:
        columns = seeds * max(1, round(columns / seeds))
    cell = max(32, int(math.sqrt(SHEET / len(shown))) - 8)
    page = contact_sheet(shown, captions=notes, columns=columns, cell=cell)
    write_image(path, page)


def summary(folder: Path, pictures: Sequence[Mapping[str, Any]]) -> str:
    """Returns one line that says what a command wrote and where.

    Args:
      folder: where.
      pictures: what `save_run` returned.
    """
    bad = sum(picture["status"] != STATUS[Status.DONE] for picture in pictures)
    tail = f", {bad} of them not finished (see record.json)" if bad else ""
    count = f"{len(pictures)} picture{'s' * (len(pictures) != 1)}"
    return f"{folder}: {count}{tail}, contact sheet, record"
