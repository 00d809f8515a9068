"""jaxvis train autoencoder: a denoising autoencoder on a user's own images."""

import time
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.common import new_folder
from jaxvis.generators.autoencoder import AUTOENCODERS
from jaxvis.methods.coupled.autoencode import load_autoencoder, train_autoencoder
from jaxvis.output.io import write_image
from jaxvis.output.plot import training_curves
from jaxvis.output.record import record, write_record
from jaxvis.output.sheet import contact_sheet
from jaxvis.train.images import Images, open_folder, split

FILE = "autoencoder.safetensors"
SHOWN = 8
"""Images of the reconstruction sheet."""
CELL = 96
"""Pixels to which smaller images are enlarged in it."""


def autoencoder(
    folder: Path,
    /,
    *,
    model: str = "despraz",
    fit: str = "crop",
    noise: float = 0.1,
    optimizer: str = "adadelta",
    learning_rate: float | None = None,
    steps: int = 1000,
    batch: int = 24,
    validation: float = 0.05,
    validate_every: int = 100,
    checkpoint_seconds: float = 120.0,
    seed: int = 0,
    resume: bool = False,
    out: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Trains a denoising autoencoder on a folder of images; its decoder can then draw.

    Checkpoints are written on the way, on Ctrl-C too; --resume goes on from the last
    one as if nothing had happened. jaxvis generate --decoder takes the result.

    Args:
      folder: the images, in subfolders too; what cannot be read is skipped.
      model: despraz (224 pixels) or small (32 pixels).
      fit: crop, or stretch, which ignores an image's shape.
      noise: standard deviation of the noise on the input, 1 being white.
      optimizer: adadelta or adam.
      learning_rate: the optimizer's usual one if left out.
      steps: updates in all.
      batch: images of each.
      validation: part of the images that is held out.
      validate_every: steps between two validations.
      checkpoint_seconds: between two checkpoints.
      seed: of all randomness.
      resume: go on in the folder named by --out.
      out: a new or empty folder; jaxvis-train-autoencoder if left out.
      overwrite: write into a folder that holds files.

    Raises:
      OSError: if a folder cannot be opened.
      ValueError: for a flag that does not fit, or a folder without usable images.
    """
    arguments = dict(locals())
    if model not in AUTOENCODERS:
        raise ValueError(f"model is one of {', '.join(AUTOENCODERS)}, not {model!r}")
    if resume and out is None:
        raise ValueError("--resume goes on in a folder: name it with --out")
    size = AUTOENCODERS[model]().size
    images = open_folder(folder, size=size, fit=fit, progress=True)
    kept, held = split(images, validation, seed=seed)
    print(f"{len(kept)} images, {len(held)} held out, {len(images.skipped)} skipped")
    to = new_folder(out, "train autoencoder", overwrite=overwrite or resume)
    begin = time.perf_counter()
    trained = train_autoencoder(
        kept,
        held,
        model=model,
        noise=noise,
        optimizer=optimizer,
        learning_rate=learning_rate,
        steps=steps,
        batch=batch,
        seed=seed,
        validate_every=validate_every,
        checkpoint=to / FILE,
        checkpoint_seconds=checkpoint_seconds,
        resume=resume,
        progress=True,
    )
    seconds = time.perf_counter() - begin
    training_curves(trained.curves).savefig(to / "loss.png")
    write_image(to / "reconstructions.png", _sheet(to / FILE, kept, held, noise))
    write_record(
        to / "record.json",
        record(
            "train autoencoder",
            arguments,
            key=jax.random.key(seed),
            steps=trained.step,
            seconds=seconds,
            images=len(kept),
            held_out=list(held.names),
            skipped=dict(images.skipped),
            curves={name: curve[-1] for name, curve in trained.curves.items()},
        ),
    )
    if not trained.done:
        print(f"interrupted after {trained.step} of {steps} steps: --resume goes on")
    print(f"{to}: {FILE}, loss.png, reconstructions.png, record.json")


def _sheet(path: Path, kept: Images, held: Images, noise: float) -> np.ndarray:
    """Returns a sheet: images, images with noise, reconstructions of these.

    The first half are images that it was trained on, the others were held out.
    """
    model, state, _ = load_autoencoder(path)
    known = min(len(kept), SHOWN // 2 if len(held) else SHOWN)
    unseen = min(len(held), SHOWN - known)
    chosen = [kept[i] for i in range(known)] + [held[i] for i in range(unseen)]
    clean = (np.stack(chosen) / 255).astype(np.float32)
    normal = np.random.default_rng(0).normal(size=clean.shape)
    noisy = (clean + noise * normal).astype(np.float32)
    found, _ = jax.jit(model.reconstruct)(state["params"], state["statistics"], noisy)
    captions = ["trained on"] * known + ["held out"] * unseen
    captions += ["noisy"] * len(clean) + ["reconstructed"] * len(clean)
    # Small images are enlarged, pixel by pixel: captions need some width.
    times = max(1, CELL // model.size[0])
    rows = np.concatenate([clean, noisy, found]).repeat(times, 1).repeat(times, 2)
    return contact_sheet(rows, captions=captions, columns=len(clean))
