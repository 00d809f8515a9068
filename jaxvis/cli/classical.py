"""jaxvis classical-texture: the textures of before neural networks."""

import time
from pathlib import Path
from typing import Literal

import jax

from jaxvis.cli.common import new_folder, parse_size, save_run, slug, summary
from jaxvis.cli.image import photograph
from jaxvis.methods.classical_texture.efros_leung import efros_leung
from jaxvis.methods.classical_texture.wei_levoy import wei_levoy
from jaxvis.output.io import crop_to

SOURCE = (128, 128)
"""What a larger texture is made smaller to: its features then fit into a window."""
ALGORITHMS = {
    "efros-leung": (efros_leung, ("window", "tolerance", "tileable")),
    "wei-levoy": (wei_levoy, ("window", "levels", "passes", "beam")),
}
"""Name -> the method and the flags that it takes."""


def classical_texture(
    image: str,
    /,
    *,
    algorithm: Literal["efros-leung", "wei-levoy"] = "efros-leung",
    size: str = "128",
    source: str | None = None,
    seeds: int = 1,
    seed: int = 0,
    window: int | None = None,
    tolerance: float | None = None,
    tileable: bool = False,
    levels: int | None = None,
    passes: int | None = None,
    beam: int | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Grows a texture from a sample of it, copying pixels; no network is needed.

    Args:
      image: a file, or astronaut, chelsea, coffee or rocket.
      algorithm: efros-leung (pixel by pixel from the centre, random among good
        matches) or wei-levoy (coarse to fine; faster, tileable).
      size: of the pictures, 128 or 128x256 (H x W).
      source: the sample is resized and cropped to it, 128 or 128x256 (H x W), or own
        for the whole sample; 128 if left out and it is larger.
      seeds: pictures.
      seed: of all randomness.
      window: side of the neighbourhood in pixels, odd; 15 (efros-leung) or 9 if left
        out.
      tolerance: efros-leung, how much worse than the best a match may be; 0.1 if left
        out.
      tileable: efros-leung, neighbourhoods go around the edges.
      levels: wei-levoy, of the pyramid; 3 if left out.
      passes: wei-levoy, times that each level is gone through; 2 if left out.
      beam: wei-levoy, nodes of the tree that a search follows; 16 if left out.
      out: a new or empty folder; jaxvis-classical-texture if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if image or folder cannot be opened.
      ValueError: for a flag that the algorithm does not take, or a sample that is
        too small for the window.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    method, known = ALGORITHMS[algorithm]
    names = ("window", "tolerance", "tileable", "levels", "passes", "beam")
    given = {name: arguments[name] for name in names}
    options = {name: x for name, x in given.items() if x not in (None, False)}
    for name in options:
        if name not in known:
            raise ValueError(f"{algorithm} has no --{name}: that is the other one's")
    sample, key = _sample(image, source), jax.random.key(seed)
    whole = parse_size(size)
    folder = new_folder(out, "classical-texture", overwrite=overwrite)
    run = method(sample, size=whole, seeds=seeds, key=key, progress=True, **options)
    stem = Path(image).stem
    pictures = save_run(
        folder,
        run._replace(z=None, image=run.image[None]),
        [slug(stem) or "texture"],
        captions=[algorithm],
        items=[{"algorithm": algorithm}],
        first=[(stem, sample)],
        bits=bits,
        command="classical-texture",
        arguments=arguments,
        key=key,
        seconds=time.perf_counter() - begin,
    )
    print(summary(folder, pictures))


def _sample(image: str, source: str | None):
    """Returns the texture `[H, W, 3]` that is sampled."""
    if source is not None:
        return photograph(image, size=None if source == "own" else parse_size(source))
    whole = photograph(image, size=None)
    larger = all(side > most for side, most in zip(whole.shape, SOURCE))
    return crop_to(whole, SOURCE) if larger else whole
