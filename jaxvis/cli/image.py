"""jaxvis invert, caricature and dream: what a network makes of a photograph."""

import time
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.common import (
    new_folder,
    open_net,
    parse_size,
    save_run,
    slug,
    summary,
)
from jaxvis.methods.caricature import caricature as exaggerate
from jaxvis.methods.dream import dream as dream_of
from jaxvis.methods.invert import invert as reconstruct
from jaxvis.output.io import SAMPLES, read_image, sample_photo, write_image
from jaxvis.types import Network, Run


def photograph(text: str, *, size: tuple[int, int] | None) -> np.ndarray:
    """Returns the image that a flag names, `[H, W, 3]` float32 in [0, 1].

    Args:
      text: a file, or the name of a photograph of scikit-image (astronaut, chelsea,
        coffee, rocket).
      size: (H, W) in pixels to cover and crop to; None keeps the image's own.

    Raises:
      OSError, ValueError: as `jaxvis.output.io.read_image`.
    """
    if text in SAMPLES and not Path(text).exists():
        return sample_photo(text, size=size)
    return read_image(text, size=size)


def _size(net: Network, text: str | None) -> tuple[int, int] | None:
    """Returns the size asked for: "own" keeps the photograph's."""
    if text == "own":
        return None
    return parse_size(text) if text else net.input_size


def invert(
    net: str,
    image: str,
    /,
    *,
    tap: str,
    seeds: int = 1,
    seed: int = 0,
    fidelity: float | None = None,
    steps: int = 300,
    size: str | None = None,
    pool: str | None = None,
    weights: str | None = None,
    precision: str = "float32",
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Reconstructs a photograph from what layers of a network keep of it.

    Args:
      net: the network's name, such as vgg19.
      image: a file, or astronaut, chelsea, coffee or rocket.
      tap: the layers, such as relu3_1 or relu1_1,relu3_1,relu5_1.
      seeds: reconstructions from each, from different random starts.
      seed: of all randomness.
      fidelity: C, how closely the code is followed; by depth if left out.
      steps: updates.
      size: the image is cropped to it, 224 or 224x320 (H x W), or own for the whole
        image; the network's own size if left out.
      pool: max or avg, for the VGG networks.
      weights: a converted file, or random:SEED; the cached file if left out.
      precision: of the network's products: float32, tf32 or bfloat16.
      out: a new or empty folder; jaxvis-invert if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    opened = open_net(net, weights=weights, pool=pool, precision=precision)
    taps = opened.net.named(tuple(word.strip() for word in tap.split(",")))
    photo = photograph(image, size=_size(opened.net, size))
    folder, key = new_folder(out, "invert", overwrite=overwrite), jax.random.key(seed)
    runs, saved = [], set()
    for name in taps:
        run = reconstruct(
            opened.net, opened.params, photo, tap=name, seeds=seeds, key=key,
            fidelity=fidelity, steps=steps, progress=True,
        )  # fmt: skip
        runs.append(run)
        # Layer by layer: whoever stops at the last one keeps the others.
        for number, picture in enumerate(run.image):
            file = f"{slug(name)}_{number}.png"
            if np.isfinite(picture).all():
                write_image(folder / file, picture, bits=bits)
                saved.add(file)
        print(f"{name}: error {100 * float(np.mean(run.trace['error'])):.1f} %")
    together = jax.tree.map(lambda *leaves: np.stack(leaves), *_without_z(runs))
    errors = [float(np.mean(run.trace["error"])) for run in runs]
    pictures = save_run(
        folder, together, [slug(name) for name in taps],
        captions=[f"{n} {100 * e:.0f} %" for n, e in zip(taps, errors)],
        items=[{"tap": n, "error": e} for n, e in zip(taps, errors)],
        first=[(Path(image).stem, photo)], saved=saved, bits=bits, command="invert",
        arguments=arguments, net=net, weights=opened.weights, sha256=opened.sha256,
        key=key, steps=steps, seconds=time.perf_counter() - begin,
    )  # fmt: skip
    print(summary(folder, pictures))


def _without_z(runs: list[Run]) -> list[Run]:
    """Returns the runs without z, whose shape differs from layer to layer."""
    return [run._replace(z=None) for run in runs]


def caricature(
    net: str,
    image: str,
    /,
    *,
    tap: str,
    seed: int = 0,
    fidelity: float = 1.0,
    steps: int = 300,
    size: str | None = None,
    weights: str | None = None,
    precision: str = "float32",
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Exaggerates what layers of a network see in a photograph.

    Args:
      net: the network's name, such as vgg19.
      image: a file, or astronaut, chelsea, coffee or rocket.
      tap: the layers, such as relu3_1 or relu3_1,relu5_1.
      seed: of all randomness.
      fidelity: C, how much the layer's pattern counts against the priors.
      steps: updates.
      size: the image is cropped to it, 224 or 224x320 (H x W), or own for the whole
        image; the network's own size if left out.
      weights: a converted file, or random:SEED; the cached file if left out.
      precision: of the network's products: float32, tf32 or bfloat16.
      out: a new or empty folder; jaxvis-caricature if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    opened = open_net(net, weights=weights, precision=precision)
    taps = opened.net.named(tuple(word.strip() for word in tap.split(",")))
    photo = photograph(image, size=_size(opened.net, size))
    folder = new_folder(out, "caricature", overwrite=overwrite)
    key = jax.random.key(seed)
    runs = [
        exaggerate(
            opened.net, opened.params, photo, tap=name, key=key, fidelity=fidelity,
            steps=steps, progress=True,
        )
        for name in taps
    ]  # fmt: skip
    together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *_without_z(runs))
    pictures = save_run(
        folder, together, [slug(name) for name in taps], captions=list(taps),
        items=[{"tap": name} for name in taps], first=[(Path(image).stem, photo)],
        bits=bits, command="caricature", arguments=arguments, net=net,
        weights=opened.weights, sha256=opened.sha256, key=key, steps=steps,
        seconds=time.perf_counter() - begin,
    )  # fmt: skip
    print(summary(folder, pictures))


def dream(
    net: str,
    image: str,
    /,
    *,
    tap: str,
    seed: int = 0,
    octaves: int = 4,
    octave_scale: float = 1.4,
    steps: int = 10,
    step_size: float = 1.5,
    jitter: int = 32,
    size: str = "own",
    weights: str | None = None,
    precision: str = "float32",
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Lets a photograph dream: amplifies whatever a layer sees in it.

    Args:
      net: the network's name, such as googlenet.
      image: a file, or astronaut, chelsea, coffee or rocket.
      tap: the layer, such as inception_4c/output.
      seed: of all randomness.
      octaves: sizes, from small to the image's own.
      octave_scale: ratio of neighbouring octaves.
      steps: updates per octave.
      step_size: mean change of a step, in grey levels of 255.
      jitter: largest circular shift, in pixels.
      size: the image is cropped to it, 224 or 224x320 (H x W), or own for the whole
        image.
      weights: a converted file, or random:SEED; the cached file if left out.
      precision: of the network's products: float32, tf32 or bfloat16.
      out: a new or empty folder; jaxvis-dream if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    opened = open_net(net, weights=weights, precision=precision)
    photo = photograph(image, size=_size(opened.net, size))
    opened.net.named(tap)
    folder, key = new_folder(out, "dream", overwrite=overwrite), jax.random.key(seed)
    run = dream_of(
        opened.net, opened.params, photo, tap=tap, key=key, octaves=octaves,
        octave_scale=octave_scale, steps=steps, step_size=step_size, jitter=jitter,
        progress=True,
    )  # fmt: skip
    pictures = save_run(
        folder, run._replace(z=None), [slug(tap)], captions=[tap],
        items=[{"tap": tap}], first=[(Path(image).stem, photo)], bits=bits,
        command="dream", arguments=arguments, net=net, weights=opened.weights,
        sha256=opened.sha256, key=key, steps=octaves * steps,
        seconds=time.perf_counter() - begin,
    )  # fmt: skip
    print(summary(folder, pictures))
