"""Patches of all channels of several layers: ours against loops of forward hooks in torch.

Figures are seconds for all images, which are in memory: `jaxvis.patches` as a user calls it,
with histograms, against a loop that shows one image at a time and looks for the maximum of one
channel at a time, and against one in batches that does so for all channels at once. The
photographs are those of the data folder, where it is there, else smooth random images; the
weights are random, because the time does not depend on them.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

import jaxvis
from benchmarks.harness import subjects
from benchmarks.harness.paths import DATA
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.verdicts import judge, relative_difference
from benchmarks.peers import torch_peer
from jaxvis.train.images import open_folder

TARGET = 5.0
VALUES = 1e-4
"""Tolerance of the largest values, relative."""
TOP = 9


class Setting(NamedTuple):
    """The size of a measurement: network, ends of its layers' names, pixels, images, runs."""

    net: str
    layers: str
    pixels: int
    images: int
    pairs: int


FULL = (
    Setting("squeezenet1_1", "/concat", 227, 60, 3),
    Setting("googlenet", "/output", 224, 60, 3),
)
QUICK = (Setting("squeezenet1_1", "/concat", 227, 8, 2),)
SMOKE = (Setting("squeezenet1_1", "/concat", 64, 3, 1),)


def measure_patches(setting: Setting, *, target: float | None) -> list[Row]:
    """Measures two rows: one against each loop.

    Args:
      setting: the size of the measurement.
      target: the least ratio aimed at, against the loop of single images.
    """
    net = subjects.make_network(setting.net, setting.pixels)[0]
    taps = tuple(tap for tap in net.taps if tap.endswith(setting.layers))
    net, params = subjects.make_network(setting.net, setting.pixels, stop=taps[-1])
    images = _read_images(setting)
    ours = partial(jaxvis.patches, net, params, images, taps, top=TOP)
    rows = []
    for words, goal, single in (
        ("a loop over images and channels", target, True),
        ("batches of 10, all channels at once", None, False),
    ):
        case = Case(
            "patches",
            f"{setting.net}, {len(taps)} layers, {len(images)} images, against {words}",
            {**setting._asdict(), "taps": len(taps), "weights": "random"},
            target=goal,
        )
        peer = torch_peer.why_absent() or _make_peer(net, params, taps, images, ours, single)
        rows.append(compare(case, ours, peer, pairs=setting.pairs, warmups=1))
    return rows


def _read_images(setting: Setting) -> np.ndarray:
    """Reads the photographs `[N, H, W, 3]` float32 in [0, 1], or draws images in their place."""
    folder = DATA / "images" / "imagenet_a"
    if not folder.is_dir():
        return subjects.draw_images(setting.images, setting.pixels)
    photos = open_folder(folder, size=(setting.pixels, setting.pixels))
    chosen = [photos[number] for number in range(min(setting.images, len(photos)))]
    return np.stack(chosen).astype(np.float32) / 255


def _make_peer(net, params, taps, images, ours, single: bool) -> Peer:
    """Makes one of torch's loops, and compares what it finds with ours."""
    from benchmarks.peers.torch_hooks import loop_over_batches, loop_over_channels

    torch_peer.configure()
    module = torch_peer.make_module(net, params, taps[-1], images.shape[1], inplace=False)
    layers = {tap: module.layer(tap) for tap in taps}
    given = torch_peer.to_torch(images)
    name = "torch, forward hooks, "
    if single:
        run = partial(loop_over_channels, module, layers, given, TOP)
        name += "one image and one channel at a time"
    else:
        run = partial(loop_over_batches, module, layers, given, TOP, batch=10)
        name += "batches of 10"
    found, peer = ours(), run()
    differences = [relative_difference(found[tap].top.values, peer[tap]) for tap in taps]
    return Peer(name, run, judge(values=(max(differences), VALUES)))


def measure(quick: bool) -> list[Row]:
    """Measures the 60 photographs with SqueezeNet's and GoogLeNet's modules.

    Args:
      quick: 8 photographs, SqueezeNet alone.
    """
    settings = QUICK if quick else FULL
    goal = None if quick else TARGET
    return [row for setting in settings for row in measure_patches(setting, target=goal)]


def measure_smoke() -> list[Row]:
    """Measures the smallest size: SqueezeNet, 3 images of 64 pixels."""
    return [row for setting in SMOKE for row in measure_patches(setting, target=None)]
