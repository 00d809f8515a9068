"""jaxvis train style: a network that paints every photograph in the style of others."""

import time
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.common import new_folder, open_net, parse_size
from jaxvis.cli.image import photograph
from jaxvis.methods.fast_style.stylize import stylize
from jaxvis.methods.fast_style.train import JOHNSON, FastStyle, fast_style
from jaxvis.nets.zoo.style_net import transform
from jaxvis.network import Network
from jaxvis.output.io import write_image
from jaxvis.output.plot import training_curves
from jaxvis.output.record import file_sha256, record, write_record
from jaxvis.output.sheet import contact_sheet
from jaxvis.train.images import Images, open_folder, split
from jaxvis.weights.style_file import save_transform

FILE, CHECKPOINT = "style.safetensors", "training.checkpoint"
SHOWN = 4
"""Photographs of the sheet."""


def style(
    folder: Path,
    /,
    *,
    style: str,
    net: str = "vgg19",
    weights: str | None = None,
    model: str = "reflect",
    width: int = 32,
    blocks: int = 5,
    content_tap: str | None = None,
    style_tap: str | None = None,
    alpha: float = JOHNSON.alpha,
    beta: float = JOHNSON.beta,
    gamma: float = JOHNSON.gamma,
    style_scale: float = 1.0,
    size: str = "256",
    steps: int = 2000,
    batch: int = 4,
    learning_rate: float = 1e-3,
    validation: float = 0.05,
    validate_every: int = 100,
    seed: int = 0,
    resume: bool = False,
    out: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Trains a style network on a folder of photographs; jaxvis stylize then uses it.

    Checkpoints are written on the way, on Ctrl-C too; --resume goes on from the last
    one as if nothing had happened.

    Args:
      folder: photographs, in subfolders too; what cannot be read is skipped.
      style: a picture, or several, A.jpg,B.jpg: one network then knows them all.
      net: whose activations are compared, such as vgg19.
      weights: its converted file, or random:SEED; the cached file if left out.
      model: how it pads: reflect, start (Johnson et al.) or same (TensorFlow's zeros).
      width: channels of its first layer.
      blocks: residual blocks.
      content_tap: layers of the content, such as relu3_3.
      style_tap: layers of the style, such as relu1_2,relu2_2.
      alpha: factor of the content.
      beta: factor of the style.
      gamma: factor of total variation.
      style_scale: side of the styles, as a factor of the photographs'.
      size: photographs are cropped to it, 256 or 192x256 (H x W).
      steps: updates in all.
      batch: photographs of each.
      learning_rate: Adam's.
      validation: part of the photographs that is held out.
      validate_every: steps between two validations.
      seed: of all randomness.
      resume: go on in the folder named by --out.
      out: a new or empty folder; jaxvis-train-style if left out.
      overwrite: write into a folder that holds files.

    Raises:
      OSError: if a file or folder cannot be opened.
      ValueError: for a flag that does not fit, a folder without usable images, or a
        checkpoint of another network.
    """
    arguments = dict(locals())
    if resume and out is None:
        raise ValueError("--resume goes on in a folder: name it with --out")
    files = [word.strip() for word in style.split(",")]
    names, paintings = _named(files), [photograph(one, size=None) for one in files]
    count = len(files) if len(files) > 1 else 0
    drawn = transform(f"transform_{model}", width=width, blocks=blocks, styles=count)
    images = open_folder(folder, size=parse_size(size), progress=True)
    kept, held = split(images, validation, seed=seed)
    print(f"{len(kept)} images, {len(held)} held out, {len(images.skipped)} skipped")
    recipe = {
        "content_taps": _words(content_tap),
        "style_taps": _words(style_tap),
        "alpha": alpha,
        "beta": beta,
        "gamma": gamma,
    }
    judge = open_net(net, weights=weights)
    to = new_folder(out, "train style", overwrite=overwrite or resume)
    begin = time.perf_counter()
    found = fast_style(
        judge.net,
        judge.params,
        kept,
        paintings,
        transform_net=drawn,
        **recipe,
        style_scale=style_scale,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        held_out=held if len(held) else None,
        validate_every=validate_every,
        key=jax.random.key(seed),
        seed=seed,
        checkpoint=to / CHECKPOINT,
        resume=resume,
        facts={
            "net": net,
            "weights": judge.sha256 or judge.weights,
            "styles": names,
            "model": drawn.name,
            "batch": batch,
            "seed": seed,
            **recipe,
            "learning_rate": learning_rate,
            "style_scale": style_scale,
        },
        progress=True,
    )
    save_transform(to / FILE, found.net, found.params, styles=names)
    training_curves(found.trained.curves).savefig(to / "loss.png")
    _losses(to / "loss.csv", found)
    write_image(to / "contact.png", _sheet(found, held if len(held) else kept, names))
    write_record(
        to / "record.json",
        record(
            "train style",
            arguments,
            net=net,
            weights=judge.weights,
            sha256=judge.sha256,
            key=jax.random.key(seed),
            steps=found.trained.step,
            seconds=time.perf_counter() - begin,
            images=len(kept),
            styles=names,
            held_out=list(held.names),
            skipped=dict(images.skipped),
            file_sha256=file_sha256(to / FILE),
            curves={name: curve[-1] for name, curve in found.trained.curves.items()},
        ),
    )
    left = "" if found.trained.done else f" after {found.trained.step} of {steps} steps"
    print(f"{to}{left}: {FILE}, loss.png, loss.csv, contact.png, record.json")


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(","))


def _named(files: list[str]) -> list[str]:
    """Returns a name for each style file.

    Raises:
      ValueError: if two have the same: they could not be told apart later.
    """
    names = [Path(file).stem for file in files]
    if len(set(names)) < len(names):
        raise ValueError(f"styles need names of their own, not {', '.join(names)}")
    return names


def _losses(path: Path, found: FastStyle) -> None:
    """Writes every loss of every step: term, step, value."""
    lines = ["term,step,value"]
    for name, curve in found.trained.curves.items():
        lines += [f"{name},{int(step)},{value:.9g}" for step, value in curve]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sheet(found: FastStyle, images: Images, names: list[str]) -> np.ndarray:
    """Returns a sheet: a photograph and its picture in every style, row by row."""
    rows, captions = [], []
    for i in range(min(SHOWN, len(images))):
        photo = (images[i] / 255).astype(np.float32)
        rows += [photo, *_pictures(found.net, found.params, photo, len(names))]
        captions += [Path(images.names[i]).stem, *names]
    return contact_sheet(rows, captions=captions, columns=1 + len(names))


def _pictures(net: Network, params, photo: np.ndarray, count: int) -> list[np.ndarray]:
    if count == 1:
        return [stylize(net, params, photo)]
    return [stylize(net, params, photo, style=i) for i in range(count)]
