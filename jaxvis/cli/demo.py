"""jaxvis demo: the whole library at work on a machine that has no checkpoint."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import jax

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.flags import NetworkFlags
from jaxvis.cli.judging import Ranks, judge_by_network
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.saving import Output, end_command, new_folder, run_or_interrupt, save_run
from jaxvis.cli.unit_sweep import name_files
from jaxvis.escape import slug
from jaxvis.methods.maximize import maximize
from jaxvis.methods.preimage.invert import invert
from jaxvis.optimize.runs import join_items
from jaxvis.output.io import read_sample_photo
from jaxvis.types import Key, Run
from jaxvis.weights.load import LoadedNetwork

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""Of the random VGG-19: what two minutes of two CPU cores allow."""
PHOTO, SIDE = "chelsea", 128
"""The inverted photograph, and its side in pixels."""


def demo(
    *,
    seeds: int = 3,
    seed: int = 0,
    steps: int = 160,
    out: Path | None = None,
    overwrite: bool = False,
) -> int:
    """Shows what jaxvis does: every class of a trained network, a photograph inverted.

    (a) Every class of the embedded trained network is maximised, all seeds together.
    (b) A photograph is reconstructed from layers of a VGG-19 with random weights.
    For example: jaxvis demo --seeds 1

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
    folder, key = new_folder(out, "demo", overwrite=overwrite), jax.random.key(seed)
    output, arguments = Output(folder), {"seeds": seeds, "seed": seed, "steps": steps, "out": out}
    code = _sweep_classes(output, key, seeds, steps, arguments)
    if code != 130:
        code = _invert_photograph(output, key, steps, arguments) or code
    print(f"the pictures are in {folder}{'/' if str(folder) != '/' else ''}")
    return code


def _facts(opened: LoadedNetwork, key: Key, steps: int, begin: float) -> dict[str, Any]:
    return {
        "command": "demo",
        **describe_network(opened),
        "key": key,
        "steps": steps,
        "seconds": time.perf_counter() - begin,
    }


def _sweep_classes(
    output: Output, key: Key, seeds: int, steps: int, arguments: dict[str, Any]
) -> int:
    """Makes pictures of every class of the embedded network; gives the exit code."""
    opened = open_net("demo", NetworkFlags())
    print(f"{len(opened.labels)} classes of the embedded network, {seeds} seeds each")
    begin, numbers = time.perf_counter(), tuple(range(len(opened.labels)))
    run, interrupted = run_or_interrupt(
        lambda: maximize(
            opened.net,
            opened.params,
            index=numbers,
            seeds=seeds,
            steps=steps,
            key=key,
            progress=True,
        )
    )
    ranks = Ranks(opened, numbers, seeds)
    pictures = save_run(
        output,
        run,
        name_files(numbers, opened.labels, ""),
        captions=opened.labels,
        items=_judge(ranks, run, opened.labels),
        prefix="class_",
        arguments=arguments,
        interrupted=interrupted,
        **_facts(opened, key, steps, begin),
    )
    judge_by_network("the network", pictures)
    return end_command(output, pictures, interrupted=interrupted)


def _judge(ranks: Ranks, run: Run, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """Judges every picture; gives the facts of each class, with one value a seed."""
    items = []
    for item, (label, images) in enumerate(zip(labels, run.image)):
        said = [ranks.judge(item * len(images) + i, image) for i, image in enumerate(images)]
        items.append({"label": label, **{name: [one[name] for one in said] for name in said[0]}})
    return items


def _invert_photograph(output: Output, key: Key, steps: int, arguments: dict[str, Any]) -> int:
    """Inverts a photograph through a random VGG-19, layer by layer; gives the exit code."""
    opened = open_net("vgg19", NetworkFlags(weights="random:0"), pool="avg", stop=LAYERS[-1])
    photo = read_sample_photo(PHOTO, size=(SIDE, SIDE))
    begin, runs, interrupted = time.perf_counter(), [], False
    for tap in LAYERS:
        run, interrupted = run_or_interrupt(
            partial(
                invert,
                opened.net,
                opened.params,
                photo,
                tap=tap,
                steps=steps,
                key=key,
                progress=True,
            )
        )
        runs.append(run._replace(z=()))
        print(f"random VGG-19 inverted from {tap}: error {100 * run.facts['error'][0]:.1f} %")
        if interrupted:
            break
    errors = [float(run.facts["error"][0]) for run in runs]
    pictures = save_run(
        output,
        join_items(runs),
        [slug(tap) for tap in LAYERS[: len(runs)]],
        captions=[f"{tap} {100 * e:.0f} %" for tap, e in zip(LAYERS, errors)],
        items=[{"tap": tap, "error": e} for tap, e in zip(LAYERS, errors)],
        first=[("photograph", photo)],
        prefix="invert_",
        arguments=arguments,
        inputs=hash_inputs(PHOTO),
        interrupted=interrupted,
        **_facts(opened, key, steps, begin),
    )
    return end_command(output, pictures, interrupted=interrupted)
