"""jaxvis train autoencoder: a denoising autoencoder on a user's own images."""

import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvis.cli.checksums import hash_inputs, hash_outputs
from jaxvis.cli.choices import Fit
from jaxvis.cli.flags import default_of, flatten_flags
from jaxvis.cli.saving import new_folder
from jaxvis.cli.skipping import describe_skipped
from jaxvis.generators.autoencoder import AUTOENCODERS
from jaxvis.methods.coupled.autoencode import (
    PAPER,
    Denoising,
    load_autoencoder,
    reconstruct_images,
    train_autoencoder,
)
from jaxvis.optimize.describe import describe_optimizer
from jaxvis.output.io import write_image
from jaxvis.output.record import make_record, write_record
from jaxvis.output.sheet import contact_sheet
from jaxvis.train.curves import CURVES, write_curves
from jaxvis.train.images import Images, open_folder, split
from jaxvis.train.loop import CheckpointFile, Training

FIT = default_of(open_folder, "fit")
FILE, SHEET = "autoencoder.safetensors", "reconstructions.png"
SHOWN = 8
"""Images of the reconstruction sheet."""
CELL = 96
"""Pixels to which smaller images are enlarged in it."""


def autoencoder(
    folder: Path,
    /,
    *,
    model: str = default_of(train_autoencoder, "model"),
    fit: Fit = FIT,
    denoising: Denoising = PAPER,
    steps: int = default_of(train_autoencoder, "steps"),
    validation: float = 0.05,
    validate_every: int = default_of(train_autoencoder, "validate_every"),
    checkpoint_seconds: float = default_of(CheckpointFile, "seconds"),
    seed: int = 0,
    resume: bool = False,
    out: Path | None = None,
    overwrite: bool = False,
) -> int:
    """Trains a denoising autoencoder on a folder of images; its decoder can then draw.

    Checkpoints are written on the way, on Ctrl-C too; --resume goes on from the last
    one as if nothing had happened. jaxvis generate --decoder takes the result. For
    example: jaxvis train autoencoder photos --model small --out autoencoder

    Args:
      folder: the images, in subfolders too; what cannot be read is skipped.
      model: despraz (224 pixels) or small (32 pixels).
      fit: crop, or stretch, which ignores an image's shape.
      denoising: how the images are damaged, and how their repair is learned.
      steps: updates in all.
      validation: part of the images that is held out.
      validate_every: steps between two validations.
      checkpoint_seconds: between two checkpoints.
      seed: of all randomness, from 0 to 4294967295.
      resume: go on in the folder named by --out.
      out: a new or empty folder; jaxvis-train-autoencoder if left out.
      overwrite: write into a folder that holds files.

    Raises:
      OSError: if a folder cannot be opened.
      ValueError: for a flag that does not fit, or a folder without usable images.
    """
    arguments, begin = flatten_flags(locals()), time.perf_counter()
    if model not in AUTOENCODERS:
        raise ValueError(f"model is one of {', '.join(AUTOENCODERS)}, not {model!r}")
    if resume and out is None:
        raise ValueError("--resume goes on in a folder: name it with --out")
    images = open_folder(folder, size=AUTOENCODERS[model]().size, fit=fit, progress=True)
    inputs = hash_inputs(folder)
    kept, held = split(images, validation, seed=seed)
    said = describe_skipped(images.skipped)
    print(f"{len(kept)} images, {len(held)} held out{said}")
    to = new_folder(out, "train autoencoder", overwrite=overwrite or resume)
    trained = train_autoencoder(
        kept,
        held,
        model=model,
        denoising=denoising,
        steps=steps,
        seed=seed,
        validate_every=validate_every,
        checkpoint=CheckpointFile(to / FILE, seconds=checkpoint_seconds, resume=resume),
        progress=True,
    )
    if trained.step:
        write_curves(to, trained.curves)
        write_image(to / SHEET, _draw_sheet(to / FILE, kept, held, denoising))
        facts: dict[str, Any] = {"inputs": inputs, "optimizer": describe_optimizer(denoising.rule)}
        facts |= {"key": jax.random.key(seed), "seconds": time.perf_counter() - begin}
        _write_record(to, arguments, trained, kept, held, **facts)
        print(f"{to}: {', '.join((FILE, *CURVES, SHEET))}, record.json")
    if trained.done:
        return 0
    print(f"interrupted after {trained.step} of {steps} steps: --resume goes on", file=sys.stderr)
    return 130


def _write_record(
    to: Path, arguments: dict[str, Any], trained: Training, kept: Images, held: Images, **facts: Any
) -> None:
    record = make_record(
        "train autoencoder",
        arguments,
        steps=trained.step,
        files=hash_outputs(to, (FILE, *CURVES, SHEET)),
        interrupted=not trained.done,
        images=len(kept),
        held_out=list(held.names),
        skipped=dict(kept.skipped),
        curves={name: curve[-1] for name, curve in trained.curves.items()},
        **facts,
    )
    write_record(to / "record.json", record)


def _draw_sheet(path: Path, kept: Images, held: Images, denoising: Denoising) -> np.ndarray:
    """Draws a sheet: images, images with noise, reconstructions of these.

    The first half are images that it was trained on, the others were held out.
    """
    model, state, _ = load_autoencoder(path)
    known = min(len(kept), SHOWN // 2 if len(held) else SHOWN)
    unseen = min(len(held), SHOWN - known)
    chosen = [kept[i] for i in range(known)] + [held[i] for i in range(unseen)]
    clean = (np.stack(chosen) / 255).astype(np.float32)
    normal = np.random.default_rng(0).normal(size=clean.shape)
    noisy = (clean + denoising.noise * normal).astype(np.float32)
    found = reconstruct_images(model, state, noisy)
    captions = ["trained on"] * known + ["held out"] * unseen
    captions += ["noisy"] * len(clean) + ["reconstructed"] * len(clean)
    # Small images are enlarged, pixel by pixel: captions need some width.
    times = max(1, CELL // model.size[0])
    rows = np.concatenate([clean, noisy, found]).repeat(times, 1).repeat(times, 2)
    return contact_sheet(rows, captions=captions, columns=len(clean))
