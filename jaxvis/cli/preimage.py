"""jaxvis invert and jaxvis caricature: natural pre-images of photographs, layer by layer."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import InversePreset, Whose
from jaxvis.cli.flags import (
    NETWORK,
    SEEDS,
    WATCHED,
    NetworkFlags,
    SeedFlags,
    WatchFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.ledger import open_ledger
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import parse_numbers, split_words
from jaxvis.cli.photographs import choose_size, read_photograph
from jaxvis.cli.preimage_pages import Pages
from jaxvis.methods.preimage.caricature import caricature as exaggerate
from jaxvis.methods.preimage.code_masks import parse_mask
from jaxvis.methods.preimage.invert import invert as reconstruct
from jaxvis.methods.preimage.schedule import codes_of, fidelity_of
from jaxvis.nets.table.fields import refuse_probabilities
from jaxvis.optimize.watch import Progress
from jaxvis.recipes.natural import NATURALS, Natural, change_natural, without_priors
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork

PRESET = default_of(reconstruct, "recipe")
NORM = default_of(Natural, "norm")


def invert(
    net: str,
    images: tuple[str, ...],
    /,
    *,
    tap: str,
    preset: InversePreset = PRESET,
    fidelity: str | None = None,
    mask: str | None = None,
    steps: int = default_of(reconstruct, "steps"),
    rate: str | None = None,
    exponent: float | None = None,
    beta: float | None = None,
    jitter: int | None = None,
    second: int | None = None,
    bare: bool = False,
    size: str | None = None,
    pool: Literal["max", "avg"] | None = None,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: WatchFlags = WATCHED,
) -> int:
    """Reconstructs photographs from what layers of a network keep of them.

    Pictures are written layer by layer; --resume goes on after the last one that is
    done. For example:
    jaxvis invert vgg19 chelsea --tap relu1_1,relu3_1,relu5_1

    Args:
      net: the network's name, such as vgg19, or hog, hogb or dsift.
      images: files, or astronaut, chelsea, coffee or rocket.
      tap: the layers, such as relu3_1 or relu1_1,relu3_1,relu5_1; all for every one.
      preset: short (one stage), mahendran (the authors' two) or lbfgs (no jitter; closer
        to the codes of deep layers).
      fidelity: C, how closely the code is followed, such as 20 or 1,20,100,300; the
        paper's for network and layer if left out.
      mask: the part of the code that counts, window:5 (the central 5x5 cells),
        group:1/2 or channels:0:48; all of it if left out.
      steps: updates.
      rate: the learning rate: code (as the authors have it; if left out), print (as
        printed, nothing moves) or a number.
      exponent: power of the squared length in the bounded range; 3 if left out, 0.5 is as
        printed.
      beta: exponent of the total variation; 2 if left out.
      jitter: number of offsets, 1 for none; a quarter of the stride, none for HOG and
        SIFT, if left out.
      second: steps of the second stage, 0 for none; 50 with --preset mahendran, none with
        the others, if left out.
      bare: without priors, walls and jitter.
      size: the images are cropped to it, 224 or 224x320 (H x W), or own for whole
        images; the network's own size if left out.
      pool: how the VGG networks pool; max if left out.

    Raises:
      OSError: if an image, the weights or the folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    changes = {"rate": rate, "exponent": exponent, "beta": beta, "jitter": jitter, "second": second}
    natural = change_natural(NATURALS[preset], **changes)
    natural = without_priors(natural) if bare else natural
    levels = _parse_levels(fidelity)
    _check_counts(steps, run)
    opened = open_net(net, network, pool=pool)
    names, photos = read_photographs(
        images, choose_size(opened.net, size), channels=opened.net.channels
    )
    inputs, taps = hash_inputs(*images), choose_taps(opened, tap, photos)
    fidelities = levels or {name: fidelity_of(opened.net, opened.params, name) for name in taps}
    shapes = {name: opened.net.shape(opened.params, name, size=photos.shape[1:3]) for name in taps}
    masks = {name: 1.0 if mask is None else parse_mask(mask, shapes[name]) for name in taps}
    key, pages = jax.random.key(run.seed), Pages(taps, names, levels, run.seeds)
    reconstruct_layer = partial(
        reconstruct,
        opened.net,
        opened.params,
        photos,
        recipe=natural,
        seeds=run.seeds,
        key=key,
        fidelity=levels,
        steps=steps,
        chunk=run.chunk,
    )

    def invert_layer(tap: str, *, progress: Progress) -> Run:
        return reconstruct_layer(tap=tap, mask=masks[tap], progress=progress)

    facts = {"command": "invert", "arguments": arguments, "key": key, "steps": steps}
    facts |= {"recipe": natural, "fidelity": fidelities, "inputs": inputs}
    return _make(pages, invert_layer, photos, opened, output, **facts)


def caricature(
    net: str,
    images: tuple[str, ...],
    /,
    *,
    tap: str,
    fidelity: float = default_of(exaggerate, "fidelity"),
    steps: int = default_of(exaggerate, "steps"),
    norm: Whose = NORM,
    jitter: int | None = None,
    size: str | None = None,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: WatchFlags = WATCHED,
) -> int:
    """Exaggerates what layers of a network see in photographs.

    Pictures are written layer by layer; --resume goes on after the last one that is
    done. For example:
    jaxvis caricature vgg19 chelsea --tap relu5_1 --out art.png

    Args:
      net: the network's name, such as vgg19, or a file that describes one (.toml, .py).
      images: files, or astronaut, chelsea, coffee or rocket.
      tap: the layers, such as relu3_1 or relu3_1,relu5_1; all for every one.
      fidelity: C, how much the layer's pattern counts against the priors.
      steps: updates.
      norm: what the data term is divided by: code or print.
      jitter: number of offsets, 1 for none; a quarter of the stride if left out.
      size: the images are cropped to it, 224 or 224x320 (H x W), or own for whole
        images; the network's own size if left out.

    Raises:
      OSError: if an image, the weights or the folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    natural = change_natural(Natural(second=0), jitter=jitter, norm=norm)
    _check_counts(steps, run)
    opened = open_net(net, network)
    names, photos = read_photographs(
        images, choose_size(opened.net, size), channels=opened.net.channels
    )
    inputs, taps = hash_inputs(*images), choose_taps(opened, tap, photos)
    key, pages = jax.random.key(run.seed), Pages(taps, names, None, run.seeds)
    exaggerate_layer = partial(
        exaggerate,
        opened.net,
        opened.params,
        photos,
        recipe=natural,
        seeds=run.seeds,
        key=key,
        fidelity=fidelity,
        steps=steps,
        chunk=run.chunk,
    )

    def change_layer(tap: str, *, progress: Progress) -> Run:
        return exaggerate_layer(tap=tap, progress=progress)

    facts = {"command": "caricature", "arguments": arguments, "key": key, "steps": steps}
    facts |= {"recipe": natural, "inputs": inputs}
    return _make(pages, change_layer, photos, opened, output, **facts)


def choose_taps(opened: LoadedNetwork, text: str, photos: np.ndarray) -> tuple[str, ...]:
    """Gives the taps that a flag names, checked; "all" is every code of the network.

    Args:
      opened: the network.
      text: names separated by commas, or all.
      photos: `[N, H, W, C]`, which the network must be able to take.

    Raises:
      ValueError: for no tap, one that the network does not have, one twice, the softmax,
        or photographs that are too small.
    """
    taps = codes_of(opened.net) if text == "all" else split_words(text)
    if not taps:
        raise ValueError("--tap names no layer: write relu3_1, or relu1_1,relu3_1, or all")
    if len(set(taps)) < len(taps):
        raise ValueError(f"--tap {text} names a layer twice")
    for tap in taps:
        refuse_probabilities(opened.net, tap)
        opened.net.shape(opened.params, tap, size=photos.shape[1:3])
    return taps


def read_photographs(
    words: tuple[str, ...], size: tuple[int, int] | None, *, channels: int = 3
) -> tuple[list[str], np.ndarray]:
    """Reads photographs of one size; gives their names and the images `[N, H, W, C]`.

    Args:
      words: files or names, see `jaxvis.cli.photographs.read_photograph`.
      size: (H, W) in pixels; None keeps their own, which must be the same.
      channels: of the images that the network takes.

    Raises:
      OSError: if one cannot be read.
      ValueError: for none, or for different sizes.
    """
    if not words:
        raise ValueError("name at least one photograph: a file, or chelsea")
    found = [read_photograph(word, size=size, channels=channels) for word in words]
    if len({image.shape for image in found}) > 1:
        raise ValueError("the photographs differ in size: pass --size, such as 224")
    return [Path(word).stem for word in words], np.stack(found)


def _parse_levels(text: str | None) -> list[float] | None:
    """Reads the values of C; None is the paper's."""
    levels = parse_numbers(text, "C")
    if levels is not None and not all(level > 0 for level in levels):
        raise ValueError(f"C must be above 0, got {text!r}")
    if levels is not None and len(set(levels)) < len(levels):
        raise ValueError(f"{text!r} names a C twice")
    return levels


def _check_counts(steps: int, run: SeedFlags) -> None:
    """Refuses numbers that the method would refuse once the folder is made."""
    for name, value in (("steps", steps), ("seeds", run.seeds), ("chunk", run.chunk)):
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, got {value}")


def _make(
    pages: Pages,
    method: Callable[..., Run],
    photos: np.ndarray,
    opened: LoadedNetwork,
    output: WatchFlags,
    **facts: Any,
) -> int:
    """Opens the folder, makes the pictures there, and gives the exit code."""
    same = {"weights": opened.sha256, "inputs": facts["inputs"]}
    command, arguments = facts["command"], facts["arguments"]
    ledger = open_ledger(output, command, arguments, count=pages.count, **same)
    return pages.make(ledger, method, photos, output, **describe_network(opened), **facts)
