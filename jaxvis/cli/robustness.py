"""jaxvis robustness: how much a folder's images may be changed before a network errs."""

import io
import sys
from pathlib import Path
from typing import Any

from jaxvis.cli.adversarial import name_norm
from jaxvis.cli.checksums import hash_inputs, hash_outputs
from jaxvis.cli.choices import BallName
from jaxvis.cli.flags import (
    NETWORK,
    OUTPUT,
    Count,
    NetworkFlags,
    OutputFlags,
    Text,
    default_of,
    flatten_flags,
)
from jaxvis.cli.labelled import describe_labels, find_labels, open_photographs
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import parse_fractions
from jaxvis.cli.saving import Output, open_output
from jaxvis.cli.skipping import describe_images
from jaxvis.evaluate.robustness.curves import Robustness, measure_robustness
from jaxvis.output.files import write_atomically
from jaxvis.output.plot import accuracy_curves, save_figure
from jaxvis.output.record import make_record, write_record

FILES = ("robustness.png", "robustness.csv", "robustness.md")
"""The figure, the table and the report."""


def robustness(
    net: str,
    folder: Path,
    /,
    *,
    norm: BallName = "linf",
    epsilon: Text = None,
    steps: int = default_of(measure_robustness, "steps"),
    restarts: int = default_of(measure_robustness, "restarts"),
    queries: int = default_of(measure_robustness, "queries"),
    label: Text = None,
    size: Text = None,
    seed: int = 0,
    chunk: Count = None,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
) -> int:
    """Reports how robust a network is, and whether the attacks that say so can be trusted.

    Accuracy against epsilon, by noise, one step, many steps, and an attack that sees scores
    alone; then the signs of obfuscated gradients, with a verdict in words. The true classes
    are the names of the folders that images lie in, where these are names of classes, and
    otherwise what the network says. For example: jaxvis robustness squeezenet1_1 PHOTOS

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      folder: images; what is none, or cannot be read, is skipped and listed.
      norm: what measures the perturbation.
      epsilon: its largest norms, such as 1/255,4/255; seven that double if left out.
      steps: of the attack by many steps.
      restarts: of it, in the check that more of them find little more.
      queries: that the attack by scores alone may ask of an image.
      label: the true class of all images, by number or name.
      size: the images are cropped to it, 224 or 224x320 (H x W); the network's own if left
        out.
      seed: of all randomness, from 0 to 4294967295.
      chunk: images that a device attacks together; fitted to the machine if left out.

    Raises:
      OSError: if weights or a folder cannot be opened.
      ValueError: for a flag that does not fit the network or the folder.
    """
    arguments = flatten_flags(locals())
    radii = parse_fractions(epsilon, "--epsilon")
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder of images")
    opened = open_net(net, network)
    photos = open_photographs(opened, str(folder), size)
    labels = find_labels(opened, photos, label)
    to = open_output(output, "robustness")
    print(describe_images(len(photos), photos.skipped))
    print(describe_labels(photos, label))
    found = measure_robustness(
        opened.net,
        opened.params,
        photos.images,
        labels,
        norm=norm,
        epsilons=radii,
        steps=steps,
        restarts=restarts,
        queries=queries,
        key=seed,
        chunk=chunk,
        progress=sys.stderr.isatty(),
    )
    print(_write_files(to, found, opened.net.name, len(photos), norm))
    record = make_record(
        command="robustness",
        arguments=arguments,
        **describe_network(opened),
        inputs=hash_inputs(folder),
        skipped=dict(photos.skipped),
        robustness=_list_facts(found),
        pictures=[],
        files=hash_outputs(to.folder, list(FILES)),
    )
    write_record(to.folder / "record.json", record)
    print(f"{to}: report, figure, table, record")
    return 0


def _write_files(to: Output, found: Robustness, net: str, images: int, norm: str) -> str:
    """Writes the figure, the table and the report; returns the report."""
    report = write_report(found, net, images, norm)
    radii = [name_norm(float(one), norm) for one in found.epsilons]
    figure = accuracy_curves(radii, found.accuracy, clean=found.clean, norm=norm)
    save_figure(to.folder / FILES[0], figure)
    write_atomically(to.folder / FILES[1], _write_table(found).encode())
    write_atomically(to.folder / FILES[2], f"{report}\n".encode())
    return report


def _list_facts(found: Robustness) -> dict[str, Any]:
    return {
        "epsilons": found.epsilons.tolist(),
        "accuracy": {name: curve.tolist() for name, curve in found.accuracy.items()},
        "clean": found.clean,
        "queries": found.queries,
        "checks": [one._asdict() for one in found.checks],
        "verdict": found.verdict,
    }


def write_report(found: Robustness, net: str, images: int, norm: str) -> str:
    """Writes the report as Markdown: the table, the checks, and the verdict.

    Args:
      found: what was measured.
      net: the network's name.
      images: how many there were.
      norm: what measures the perturbation.
    """
    radii = [name_norm(float(one), norm) for one in found.epsilons]
    lines = [f"# How robust {net} is", ""]
    lines += [f"{images} images, {100 * found.clean:.1f} % right without an attack.", ""]
    lines += [f"| right, %, within {norm} | " + " | ".join(radii) + " |"]
    lines += ["| --- |" + " --- |" * len(found.epsilons)]
    for name in ("noise", "one step", "scores alone", "many steps"):
        values = " | ".join(f"{100 * value:.1f}" for value in found.accuracy[name])
        lines.append(f"| {name} | {values} |")
    lines += [""]
    for check in found.checks:
        lines.append(f"- {'yes' if check.passed else 'NO'}: {check.name} ({check.finding})")
    return "\n".join([*lines, "", found.verdict])


def _write_table(found: Robustness) -> str:
    text = io.StringIO()
    text.write("attack,epsilon,accuracy\n")
    for name in sorted(found.accuracy):
        for epsilon, value in zip(found.epsilons, found.accuracy[name]):
            text.write(f"{name},{float(epsilon):.9g},{float(value):.9g}\n")
    return text.getvalue()
