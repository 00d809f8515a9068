"""What the commands that explain a photograph share: what is explained, and its page."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

import jaxvis
from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.flags import NetworkFlags, OutputFlags
from jaxvis.cli.opening import open_net
from jaxvis.cli.pages import write_pages
from jaxvis.cli.parsing import parse_indices, parse_position
from jaxvis.cli.photographs import read_for
from jaxvis.cli.saving import open_output
from jaxvis.output.heat import colour_heat, describe_colours, lay_over
from jaxvis.output.sheet import contact_sheet
from jaxvis.weights.load import LoadedNetwork

MOST = 100
"""Heatmaps on a page."""
DOTTED = ("saliency", "guided-backpropagation", "deconvnet", "lrp", "deep-lift", "guided-grad-cam")
"""Methods whose maps are of single pixels, which nothing is seen of over a photograph."""


LEAST = 192
"""Pixels that a picture on a page is wide at least, so that its caption has room."""


@dataclass(frozen=True)
class Case:
    """A photograph, and what of it is explained.

    Attributes:
      opened: the network.
      image: what the user called the photograph.
      photo: `[H, W, C]` in [0, 1].
      tap: the layer, or None for classes.
      indices: `[K]`, the classes, channels or neurons.
      position: of neurons.
    """

    opened: LoadedNetwork
    image: str
    photo: np.ndarray
    tap: str | None
    indices: tuple[int, ...]
    position: Any = None

    @cached_property
    def what(self) -> dict[str, Any]:
        """Gives the arguments of every method that say what is explained."""
        return {"tap": self.tap, "index": list(self.indices), "position": self.position}

    def name(self, place: int) -> str:
        """Gives the caption of what is explained: a class with its probability, a channel.

        Args:
          place: of it among `indices`.
        """
        index = self.indices[place]
        if self.tap is not None:
            where = "" if self.position is None else f" at {self.position}"
            return f"{self.tap} channel {index}{where}"
        labels = self.opened.labels
        label = labels[index].partition(",")[0] if labels else f"class {index}"
        return f"{label}, {100 * self.probabilities[index]:.1f} %"

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Computes the probability of every class, `[classes]`."""
        return _compute_probabilities(self.opened, self.photo)


def open_case(
    net: str,
    image: str,
    *,
    index: str | None,
    top: int,
    tap: str | None,
    position: str | None,
    size: str | None,
    network: NetworkFlags,
) -> Case:
    """Opens the network and the photograph, and finds what is to be explained.

    Args:
      net: the network's name or file.
      image: a file, or the name of a photograph that comes with jaxvis.
      index: the classes by number or name, or the channels of `tap`; None takes the best
        classes.
      top: how many of the best classes.
      tap: the layer of the channels; None for classes.
      position: of neurons: centre, or ROW,COLUMN.
      size: see `jaxvis.cli.photographs.choose_size`.
      network: its weights, labels and precision.

    Raises:
      OSError: if image or weights cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    opened = open_net(net, network)
    own, what = opened.net, "class" if tap is None else "channel"
    if tap is None and own.scores is None:
        raise ValueError(f"{own.name} names no class scores: pass --tap, see jaxvis layers {net}")
    if tap is None and position is not None:
        raise ValueError("--position is a neuron of a layer: pass --tap too")
    if not 1 <= top <= MOST:
        raise ValueError(f"--top goes from 1 to {MOST}, not {top}")
    photo = read_for(own, image, size)
    layer = own.check_taps(tap or own.scores or "")[0]
    count = own.shape(opened.params, layer, size=photo.shape[:2])[-1]
    if index is not None:
        labels = opened.labels if tap is None else ()
        numbers = parse_indices(index, count=count, what=what, labels=labels)
    elif tap is None:
        best = np.argsort(-_compute_probabilities(opened, photo), kind="stable")[:top]
        numbers = tuple(int(number) for number in best)
    else:
        raise ValueError("pass --index: which channels of the layer")
    if len(numbers) > MOST:
        raise ValueError(f"a page has {MOST} heatmaps at most, not {len(numbers)}: use Python")
    return Case(opened, image, photo, tap, numbers, parse_position(position))


def _compute_probabilities(opened: LoadedNetwork, photo: np.ndarray) -> np.ndarray:
    scores = np.asarray(opened.net.code(opened.params, photo, opened.net.scores or ""), np.float64)
    found: np.ndarray = softmax(scores)
    return found


def find_method(name: str) -> Callable[..., np.ndarray]:
    """Finds the function that makes the heatmaps `[..., H, W]` of a method.

    Args:
      name: what the command line calls it, such as "grad-cam".
    """
    found: Callable[..., np.ndarray] = getattr(jaxvis, name.replace("-", "_"))
    return found


def make_maps(case: Case, method: str, options: dict[str, Any]) -> tuple[np.ndarray, float]:
    """Makes the heatmaps of a case; returns them, `[K, h, w]`, and the seconds it took.

    Args:
      case: what is explained.
      method: its name.
      options: its own options; those that are None are left out.

    Raises:
      ValueError: as the method.
    """
    began = time.perf_counter()
    given = {name: value for name, value in options.items() if value is not None}
    what = case.what
    if method in ("eigen-cam", "attention-rollout"):  # they explain no score
        what = {}
    elif method in ("cam", "finer-cam"):
        if case.tap is not None:
            raise ValueError(f"{method} explains classes: leave --tap out")
        what = {"index": case.what["index"]}
    elif method == "le-grad":
        if case.position is not None:
            raise ValueError("le-grad explains classes and whole channels: leave --position out")
        what = {"tap": case.tap, "index": case.what["index"]}
    maps = find_method(method)(case.opened.net, case.opened.params, case.photo, **what, **given)
    maps = np.asarray(maps).reshape(-1, *maps.shape[-2:])
    return maps, time.perf_counter() - began


def draw_maps(
    case: Case, method: str, maps: np.ndarray, *, notes: Sequence[str] = ()
) -> list[tuple[str, np.ndarray]]:
    """Draws heatmaps, each with its caption.

    Args:
      case: what is explained.
      method: its name.
      maps: `[K, h, w]`.
      notes: a further line for each caption.
    """
    drawn = []
    for place, heat in enumerate(maps):
        name = case.name(place) if len(maps) == len(case.indices) else "the whole image"
        lines = [name, describe_colours(heat), *notes[place : place + 1]]
        dotted = method in DOTTED
        picture = colour_heat(heat) if dotted else lay_over(case.photo, heat)
        drawn.append(("; ".join(filter(None, lines)), picture))
    return drawn


def widen(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Enlarges pictures of a few pixels by whole numbers, so that captions fit below them.

    Args:
      pictures: `[H, W, 3]` each.
    """
    factors = [-(-LEAST // one.shape[1]) for one in pictures]
    return [one.repeat(by, axis=0).repeat(by, axis=1) for one, by in zip(pictures, factors)]


def write_maps(
    command: str,
    arguments: dict[str, Any],
    output: OutputFlags,
    case: Case,
    method: str,
    options: dict[str, Any],
    *,
    notes: Callable[[np.ndarray], Sequence[str]] | None = None,
) -> int:
    """Makes heatmaps, and writes their page and its record; gives the exit code.

    Args:
      command: its name.
      arguments: its flags by name.
      output: where the page goes.
      case: what is explained.
      method: its name.
      options: of the method.
      notes: function of the maps `[K, h, w]` that gives a further line for each caption.

    Returns:
      int: 0; 1 where no map shows anything.

    Raises:
      OSError: if the page cannot be written.
      ValueError: as the method.
    """
    to = open_output(output, command, count=1)
    maps, seconds = make_maps(case, method, options)
    drawn = draw_maps(case, method, maps, notes=notes(maps) if notes else ())
    shown = [(Path(case.image).stem, np.broadcast_to(case.photo, (*case.photo.shape[:2], 3)))]
    captions, pictures = zip(*shown, *drawn)
    page = contact_sheet(widen(pictures), captions=captions, columns=min(len(pictures), 4))
    flat = [case.name(i) for i, heat in enumerate(maps) if not np.any(np.nan_to_num(heat))]
    code = write_pages(
        to,
        case.opened,
        {method: page},
        about={method: {"indices": case.indices, "captions": captions[1:], "flat": flat}},
        command=command,
        arguments=arguments,
        inputs=hash_inputs(case.image),
        seconds=seconds,
    )
    if flat:
        print(f"no heat anywhere for {'; '.join(flat)}")
    return 1 if len(flat) == len(maps) else code
