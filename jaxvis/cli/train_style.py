"""jaxvis train style: a network that paints every photograph in the style of others."""

import sys
import time
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from jaxvis.cli.checksums import hash_inputs, hash_outputs
from jaxvis.cli.flags import NETWORK, NetworkFlags, default_of, flatten_flags
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import parse_size, split_words
from jaxvis.cli.photographs import read_photograph
from jaxvis.cli.saving import new_folder
from jaxvis.cli.skipping import describe_skipped
from jaxvis.cli.style_flags import BALANCE, BalanceFlags
from jaxvis.loss.matching.transfer import StyleRecipe, adjust_style
from jaxvis.methods.fast_style.stylize import stylize
from jaxvis.methods.fast_style.train import FastStyle, Schedule, fast_style
from jaxvis.nets.zoo.style_net import build_style_net
from jaxvis.output.io import write_image
from jaxvis.output.record import make_record, write_record
from jaxvis.output.sheet import contact_sheet
from jaxvis.recipes.styles import FAST_STYLES
from jaxvis.train.curves import CURVES, write_curves
from jaxvis.train.images import Images, open_folder, split
from jaxvis.train.loop import CheckpointFile
from jaxvis.weights.load import LoadedNetwork
from jaxvis.weights.style_file import save_transform

FILE, CHECKPOINT, SHEET = "style.safetensors", "training.checkpoint", "contact.png"
SHOWN = 4
"""Photographs of the sheet."""
SCHEDULE = default_of(fast_style, "schedule")
RECIPE = FAST_STYLES["johnson"]


def style(
    folder: Path,
    /,
    *,
    style: str,
    net: str = "vgg19",
    model: Literal["reflect", "start", "same"] = "reflect",
    width: int = default_of(build_style_net, "width"),
    blocks: int = default_of(build_style_net, "blocks"),
    balance: BalanceFlags = BALANCE,
    style_scale: float = RECIPE.style_scale,
    size: str = "256",
    schedule: Schedule = SCHEDULE,
    validation: float = 0.05,
    resume: bool = False,
    out: Path | None = None,
    overwrite: bool = False,
    network: NetworkFlags = NETWORK,
) -> int:
    """Trains a style network on a folder of photographs; jaxvis stylize then uses it.

    Checkpoints are written on the way, on Ctrl-C too; --resume goes on from the last
    one as if nothing had happened. --seed decides about weights and styles too. For
    example: jaxvis train style photos --style starry.jpg --out starry

    Args:
      folder: photographs, in subfolders too; what cannot be read is skipped.
      style: a picture, or several, A.jpg,B.jpg: one network then knows them all.
      net: whose activations are compared, such as vgg19.
      model: how it pads: reflect, start (Johnson et al.) or same (TensorFlow's zeros).
      width: channels of its first layer.
      blocks: residual blocks.
      style_scale: side of the styles, as a factor of the photographs'.
      schedule: how long the network learns, and how fast.
      size: photographs are cropped to it, 256 or 192x256 (H x W).
      validation: part of the photographs that is held out.
      resume: go on in the folder named by --out.
      out: a new or empty folder; jaxvis-train-style if left out.
      overwrite: write into a folder that holds files.

    Raises:
      OSError: if a file or folder cannot be opened.
      ValueError: for a flag that does not fit, a folder without usable images, or a
        checkpoint of another network.
    """
    arguments, begin = flatten_flags(locals()), time.perf_counter()
    if resume and out is None:
        raise ValueError("--resume goes on in a folder: name it with --out")
    key = jax.random.key(schedule.seed)
    files = split_words(style)
    names, paintings = _name(files), [read_photograph(one, size=None) for one in files]
    styles = len(files) if len(files) > 1 else 0
    style_net = build_style_net(f"transform_{model}", width=width, blocks=blocks, styles=styles)
    images = open_folder(folder, size=parse_size(size), progress=True)
    inputs = hash_inputs(folder, *files)
    kept, held = split(images, validation, seed=schedule.seed)
    said = describe_skipped(images.skipped)
    print(f"{len(kept)} images, {len(held)} held out{said}")
    judge = open_net(net, network)
    recipe = adjust_style(judge.net, RECIPE, style_scale=style_scale, **balance.changes())
    to = new_folder(out, "train style", overwrite=overwrite or resume)
    facts = _list_facts(
        judge, recipe, schedule, styles=names, model=style_net.name, style_scale=style_scale
    )
    found = fast_style(
        judge.net,
        judge.params,
        kept,
        paintings,
        style_net=style_net,
        recipe=recipe,
        schedule=schedule,
        held_out=held if len(held) else None,
        key=key,
        checkpoint=CheckpointFile(to / CHECKPOINT, facts, resume=resume),
        progress=True,
    )
    if found.training.step:
        _save(to, found, names, held if len(held) else kept)
        facts = {"key": key, "styles": names, "recipe": recipe, "inputs": inputs}
        _write_record(to, arguments, found, judge, kept, held, begin=begin, **facts)
    return _end(to, found, schedule)


def _name(files: tuple[str, ...]) -> list[str]:
    """Gives a name to each style file.

    Raises:
      ValueError: if there is none, or two have the same: they could not be told apart
        later.
    """
    names = [Path(file).stem for file in files]
    if not names:
        raise ValueError("name at least one style: --style A.jpg")
    if len(set(names)) < len(names):
        raise ValueError(f"styles need names of their own, not {', '.join(names)}")
    return names


def _list_facts(
    judge: LoadedNetwork, recipe: StyleRecipe, schedule: Schedule, **facts: Any
) -> dict[str, Any]:
    """Lists what a training must share with its checkpoint to go on."""
    return {
        **facts,
        "net": judge.net.name,
        "weights": judge.sha256 or judge.weights,
        "batch": schedule.batch,
        "seed": schedule.seed,
        "learning_rate": schedule.learning_rate,
        "content_taps": recipe.content_taps,
        "style_taps": recipe.style_taps,
        "alpha": recipe.alpha,
        "beta": recipe.beta,
        "gamma": recipe.gamma,
    }


def _save(to: Path, found: FastStyle, names: list[str], shown: Images) -> None:
    """Writes the network, its curves, and a sheet of what it makes of images."""
    save_transform(to / FILE, found.net, found.params, styles=names)
    write_curves(to, found.training.curves)
    write_image(to / SHEET, _draw_sheet(found, shown, names))


def _write_record(
    to: Path,
    arguments: dict[str, Any],
    found: FastStyle,
    judge: LoadedNetwork,
    kept: Images,
    held: Images,
    *,
    begin: float,
    **facts: Any,
) -> None:
    training = found.training
    record = make_record(
        "train style",
        arguments,
        **describe_network(judge),
        steps=training.step,
        seconds=time.perf_counter() - begin,
        images=len(kept),
        held_out=list(held.names),
        skipped=dict(kept.skipped),
        files=hash_outputs(to, (FILE, *CURVES, SHEET)),
        interrupted=not training.done,
        curves={name: curve[-1] for name, curve in training.curves.items()},
        **facts,
    )
    write_record(to / "record.json", record)


def _end(to: Path, found: FastStyle, schedule: Schedule) -> int:
    """Says what was written; gives the exit code."""
    step = found.training.step
    if step:
        print(f"{to}: {', '.join((FILE, *CURVES, SHEET))}, record.json")
    if found.training.done:
        return 0
    print(f"interrupted after {step} of {schedule.steps} steps: --resume goes on", file=sys.stderr)
    return 130


def _draw_sheet(found: FastStyle, images: Images, names: list[str]) -> np.ndarray:
    """Draws a sheet: a photograph and its picture in every style, row by row."""
    cells, captions = [], []
    choices = range(len(names)) if len(names) > 1 else [None]
    for i in range(min(SHOWN, len(images))):
        photo = (images[i] / 255).astype(np.float32)
        cells += [photo, *(stylize(found.net, found.params, photo, style=s) for s in choices)]
        captions += [Path(images.names[i]).stem, *names]
    return contact_sheet(cells, captions=captions, columns=1 + len(names))
