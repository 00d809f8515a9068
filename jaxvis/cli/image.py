"""jaxvis dream: what a network makes of a photograph; photographs by name."""

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
from jaxvis.methods.dream import dream as dream_of
from jaxvis.network import Network
from jaxvis.output.io import SAMPLES, read_image, sample_photo


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


def size_of(net: Network, text: str | None) -> tuple[int, int] | None:
    """Returns the size that a flag asks for, (H, W) in pixels; None is the photo's own.

    Args:
      net: the network.
      text: 224, 224x320, own, or None for the network's native size.

    Raises:
      ValueError: for anything else.
    """
    if text == "own":
        return None
    return parse_size(text) if text else net.input_size


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
    photo = photograph(image, size=size_of(opened.net, size))
    opened.net.named(tap)
    folder, key = new_folder(out, "dream", overwrite=overwrite), jax.random.key(seed)
    run = dream_of(
        opened.net,
        opened.params,
        photo,
        tap=tap,
        key=key,
        octaves=octaves,
        octave_scale=octave_scale,
        steps=steps,
        step_size=step_size,
        jitter=jitter,
        progress=True,
    )
    pictures = save_run(
        folder,
        run._replace(z=None),
        [slug(tap)],
        captions=[tap],
        items=[{"tap": tap}],
        first=[(Path(image).stem, photo)],
        bits=bits,
        command="dream",
        arguments=arguments,
        net=net,
        weights=opened.weights,
        sha256=opened.sha256,
        key=key,
        steps=octaves * steps,
        seconds=time.perf_counter() - begin,
    )
    print(summary(folder, pictures))
