"""jaxvis train robust: a network that learns from what would fool it."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvis.cli.checksums import hash_inputs, hash_outputs
from jaxvis.cli.choices import BallName, TrainingName
from jaxvis.cli.flags import NETWORK, NetworkFlags, Text, default_of, flatten_flags
from jaxvis.cli.labelled import read_labels, stack_images
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import parse_fractions
from jaxvis.cli.photographs import choose_size
from jaxvis.cli.saving import new_folder
from jaxvis.cli.skipping import describe_skipped
from jaxvis.defences.training.hardening import Hardening, check_method
from jaxvis.defences.training.train import JUDGING_STEPS, Hardened, adversarial_train
from jaxvis.output.record import make_record, write_record
from jaxvis.train.curves import CURVES, write_curves
from jaxvis.train.images import Images, open_folder, split
from jaxvis.train.loop import CheckpointFile
from jaxvis.weights.file import save, tensor_shapes
from jaxvis.weights.load import LoadedNetwork

FILE, CHECKPOINT = "robust.safetensors", "training.checkpoint"
SHARED = (
    *("method", "epsilon", "norm", "steps", "batch", "learning_rate", "attack_steps"),
    *("size", "validation", "seed"),
)
"""The flags that a training shares with its checkpoint."""


def robust(
    net: str,
    folder: Path,
    /,
    *,
    method: TrainingName = "pgd",
    epsilon: str = "8/255",
    norm: BallName = "linf",
    steps: int = default_of(Hardening, "steps"),
    batch: int = default_of(Hardening, "batch"),
    learning_rate: float = default_of(Hardening, "learning_rate"),
    attack_steps: int = default_of(Hardening, "attack_steps"),
    size: Text = None,
    validation: float = 0.1,
    seed: int = 0,
    resume: bool = False,
    out: Path | None = None,
    overwrite: bool = False,
    network: NetworkFlags = NETWORK,
) -> int:
    """Trains a network on attacked images, so that small changes fool it less often.

    For hardening networks of your own; docs/defences.md says what each method learns. The
    accuracy on images held out, as they are and attacked, is told before and after. What
    comes out is a file for --weights. For example: jaxvis train robust my_net.toml PHOTOS
    --weights my_net.pth --epsilon 4/255 --out robust

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      folder: images, those of a class in a subfolder named after the class, or its number.
      method: what it learns from: attacked images (pgd, free), these beside clean ones
        (trades), certified bounds (ibp, crown_ibp), or clean images alone.
      epsilon: the largest norm of a perturbation, such as 8/255.
      norm: what measures it.
      steps: batches in all.
      batch: images of one.
      learning_rate: of Adam; it falls to 0 along a cosine.
      attack_steps: of the attack on each batch.
      size: the images are cropped to it, 224 or 224x320 (H x W); the network's own if left
        out.
      validation: part of the images that is held out.
      seed: of all randomness, from 0 to 4294967295.
      resume: go on in the folder named by --out.
      out: a new or empty folder; jaxvis-train-robust if left out.
      overwrite: write into a folder that holds files.

    Raises:
      OSError: if weights or a folder cannot be opened.
      ValueError: for a flag that does not fit, a folder without classes, or a checkpoint of
        another training.
    """
    arguments, begin = flatten_flags(locals()), time.perf_counter()
    if resume and out is None:
        raise ValueError("--resume goes on in a folder: name it with --out")
    radius = _read_epsilon(epsilon)
    check_method(method, norm)
    how = Hardening(steps, batch, learning_rate, attack_steps, seed=seed)
    opened = open_net(net, network)
    tensor_shapes(opened.net)  # refuses a network that no file can hold
    kept, held = _open_images(opened, folder, size, validation, seed)
    to = new_folder(out, "train robust", overwrite=overwrite or resume)
    facts = {name: arguments[name] for name in SHARED}
    facts |= {"net": opened.net.name, "weights": opened.sha256 or opened.weights}
    found = adversarial_train(
        opened.net,
        opened.params,
        stack_images(kept, opened.net),
        np.array(read_labels(kept.names, opened)),
        method=method,
        epsilon=radius,
        norm=norm,
        hardening=how,
        held_out=(stack_images(held, opened.net), np.array(read_labels(held.names, opened))),
        checkpoint=CheckpointFile(to / CHECKPOINT, facts, resume=resume),
        progress=True,
    )
    print(_describe(found, norm, epsilon, len(held)))
    if found.step:
        _save(to, found, opened)
        more = {"key": jax.random.key(seed), "seconds": time.perf_counter() - begin}
        _write_record(to, arguments, found, opened, kept, held, inputs=hash_inputs(folder), **more)
        print(f"{to}: {', '.join((FILE, *CURVES))}, record.json")
    if not found.done:
        print(f"interrupted after {found.step} of {steps} steps: --resume goes on", file=sys.stderr)
    return 0 if found.done else 130


def _read_epsilon(text: str) -> float:
    radii = parse_fractions(text, "--epsilon") or []
    if len(radii) != 1 or not 0 < radii[0] < np.inf:
        raise ValueError(f"--epsilon is one number above 0, such as 8/255, not {text!r}")
    return radii[0]


def _open_images(
    opened: LoadedNetwork, folder: Path, size: str | None, validation: float, seed: int
) -> tuple[Images, Images]:
    """Opens the images, and holds some out; says how many."""
    if opened.net.scores is None:
        raise ValueError(f"{opened.net.name} names no class scores, which a training needs")
    wanted = choose_size(opened.net, size)
    if wanted is None:
        raise ValueError("the images of a training need one size: pass --size 224, not own")
    if not 0 < validation < 1:
        raise ValueError(f"--validation is above 0 and below 1, not {validation:g}")
    images = open_folder(folder, size=wanted, progress=True)
    if read_labels(images.names, opened) is None:
        raise ValueError(
            f"{folder} does not say what its images show: put those of a class into a folder "
            "that is named after the class, or is its number"
        )
    kept, held = split(images, validation, seed=seed)
    print(f"{len(kept)} images, {len(held)} held out{describe_skipped(images.skipped)}")
    return kept, held


def _describe(found: Hardened, norm: str, epsilon: str, held: int) -> str:
    """Says what the network gets right of the images held out, before and after."""
    lines = [f"right of {held} images held out, before -> after {found.step} steps:"]
    for what, name in (
        ("as they are", "clean"),
        (f"attacked (PGD, {JUDGING_STEPS} steps, {norm} {epsilon})", "robust"),
    ):
        before, after = (100 * found.facts[f"{name} {when}"] for when in ("before", "after"))
        lines.append(f"  {what}: {before:.1f} % -> {after:.1f} %")
    return "\n".join(lines)


def _save(to: Path, found: Hardened, opened: LoadedNetwork) -> None:
    """Writes the network as a file for --weights, and its curves."""
    net = opened.net
    facts = {
        "labels": json.dumps(list(opened.labels)),
        "classes": str(net.shape(opened.params, net.scores or "")[-1]),
        "channels": str(net.channels),
        "input_size": json.dumps(list(net.input_size)),
    }
    save(to / FILE, net, found.params, facts=facts)
    write_curves(to, found.curves)


def _write_record(
    to: Path,
    arguments: dict[str, Any],
    found: Hardened,
    opened: LoadedNetwork,
    kept: Images,
    held: Images,
    **facts: Any,
) -> None:
    record = make_record(
        "train robust",
        arguments,
        **describe_network(opened),
        steps=found.step,
        images=len(kept),
        held_out=list(held.names),
        skipped=dict(kept.skipped),
        accuracy=found.facts,
        files=hash_outputs(to, (FILE, *CURVES)),
        interrupted=not found.done,
        curves={name: curve[-1] for name, curve in found.curves.items()},
        **facts,
    )
    write_record(to / "record.json", record)
