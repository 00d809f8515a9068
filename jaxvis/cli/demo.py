"""jaxvis demo: the whole library at work on a machine that has no checkpoint."""

import time
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.common import Opened, new_folder, open_net, save_run, slug, summary
from jaxvis.cli.maximize import file_names, verdicts
from jaxvis.methods.maximize import maximize
from jaxvis.methods.preimage.invert import invert
from jaxvis.output.io import sample_photo

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""Of the random VGG-19: what two minutes of two CPU cores allow."""
SIDE = 128
"""Pixels of the inverted photograph."""


def demo(
    *,
    seeds: int = 3,
    seed: int = 0,
    steps: int = 160,
    out: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Shows what jaxvis does: every class of a trained network, a photograph inverted.

    (a) Every class of the embedded trained network is maximised, all seeds together.
    (b) A photograph is reconstructed from layers of a VGG-19 with random weights.

    Args:
      seeds: pictures per class.
      seed: of all randomness.
      steps: updates of each picture.
      out: a new or empty folder; jaxvis-demo if left out.
      overwrite: write into a folder that holds files.

    Raises:
      OSError: if the folder cannot be made.
      ValueError: for a flag out of range.
    """
    folder = new_folder(out, "demo", overwrite=overwrite)
    key = jax.random.key(seed)
    arguments = {"seeds": seeds, "seed": seed, "steps": steps, "out": out}
    _classes(folder, key, seeds, steps, arguments)
    _inversion(folder, key, steps, arguments)
    print(f"the pictures are in {folder}{'/' if str(folder) != '/' else ''}")


def _facts(opened: Opened, key: jax.Array, steps: int, begin: float) -> dict:
    return {
        "command": "demo",
        "net": opened.net.name,
        "weights": opened.weights,
        "sha256": opened.sha256,
        "key": key,
        "steps": steps,
        "seconds": time.perf_counter() - begin,
    }


def _classes(folder: Path, key, seeds: int, steps: int, arguments: dict) -> None:
    """Sweeps every class of the embedded network, `seeds` pictures each."""
    opened = open_net("demo")
    print(f"{len(opened.labels)} classes of the embedded network, {seeds} seeds each")
    begin, numbers = time.perf_counter(), tuple(range(len(opened.labels)))
    run = maximize(
        opened.net,
        opened.params,
        index=numbers,
        seeds=seeds,
        steps=steps,
        key=key,
        progress=True,
    )
    items = verdicts(opened, run, numbers)
    for item, label in zip(items, opened.labels):
        item["label"] = label
    pictures = save_run(
        folder,
        run,
        file_names(numbers, opened.labels, ""),
        captions=opened.labels,
        items=items,
        prefix="class_",
        arguments=arguments,
        **_facts(opened, key, steps, begin),
    )
    hits = [hit for item in items for hit in item["top1"]]
    print(f"the network names {sum(hits)} of {len(hits)} pictures as their class")
    print(summary(folder, pictures))


def _inversion(folder: Path, key, steps: int, arguments: dict) -> None:
    """Inverts a photograph through a VGG-19 with random weights, layer by layer."""
    opened = open_net("vgg19", weights="random:0", pool="avg", stop=LAYERS[-1])
    photo = sample_photo("chelsea", size=(SIDE, SIDE))
    begin, runs = time.perf_counter(), []
    for tap in LAYERS:
        run = invert(
            opened.net,
            opened.params,
            photo,
            tap=tap,
            steps=steps,
            key=key,
            progress=True,
        )
        runs.append(run._replace(z=None))
        error = 100 * float(run.trace["error"][0])
        print(f"random VGG-19 inverted from {tap}: error {error:.1f} %")
    together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *runs)
    errors = [float(run.trace["error"][0]) for run in runs]
    pictures = save_run(
        folder,
        together,
        [slug(tap) for tap in LAYERS],
        captions=[f"{tap} {100 * e:.0f} %" for tap, e in zip(LAYERS, errors)],
        items=[{"tap": tap, "error": e} for tap, e in zip(LAYERS, errors)],
        first=[("photograph", photo)],
        prefix="invert_",
        arguments=arguments,
        **_facts(opened, key, steps, begin),
    )
    print(summary(folder, pictures))
