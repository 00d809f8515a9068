"""The figures of natural pre-images: one function draws each, from a setting."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import jaxvis
from benchmarks.harness.paths import DATA
from benchmarks.papers.preimages import load_network, read_photograph
from jaxvis.methods.preimage.code_masks import mask_group, mask_window
from jaxvis.methods.preimage.peaks import measure_peaks
from jaxvis.network import Network
from jaxvis.output.io import read_image, read_sample_photo
from jaxvis.recipes.natural import Natural
from jaxvis.types import Params

SQUEEZE, GOOGLE, VGG = "squeezenet1_1", "googlenet", "vgg19"
CLASSES = {
    100: "black swan",
    99: "goose",
    31: "tree frog",
    933: "cheeseburger",
    504: "coffee mug",
    917: "comic book",
    886: "vending machine",
}
BETAS = (1.0, 1.5, 2.0)


class Setting(NamedTuple):
    """The size of a measurement.

    Attributes:
      side: pixels of a side of inversions and caricatures.
      steps, second: of the two stages.
      layers: network -> its layers, shallow to deep, for figures 5 to 12, 14 and 15.
      middle: network and layer of figure 2.
      classes: how many of figure 13.
      filters: of each mosaic of figures 11 and 12.
      figures: which are drawn.
      drawn: whether weights are random.
    """

    side: int
    steps: int
    second: int
    layers: dict[str, tuple[str, ...]]
    middle: tuple[str, str]
    classes: int
    filters: int
    figures: tuple[int, ...] = (2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    drawn: bool = False


class Mosaic(NamedTuple):
    """Pictures with their captions, pictures in a row, and a number of each."""

    pictures: list[np.ndarray]
    captions: list[str]
    columns: int
    values: list[float]

    def add(self, pictures: Iterable, captions: Iterable[str], values: Iterable[float]) -> None:
        """Adds pictures, each with a caption and a value."""
        self.pictures.extend(pictures)
        self.captions.extend(captions)
        self.values.extend(values)

    def add_errors(
        self, pictures: Sequence, captions: Sequence[str], errors: Sequence[float]
    ) -> None:
        """Adds reconstructions, with their errors in percent in the captions."""
        notes = [f"{note}: {error:.0f} %" for note, error in zip(captions, errors)]
        self.add(pictures, notes, errors)


def _invert(
    net: Network, params: Params, image: np.ndarray, tap: str, setting: Setting, **more
) -> tuple[list[np.ndarray], list[float]]:
    """Inverts one layer; returns reconstructions and their errors in percent."""
    recipe = replace(more.pop("recipe", Natural()), second=setting.second)
    run = jaxvis.invert(net, params, image, tap=tap, recipe=recipe, steps=setting.steps, **more)
    pictures = run.image.reshape(-1, *run.image.shape[-3:])
    return list(pictures), (100 * run.facts["code_error"]).ravel().tolist()


def draw_levels(setting: Setting) -> Mosaic:
    """Draws figure 2: one layer, C along the first row, beta along the second.

    Args:
      setting: the size of the measurement.
    """
    name, tap = setting.middle
    net, params, _ = load_network(name, setting.side, drawn=setting.drawn)
    image = read_photograph("fox", setting.side)
    out, levels = Mosaic([], [], 3, []), [1.0, 20.0, 100.0]
    found = _invert(net, params, image, tap, setting, fidelity=levels)
    out.add_errors(found[0], [f"C = {level:g}" for level in levels], found[1])
    for beta in BETAS:
        options = {"fidelity": 20.0, "recipe": Natural(beta=beta)}
        pictures, errors = _invert(net, params, image, tap, setting, **options)
        out.add_errors(pictures, [f"C = 20, beta = {beta:g}"], errors)
    return out


def draw_jitter(setting: Setting) -> Mosaic:
    """Draws figure 3: the tree frog with and without jitter, by beta.

    Args:
      setting: the size of the measurement.
    """
    net, params, _ = load_network(SQUEEZE, 224, drawn=setting.drawn)
    out, found = Mosaic([], [], len(BETAS), []), _measure_peaks(net, params)
    for offsets, words in ((None, "jitter"), (1, "none")):
        for beta in BETAS:
            recipe = Natural(jitter=offsets, beta=beta, peaks=found)
            pictures, values = _maximize(net, params, setting, index=31, recipe=recipe)
            out.add(pictures, [f"{words}, beta = {beta:g}"], values)
    return out


def _maximize(
    net: Network, params: Params, setting: Setting, **options: Any
) -> tuple[np.ndarray, list[float]]:
    """Draws channels with the recipe of the paper; returns pictures and data terms."""
    options = {"recipe": Natural(), "steps": setting.steps, **options}
    run = jaxvis.maximize(net, params, **options)
    return run.image[:, 0], run.trace["objective"][:, 0, -1].tolist()


def _measure_peaks(net: Network, params: Params, tap: str | None = None) -> np.ndarray:
    files, size = sorted((DATA / "images/imagenet_a").glob("*.jpg")), net.input_size
    images = [read_image(file, size=size) for file in files]
    images = images or [read_sample_photo("chelsea", size=size)]
    return measure_peaks(net, params, images, tap=tap or net.classes)


def draw_layers(name: str, setting: Setting) -> Mosaic:
    """Draws figures 5 to 7: the fox from every layer of a network.

    Args:
      name: of the network.
      setting: the size of the measurement.
    """
    net, params, _ = load_network(name, setting.side, drawn=setting.drawn)
    image = read_photograph("fox", setting.side)
    out = Mosaic([image], ["photograph"], 4, [])
    for tap in _choose_taps(net, setting, name):
        pictures, errors = _invert(net, params, image, tap, setting)
        out.add_errors(pictures, [tap], errors)
    return out


def _choose_taps(net: Network, setting: Setting, name: str) -> tuple[str, ...]:
    """Chooses the layers of a setting; fully connected ones at the native size alone."""
    small = net.input_size != (224, 224)
    dense = {row.name for row in net.rows if small and row.op == "fc"}
    return tuple(tap for tap in setting.layers[name] if tap not in dense)


def draw_seeds(setting: Setting) -> Mosaic:
    """Draws figure 8: four reconstructions of three photographs, from deep layers.

    Args:
      setting: the size of the measurement.
    """
    name = VGG if VGG in setting.layers else SQUEEZE
    net, params, _ = load_network(name, setting.side, drawn=setting.drawn)
    taps = _choose_taps(net, setting, name)
    out = Mosaic([], [], 4, [])
    for photo in ("flamingo", "pattern", "monkey"):
        image = read_photograph(photo, setting.side)
        for tap in (taps[len(taps) // 3], taps[-1]):
            pictures, errors = _invert(net, params, image, tap, setting, seeds=4)
            out.add_errors(pictures, [f"{photo}, {tap}"] * 4, errors)
    return out


def draw_parts(kind: str, setting: Setting) -> Mosaic:
    """Draws figures 9 and 10: reconstructions from a part of every layer's code.

    Args:
      kind: "window", the central 5x5 cells; or "groups", each half of the channels.
      setting: the size of the measurement.
    """
    name = GOOGLE if GOOGLE in setting.layers else SQUEEZE
    net, params, _ = load_network(name, setting.side, drawn=setting.drawn)
    image = read_photograph("monkey", setting.side)
    out = Mosaic([], [], 4, [])
    for tap in setting.layers[name]:
        shape = net.shape(params, tap, size=image.shape[:2])
        masks = {f"{tap}, half {n}": mask_group(shape, n) for n in (1, 2)}
        if kind == "window":  # which needs a map of 5x5
            fits = len(shape) == 3 and min(shape[:2]) >= 5
            masks = {tap: mask_window(shape, 5)} if fits else {}
        for words, mask in masks.items():
            pictures, errors = _invert(net, params, image, tap, setting, mask=mask)
            out.add_errors(pictures, [words], errors)
    return out


def draw_filters(name: str, setting: Setting) -> Mosaic:
    """Draws figures 11 and 12: the first filters of every layer.

    Args:
      name: of the network.
      setting: the size of the measurement.
    """
    net, params, _ = load_network(name, 224, drawn=setting.drawn)
    out = Mosaic([], [], 5, [])
    for tap in setting.layers[name]:
        if len(net.shape(params, tap)) != 3:
            continue
        found = _measure_peaks(net, params, tap)
        alive = np.flatnonzero(found > 0)[: setting.filters].tolist()
        recipe = Natural(peaks=found)
        pictures, values = _maximize(net, params, setting, tap=tap, index=alive, recipe=recipe)
        out.add(pictures, [f"{tap} {channel}" for channel in alive], values)
    return out


def draw_classes(setting: Setting) -> Mosaic:
    """Draws figure 13: pictures of classes, one row for each network.

    Args:
      setting: the size of the measurement.
    """
    numbers = list(CLASSES)[: setting.classes]
    out = Mosaic([], [], len(numbers), [])
    for name in setting.layers:
        net, params, _ = load_network(name, 224, drawn=setting.drawn)
        recipe = Natural(peaks=_measure_peaks(net, params))
        pictures, values = _maximize(net, params, setting, index=numbers, recipe=recipe)
        out.add(pictures, [f"{name}: {CLASSES[n]}" for n in numbers], values)
    return out


def draw_caricatures(photo: str, setting: Setting) -> Mosaic:
    """Draws figures 14 and 15: a caricature from every layer.

    Args:
      photo: of `PHOTOGRAPHS`, or "pattern".
      setting: the size of the measurement.
    """
    out = Mosaic([], [], 5, [])
    for name in setting.layers:
        net, params, _ = load_network(name, setting.side, drawn=setting.drawn)
        image = read_photograph(photo, setting.side)
        for tap in _choose_taps(net, setting, name):
            run = jaxvis.caricature(net, params, image, tap=tap, steps=setting.steps)
            value = float(run.trace["objective"][0, -1])
            out.add([run.image[0]], [f"{name} {tap}"], [value])
    return out
