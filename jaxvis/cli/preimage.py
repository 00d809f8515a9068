"""jaxvis invert and caricature: natural pre-images of photographs, layer by layer."""

import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvis.cli.common import Opened, new_folder, open_net, save_run, slug, summary
from jaxvis.cli.photographs import choose_size, read_photograph
from jaxvis.methods.preimage.caricature import caricature as exaggerate
from jaxvis.methods.preimage.code_masks import named_mask
from jaxvis.methods.preimage.invert import PRESETS
from jaxvis.methods.preimage.invert import invert as reconstruct
from jaxvis.methods.preimage.schedule import codes_of
from jaxvis.output.io import write_image
from jaxvis.recipes.natural import Natural, bare, departed
from jaxvis.types import Run


def taps_of(opened: Opened, text: str) -> tuple[str, ...]:
    """Returns the taps that a flag names, checked; "all" is every code of the network.

    Args:
      opened: the network.
      text: names separated by commas, or all.

    Raises:
      ValueError: for a tap that the network does not have.
    """
    if text == "all":
        return codes_of(opened.net)
    return opened.net.check_taps(tuple(word.strip() for word in text.split(",")))


def photographs(
    words: tuple[str, ...], size: tuple[int, int] | None
) -> tuple[list[str], np.ndarray]:
    """Returns the names and the images `[N, H, W, 3]` of photographs of one size.

    Args:
      words: files or names, see `jaxvis.cli.photographs.read_photograph`.
      size: (H, W) in pixels; None keeps their own, which must be the same.

    Raises:
      OSError: if one cannot be read.
      ValueError: for none, or for different sizes.
    """
    if not words:
        raise ValueError("name at least one photograph: a file, or chelsea")
    found = [read_photograph(word, size=size) for word in words]
    if len({image.shape for image in found}) > 1:
        raise ValueError("the photographs differ in size: pass --size, such as 224")
    return [Path(word).stem for word in words], np.stack(found)


def invert(
    net: str,
    images: tuple[str, ...],
    /,
    *,
    tap: str,
    preset: str = "short",
    seeds: int = 1,
    seed: int = 0,
    fidelity: str | None = None,
    mask: str | None = None,
    steps: int = 300,
    rate: str | None = None,
    exponent: float | None = None,
    beta: float | None = None,
    jitter: int | None = None,
    second: int | None = None,
    bare: bool = False,
    size: str | None = None,
    pool: str | None = None,
    weights: str | None = None,
    precision: str = "float32",
    chunk: int | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Reconstructs photographs from what layers of a network keep of them.

    Args:
      net: the network's name, such as vgg19, or hog, hogb or dsift.
      images: files, or astronaut, chelsea, coffee or rocket.
      tap: the layers, such as relu3_1 or relu1_1,relu3_1,relu5_1; all for every one.
      preset: short (one stage) or mahendran (the authors' two).
      seeds: reconstructions from each, from different random starts.
      seed: of all randomness.
      fidelity: C, how closely the code is followed, such as 20 or 1,20,100,300; the
        paper's for network and layer if left out.
      mask: the part of the code that counts, window:5 (the central 5x5 cells),
        group:1/2 or channels:0:48; all of it if left out.
      steps: updates.
      rate: the learning rate, code, print (as printed, nothing moves) or a number.
      exponent: power of the squared length in the bounded range; 0.5 is as printed.
      beta: exponent of the total variation.
      jitter: number of offsets, 1 for none; a quarter of the stride, none for HOG and
        SIFT, if left out.
      second: steps of the second stage, 0 for none.
      bare: without priors, walls and jitter.
      size: the images are cropped to it, 224 or 224x320 (H x W), or own for whole
        images; the network's own size if left out.
      pool: max or avg, for the VGG networks.
      weights: a converted file, or random:SEED; the cached file if left out.
      precision: of the network's products: float32, tf32 or bfloat16.
      chunk: pictures optimised together; fitted to memory if left out.
      out: a new or empty folder; jaxvis-invert if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if an image, the weights or the folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    opened = open_net(net, weights=weights, pool=pool, precision=precision)
    natural = _natural(
        preset,
        bare,
        rate=rate,
        exponent=exponent,
        beta=beta,
        jitter=jitter,
        second=second,
    )
    taps, levels = taps_of(opened, tap), _levels(fidelity)
    names, photos = photographs(images, choose_size(opened.net, size))
    folder, key = new_folder(out, "invert", overwrite=overwrite), jax.random.key(seed)
    pages = _Pages(folder, names, levels, bits)
    for name in taps:
        shape = opened.net.shape(opened.params, name, size=photos.shape[1:3])
        run = reconstruct(
            opened.net,
            opened.params,
            photos,
            tap=name,
            natural=natural,
            seeds=seeds,
            key=key,
            fidelity=levels,
            steps=steps,
            chunk=chunk,
            progress=True,
            mask=1.0 if mask is None else named_mask(mask, shape),
        )
        pages.add(name, run)
    pictures = pages.save(
        photos,
        command="invert",
        arguments=arguments,
        net=net,
        weights=opened.weights,
        sha256=opened.sha256,
        key=key,
        steps=steps,
        seconds=time.perf_counter() - begin,
    )
    print(summary(folder, pictures))


def _natural(preset: str, stripped: bool, **options: Any) -> Natural:
    """Returns a preset's settings with the options that were given."""
    if preset not in PRESETS:
        raise ValueError(f"preset is one of {', '.join(PRESETS)}, not {preset!r}")
    natural = departed(PRESETS[preset], **options)
    return bare(natural) if stripped else natural


def _levels(text: str | None) -> list[float] | float | None:
    """Returns C as `invert` takes it: one number, several or None."""
    if text is None:
        return None
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"{text!r} is no list of C: write numbers such as 1,20,100,300") from None
    if not all(0 < level < float("inf") for level in found):
        raise ValueError(f"C must be above 0, got {text!r}")
    return found[0] if len(found) == 1 else found


class _Pages:
    """The pictures of an inversion, layer by layer, written as they come."""

    def __init__(self, folder: Path, photos: list[str], levels: Any, bits: int) -> None:
        self.folder, self.photos, self.bits = folder, photos, bits
        self.levels = levels if isinstance(levels, list) else [None]
        self.names: list[str] = []
        self.items: list[dict] = []
        self.runs: list[Run] = []
        self.saved: set[str] = set()

    def add(self, tap: str, run: Run) -> None:
        """Writes the pictures of one layer: whoever stops at the next keeps them."""
        count, lead = len(self.photos) * len(self.levels), run.image.ndim - 3
        run = jax.tree.map(
            lambda leaf: leaf.reshape(count, -1, *leaf.shape[lead:]),
            run._replace(z=None),
        )
        for at in range(count):
            photo, level = divmod(at, len(self.levels))
            name = self._name(tap, photo, level)
            about = {"tap": tap, "error": run.trace["error"][at].tolist()}
            about |= {"photograph": self.photos[photo]} if len(self.photos) > 1 else {}
            about |= {"C": self.levels[level]} if len(self.levels) > 1 else {}
            self.names.append(name)
            self.items.append(about)
            for seed, picture in enumerate(run.image[at]):
                if np.isfinite(picture).all():
                    file = f"{name}_{seed}.png"
                    write_image(self.folder / file, picture, bits=self.bits)
                    self.saved.add(file)
        self.runs.append(run)
        print(f"{tap}: error {100 * float(np.mean(run.trace['error'])):.1f} %")

    def _name(self, tap: str, photo: int, level: int) -> str:
        words = [slug(tap)]
        if len(self.photos) > 1:
            words.insert(0, f"{photo:02d}_{slug(self.photos[photo])}")
        if len(self.levels) > 1:
            words.append(f"c{self.levels[level]:g}".replace(".", "p"))
        return "_".join(words)

    def save(self, photos: np.ndarray, **facts: Any) -> list[dict[str, Any]]:
        """Writes contact sheet and record; returns what is said of every picture."""
        run = jax.tree.map(lambda *leaves: np.concatenate(leaves), *self.runs)
        notes = [
            f"{about['tap']} {100 * float(np.mean(about['error'])):.0f} %"
            + (f" C {about['C']:g}" if "C" in about else "")
            for about in self.items
        ]
        return save_run(
            self.folder,
            run,
            self.names,
            captions=notes,
            items=self.items,
            first=list(zip(self.photos, photos)),
            saved=self.saved,
            bits=self.bits,
            **facts,
        )


def caricature(
    net: str,
    images: tuple[str, ...],
    /,
    *,
    tap: str,
    seed: int = 0,
    fidelity: float = 1.0,
    steps: int = 300,
    norm: str = "code",
    jitter: int | None = None,
    size: str | None = None,
    weights: str | None = None,
    precision: str = "float32",
    chunk: int | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Exaggerates what layers of a network see in photographs.

    Args:
      net: the network's name, such as vgg19.
      images: files, or astronaut, chelsea, coffee or rocket.
      tap: the layers, such as relu3_1 or relu3_1,relu5_1; all for every one.
      seed: of all randomness.
      fidelity: C, how much the layer's pattern counts against the priors.
      steps: updates.
      norm: what the data term is divided by: code or print.
      jitter: number of offsets, 1 for none; a quarter of the stride if left out.
      size: the images are cropped to it, 224 or 224x320 (H x W), or own for whole
        images; the network's own size if left out.
      weights: a converted file, or random:SEED; the cached file if left out.
      precision: of the network's products: float32, tf32 or bfloat16.
      chunk: pictures optimised together; fitted to memory if left out.
      out: a new or empty folder; jaxvis-caricature if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if an image, the weights or the folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments, begin = dict(locals()), time.perf_counter()
    opened = open_net(net, weights=weights, precision=precision)
    natural = departed(Natural(second=0), jitter=jitter, norm=norm)
    taps = taps_of(opened, tap)
    names, photos = photographs(images, choose_size(opened.net, size))
    folder = new_folder(out, "caricature", overwrite=overwrite)
    key = jax.random.key(seed)
    runs = [
        exaggerate(
            opened.net,
            opened.params,
            photos,
            tap=name,
            natural=natural,
            key=key,
            fidelity=fidelity,
            steps=steps,
            chunk=chunk,
            progress=True,
        )._replace(z=None)
        for name in taps
    ]
    together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *runs)
    several = len(names) > 1
    items = [
        {"tap": tap, **({"photograph": photo} if several else {})}
        for tap in taps
        for photo in names
    ]
    labels = [
        (f"{i % len(names):02d}_{slug(item['photograph'])}_" if several else "") + slug(item["tap"])
        for i, item in enumerate(items)
    ]
    pictures = save_run(
        folder,
        together,
        labels,
        captions=[item["tap"] for item in items],
        items=items,
        first=list(zip(names, photos)),
        bits=bits,
        command="caricature",
        arguments=arguments,
        net=net,
        weights=opened.weights,
        sha256=opened.sha256,
        key=key,
        steps=steps,
        seconds=time.perf_counter() - begin,
    )
    print(summary(folder, pictures))
