"""jaxvis classical-texture: the textures of before neural networks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import Algorithm
from jaxvis.cli.flags import RESUMABLE, ResumeFlags, default_of, flatten_flags
from jaxvis.cli.ledger import open_ledger
from jaxvis.cli.parsing import parse_size
from jaxvis.cli.parts import Part, Saving, make_parts, save_pictures
from jaxvis.cli.photographs import read_photograph
from jaxvis.escape import slug
from jaxvis.methods.classical_texture.efros_leung import efros_leung
from jaxvis.methods.classical_texture.wei_levoy import wei_levoy
from jaxvis.optimize.runs import change_when_interrupted
from jaxvis.output.resample import crop_to
from jaxvis.types import Run

SOURCE = (128, 128)
"""What a larger texture is made smaller to: its features then fit into a window."""
ALGORITHMS: dict[str, tuple[Callable[..., Run], tuple[str, ...]]] = {
    "efros-leung": (efros_leung, ("window", "tolerance", "tileable")),
    "wei-levoy": (wei_levoy, ("window", "levels", "passes", "beam")),
}
"""Name -> the method and the flags that it takes."""


def classical_texture(
    image: str,
    /,
    *,
    algorithm: Algorithm = "efros-leung",
    size: str = "128",
    source: str | None = None,
    window: int | None = None,
    tolerance: float | None = None,
    tileable: bool = False,
    levels: int | None = None,
    passes: int | None = None,
    beam: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    output: ResumeFlags = RESUMABLE,
) -> int:
    """Grows a texture from a sample of it, copying pixels; no network is needed.

    For example: jaxvis classical-texture bricks.png --size 256 --out wall.png

    Args:
      image: a file, or astronaut, chelsea, coffee or rocket.
      algorithm: efros-leung (pixel by pixel from the centre, random among good
        matches) or wei-levoy (coarse to fine; faster, tileable).
      size: of the pictures, 128 or 128x256 (H x W).
      source: the sample is resized and cropped to it, 128 or 128x256 (H x W), or own
        for the whole sample; 128 if left out and it is larger.
      window: side of the neighbourhood in pixels, odd; 15 (efros-leung) or 9 if left
        out.
      tolerance: efros-leung, how much worse than the best a match may be; 0.1 if left
        out.
      tileable: efros-leung, neighbourhoods go around the edges.
      levels: wei-levoy, of the pyramid; 3 if left out.
      passes: wei-levoy, times that each level is gone through; 2 if left out.
      beam: wei-levoy, nodes of the tree that a search follows; 16 if left out.
      seeds: pictures, from different random starts.
      seed: of all randomness, from 0 to 4294967295.

    Raises:
      OSError: if image or folder cannot be opened.
      ValueError: for a flag that the algorithm does not take, or a sample that is
        too small for the window.
    """
    arguments = flatten_flags(locals())
    method, known = ALGORITHMS[algorithm]
    names = ("window", "tolerance", "tileable", "levels", "passes", "beam")
    given = {name: arguments[name] for name in names}
    options = {name: value for name, value in given.items() if value not in (None, False)}
    for name in options:
        if name not in known:
            raise ValueError(f"{algorithm} has no --{name}: that is the other one's")
    whole, sample, key = parse_size(size), _read_sample(image, source), jax.random.key(seed)
    inputs = hash_inputs(image)
    stem = Path(image).stem
    name = slug(stem) or "texture"
    ledger = open_ledger(output, "classical-texture", arguments, count=seeds, inputs=inputs)

    def grow(*, progress: bool) -> Run:
        # What had not grown yet when Ctrl-C came gets the mean colour.
        with change_when_interrupted(partial(_fill, colour=sample.mean((0, 1)))):
            return method(sample, size=whole, seeds=seeds, key=key, progress=progress, **options)

    save = partial(
        save_pictures,
        ledger,
        names=[name],
        seeds=seeds,
        captions=[algorithm],
        items=[{"algorithm": algorithm}],
        first=[(stem, sample)],
        command="classical-texture",
        arguments=arguments,
        inputs=inputs,
        options={**{name: default_of(method, name) for name in known}, **options},
        key=key,
    )
    part = Part([f"{name}_{number}" for number in range(seeds)], grow)
    return make_parts(ledger, [part], Saving(save))


def _fill(run: Run, colour: np.ndarray) -> Run:
    """Gives pixels that have not grown a colour, `[3]`."""
    return run._replace(image=np.where(np.isfinite(run.image), run.image, colour))


def _read_sample(image: str, source: str | None) -> np.ndarray:
    """Reads the texture that is sampled, `[H, W, 3]`."""
    if source is not None:
        return read_photograph(image, size=None if source == "own" else parse_size(source))
    whole = read_photograph(image, size=None)
    larger = all(side > most for side, most in zip(whole.shape, SOURCE))
    return crop_to(whole, SOURCE) if larger else whole
