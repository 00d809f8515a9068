"""The digits of the gallery: reconstructed by an autoencoder, and drawn for LeNet-5.

    python -m benchmarks.quality.digits_page --out digits

Writes the pictures of every row of docs/autoencoder.jpg and a record of them, from which
`jaxvis gallery autoencoder` puts the page together. LeNet-5, the GAN and the digits are read
from the data folder of the tests.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks.harness.paths import DATA
from benchmarks.harness.small_images import read_digits
from benchmarks.quality.digits import draw_from_latents, draw_with_decoder
from jaxvis.methods.coupled.autoencode import load_autoencoder, reconstruct_images
from jaxvis.output.files import write_atomically
from jaxvis.output.io import write_image
from jaxvis.train.images import from_array, split

HELD = 0.02
"""Part of the digits that `draw_with_decoder` does not train on."""
NOISE = 0.3
"""Of the noisy digits, as in the training."""


@dataclass(frozen=True)
class Options:
    """Writes the rows of the page of digits into a folder."""

    out: Path
    """The folder; it is made."""
    training: int = 1100
    """Updates of the autoencoder."""
    steps: int = 100
    """Updates of the pictures."""
    starts: int = 32
    """Random codes of the GAN that are tried for each picture."""


def make_rows(options: Options, data: Path) -> dict[str, np.ndarray]:
    """Makes the rows, name -> ten pictures `[10, 32, 32, C]` in [0, 1].

    Args:
      options: how long.
      data: the data folder.
    """
    path = options.out / "autoencoder.safetensors"
    how = {"training": options.training, "seeds": 2, "steps": options.steps}
    decoded = draw_with_decoder(data, path, **how).image
    model, state, _ = load_autoencoder(path)
    _, held = split(from_array(read_digits(data)[..., 0]), HELD)
    clean = np.stack([held[i] for i in range(10)]).astype(np.float32) / 255
    noisy = clean + NOISE * np.random.default_rng(0).normal(size=clean.shape).astype(np.float32)
    found = np.asarray(reconstruct_images(model, state, noisy))
    rows = {"reconstructed": found} | {f"decoder_{seed}": decoded[:, seed] for seed in range(2)}
    drawn = draw_from_latents(data, seeds=3, steps=options.steps, starts=options.starts).image
    return rows | {f"gan_{seed}": drawn[:, seed] for seed in range(3)}


def main(options: Options, data: Path = DATA) -> None:
    """Writes the pictures of every row, enlarged twice, and their record.

    Args:
      options: see there.
      data: the data folder.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    pictures = []
    for row, images in make_rows(options, data).items():
        for number, image in enumerate(images):
            file = f"{row}_{number}.png"
            large = np.clip(image, 0, 1).repeat(2, axis=0).repeat(2, axis=1)
            write_image(options.out / file, np.broadcast_to(large, (*large.shape[:2], 3)))
            pictures.append({"file": file, "name": f"{row}_{number}", "row": row})
    record = json.dumps({"pictures": pictures}, indent=1)
    write_atomically(options.out / "record.json", record.encode())


if __name__ == "__main__":
    main(tyro.cli(Options))
