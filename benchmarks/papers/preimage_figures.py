"""What draws the figures of natural pre-images, each from a setting."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

import jaxvis
from benchmarks.papers.preimages import DATA, network, photograph
from jaxvis.methods.preimage.code_masks import group, window
from jaxvis.methods.preimage.peaks import peaks
from jaxvis.network import Network
from jaxvis.output.io import read_image, sample_photo
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
    """How much is computed.

    Attributes:
      side: pixels of a side of inversions and caricatures.
      steps, second: of the two stages.
      layers: network -> its layers, shallow to deep, for figures 5 to 12, 14 and 15.
      middle: network and layer of figure 2.
      classes: how many of figure 13.
      filters: of each mosaic of figures 11 and 12.
      chosen: the figures drawn.
      drawn: whether weights are random.
    """

    side: int
    steps: int
    second: int
    layers: dict[str, tuple[str, ...]]
    middle: tuple[str, str]
    classes: int
    filters: int
    chosen: tuple[int, ...] = (2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    drawn: bool = False


class Drawn(NamedTuple):
    """A mosaic: pictures, captions, pictures in a row, and figures of each."""

    pictures: list[np.ndarray]
    captions: list[str]
    columns: int
    values: list[float]


def _inverted(
    net: Network, params: Params, image: np.ndarray, tap: str, setting: Setting, **more
) -> tuple[list[np.ndarray], list[float]]:
    """Returns reconstructions and their errors in percent."""
    natural = replace(more.pop("natural", Natural()), second=setting.second)
    run = jaxvis.invert(net, params, image, tap=tap, natural=natural, steps=setting.steps, **more)
    pictures = run.image.reshape(-1, *run.image.shape[-3:])
    return list(pictures), (100 * run.trace["code_error"]).ravel().tolist()


def levels(setting: Setting) -> Drawn:
    """Returns figure 2: one layer, C along the first row, beta along the second.

    Args:
      setting: how much.
    """
    name, tap = setting.middle
    net, params, _ = network(name, setting.side, drawn=setting.drawn)
    image = photograph("fox", setting.side)
    some = [1.0, 20.0, 100.0]
    first, errors = _inverted(net, params, image, tap, setting, fidelity=some)
    captions = [f"C = {level:g}" for level in some]
    for beta in BETAS:
        more, found = _inverted(
            net, params, image, tap, setting, fidelity=20.0, natural=Natural(beta=beta)
        )
        first, errors = first + more, errors + found
        captions.append(f"C = 20, beta = {beta:g}")
    return Drawn(first, _with(captions, errors), 3, errors)


def _with(captions: list[str], errors: list[float]) -> list[str]:
    return [f"{note}: {error:.0f} %" for note, error in zip(captions, errors)]


def jitter(setting: Setting) -> Drawn:
    """Returns figure 3: the tree frog with and without jitter, by beta.

    Args:
      setting: how much.
    """
    net, params, _ = network(SQUEEZE, 224, drawn=setting.drawn)
    out, found = Drawn([], [], len(BETAS), []), _peaks(net, params)
    for offsets, words in ((None, "jitter"), (1, "none")):
        for beta in BETAS:
            run = jaxvis.maximize(
                net,
                params,
                index=31,
                preset="mahendran",
                steps=setting.steps,
                natural=Natural(jitter=offsets, beta=beta),
                peaks=found,
            )
            out.pictures.append(run.image[0, 0])
            out.captions.append(f"{words}, beta = {beta:g}")
            out.values.append(float(run.trace["objective"][0, 0, -1]))
    return out


def _peaks(net: Network, params: Params, tap: str | None = None) -> np.ndarray:
    files, size = sorted((DATA / "images/imagenet_a").glob("*.jpg")), net.input_size
    images = [read_image(file, size=size) for file in files]
    images = images or [sample_photo("chelsea", size=size)]
    return peaks(net, params, images, tap=tap or net.classes)


def layers(name: str) -> Callable[[Setting], Drawn]:
    """Returns what draws figures 5 to 7: the fox from every layer of a network.

    Args:
      name: of the network.
    """

    def draw(setting: Setting) -> Drawn:
        net, params, _ = network(name, setting.side, drawn=setting.drawn)
        image = photograph("fox", setting.side)
        out = Drawn([image], ["photograph"], 4, [])
        for tap in _taps(net, setting, name):
            found, errors = _inverted(net, params, image, tap, setting)
            out.pictures.extend(found)
            out.captions.extend(_with([tap], errors))
            out.values.extend(errors)
        return out

    return draw


def _taps(net: Network, setting: Setting, name: str) -> tuple[str, ...]:
    """Returns the layers chosen; fully connected ones at the native size alone."""
    small = net.input_size != (224, 224)
    dense = {entry.name for entry in net.rows if small and entry.op == "fc"}
    return tuple(tap for tap in setting.layers[name] if tap not in dense)


def seeds(setting: Setting) -> Drawn:
    """Returns figure 8: four reconstructions of three photographs, from deep layers.

    Args:
      setting: how much.
    """
    name = VGG if VGG in setting.layers else SQUEEZE
    net, params, _ = network(name, setting.side, drawn=setting.drawn)
    chosen = _taps(net, setting, name)
    out = Drawn([], [], 4, [])
    for photo in ("flamingo", "pattern", "monkey"):
        image = photograph(photo, setting.side)
        for tap in (chosen[len(chosen) // 3], chosen[-1]):
            found, errors = _inverted(net, params, image, tap, setting, seeds=4)
            out.pictures.extend(found)
            out.captions.extend(_with([f"{photo}, {tap}"] * 4, errors))
            out.values.extend(errors)
    return out


def parts(kind: str) -> Callable[[Setting], Drawn]:
    """Returns what draws figures 9 and 10: from a part of every layer's code.

    Args:
      kind: "window", the central 5x5 cells; or "groups", each half of the channels.
    """

    def draw(setting: Setting) -> Drawn:
        name = GOOGLE if GOOGLE in setting.layers else SQUEEZE
        net, params, _ = network(name, setting.side, drawn=setting.drawn)
        out = Drawn([], [], 4, [])
        image = photograph("monkey", setting.side)
        for tap in setting.layers[name]:
            shape = net.shape(params, tap, size=image.shape[:2])
            masks = {f"{tap}, half {n}": group(shape, n) for n in (1, 2)}
            if kind == "window":  # which needs a map of 5x5
                fits = len(shape) == 3 and min(shape[:2]) >= 5
                masks = {tap: window(shape, 5)} if fits else {}
            for words, mask in masks.items():
                found, errors = _inverted(net, params, image, tap, setting, mask=mask)
                out.pictures.extend(found)
                out.captions.extend(_with([words], errors))
                out.values.extend(errors)
        return out

    return draw


def filters(name: str) -> Callable[[Setting], Drawn]:
    """Returns what draws figures 11 and 12: the first filters of every layer.

    Args:
      name: of the network.
    """

    def draw(setting: Setting) -> Drawn:
        net, params, _ = network(name, 224, drawn=setting.drawn)
        out = Drawn([], [], 5, [])
        for tap in setting.layers[name]:
            if len(net.shape(params, tap)) != 3:
                continue
            found = _peaks(net, params, tap)
            alive = np.flatnonzero(found > 0)[: setting.filters]
            run = jaxvis.maximize(
                net,
                params,
                tap=tap,
                index=alive.tolist(),
                preset="mahendran",
                peaks=found,
                steps=setting.steps,
            )
            out.pictures.extend(run.image[:, 0])
            out.captions.extend(f"{tap} {channel}" for channel in alive)
            out.values.extend(run.trace["objective"][:, 0, -1].tolist())
        return out

    return draw


def classes(setting: Setting) -> Drawn:
    """Returns figure 13: pictures of classes, a row a network.

    Args:
      setting: how much.
    """
    numbers = list(CLASSES)[: setting.classes]
    out = Drawn([], [], len(numbers), [])
    for name in setting.layers:
        net, params, _ = network(name, 224, drawn=setting.drawn)
        run = jaxvis.maximize(
            net,
            params,
            index=numbers,
            preset="mahendran",
            steps=setting.steps,
            peaks=_peaks(net, params),
        )
        out.pictures.extend(run.image[:, 0])
        out.captions.extend(f"{name}: {CLASSES[n]}" for n in numbers)
        out.values.extend(run.trace["objective"][:, 0, -1].tolist())
    return out


def caricatures(photo: str) -> Callable[[Setting], Drawn]:
    """Returns what draws figures 14 and 15: a caricature from every layer.

    Args:
      photo: of `PHOTOGRAPHS`, or "pattern".
    """

    def draw(setting: Setting) -> Drawn:
        out = Drawn([], [], 5, [])
        for name in setting.layers:
            net, params, _ = network(name, setting.side, drawn=setting.drawn)
            image = photograph(photo, setting.side)
            for tap in _taps(net, setting, name):
                run = jaxvis.caricature(net, params, image, tap=tap, steps=setting.steps)
                out.pictures.append(run.image[0])
                out.captions.append(f"{name} {tap}")
                out.values.append(float(run.trace["objective"][0, -1]))
        return out

    return draw
