"""What the tests of the commands of style networks share: flags, and a trained network."""

import numpy as np
import pytest

from jaxvis.cli import main
from jaxvis.output.io import write_image
from jaxvis.train import loop

WORDS = (
    *("--net", "demo", "--content-tap", "relu2_1", "--style-tap", "relu1_1,relu2_1"),
    *("--size", 16, "--width", 2, "--blocks", 1, "--batch", 2, "--model", "same"),
)
"""Flags of a tiny training, on the embedded network."""


def run(*words):
    """Runs one command line; returns its exit code."""
    return main([str(word) for word in words])


def make_folder(work):
    """Fills a folder with photographs (one is broken) and a network of two styles."""
    draw = np.random.default_rng(0)
    for name in ("photos/a.png", "photos/deep/b.jpg", "photos/c.png", "x.png", "y.png"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        side = 24 if name == "photos/c.png" else 20
        write_image(work / name, draw.random((20, side, 3)).astype(np.float32))
    (work / "photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    words = ("train", "style", "photos", "--style", "x.png,y.png", "--steps", 2, "--out", "net")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXVIS_HOME", str(work / "home"))
        patch.chdir(work)
        assert run(*words, *WORDS) == 0
    return work


def interrupt_second_step(patch):
    """Makes Ctrl-C come in place of the second step of a training."""
    take_step, calls = loop._take_step, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return take_step(*arguments)

    patch.setattr(loop, "_take_step", interrupt)
