"""What robust training is worth: accuracy before and after, as it is, attacked and certified.

The demo network learns its own drawings, LeNet-5 MNIST's test digits, and ConvNetJS' network
the thousand pictures of CIFAR-10 that the data folder has; some of them are held out and
judged. There is no peer: the rows say the accuracies. All networks begin with their trained
weights, which were never trained against attacks.
"""

import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.harness.paths import DATA
from benchmarks.harness.rows import Case, Row, make_row
from benchmarks.harness.small_images import (
    CIFAR,
    CONVNETJS,
    DIGIT_LABELS,
    DIGITS,
    LENET5,
    read_known,
)
from jaxvis.compiler import jit
from jaxvis.defences.certify.certify import certified_accuracy
from jaxvis.defences.training.hardening import Hardening, Method
from jaxvis.defences.training.train import adversarial_train
from jaxvis.nets.demo.images import draw
from jaxvis.nets.demo.net import CLASSES
from jaxvis.network import Network
from jaxvis.types import Params
from jaxvis.weights.load import load

FILES = (LENET5, CONVNETJS, DIGITS, DIGIT_LABELS, CIFAR)
TASKS = ("demo", "mnist", "cifar")
METHODS: tuple[Method, ...] = ("clean", "pgd", "free", "trades", "ibp", "crown_ibp")


class Task(NamedTuple):
    """A network and its pictures.

    Attributes:
      net, params: the network.
      images: `[N, H, W, C]` uint8.
      labels: `[N]`.
      held: how many of them are held out.
      epsilon: the radius of the ball.
    """

    net: Network
    params: Params
    images: np.ndarray
    labels: np.ndarray
    held: int
    epsilon: float


def load_task(data: Path, name: str) -> Task:
    """Loads a network and its pictures, in an order of chance.

    Args:
      data: the data folder.
      name: a name of `TASKS`.
    """
    if name == "demo":
        labels = np.tile(np.arange(len(CLASSES), dtype=np.int32), 100)
        keys = jax.random.split(jax.random.key(0), len(labels))
        images = np.asarray(jit(jax.vmap(draw))(keys, labels))
        images = np.round(images * 255).astype(np.uint8)
        order = np.random.default_rng(0).permutation(len(labels))
        return Task(*load("demo"), images[order], labels[order], held=200, epsilon=8 / 255)
    held, epsilon = {"mnist": (1000, 0.1), "cifar": (200, 2 / 255)}[name]
    return Task(*read_known(data, name), held, epsilon)


def harden_task(task: Task, method: Method, *, steps: int) -> tuple[dict[str, float], float]:
    """Trains a task's network; gives accuracies of what was held out, and seconds.

    Args:
      task: the network and its pictures.
      method: of training.
      steps: batches.
    """
    known = len(task.labels) - task.held
    held = task.images[known:], task.labels[known:]
    before = certified_accuracy(task.net, task.params, *held, epsilon=task.epsilon)
    free = method == "free"
    hardening = Hardening(
        steps=steps // 4 if free else steps,
        learning_rate=1e-3,
        attack_steps=4 if free else 7,
        ramp=0.6,
    )
    begin = time.perf_counter()
    found = adversarial_train(
        task.net,
        task.params,
        task.images[:known],
        task.labels[:known],
        method=method,
        epsilon=task.epsilon,
        hardening=hardening,
        held_out=held,
    )
    took = time.perf_counter() - begin
    after = certified_accuracy(task.net, found.params, *held, epsilon=task.epsilon)
    facts = {"certified before": float(before), "certified after": float(after)}
    return {**found.facts, **facts}, took


def measure(quick: bool) -> list[Row]:
    """Measures every method on every task.

    Args:
      quick: two methods on digits, few steps.
    """
    if quick:
        return [_measure_method("mnist", method, 40, held=200) for method in ("pgd", "crown_ibp")]
    return [_measure_method(name, method, 1000) for name in TASKS for method in METHODS]


def measure_smoke() -> list[Row]:
    """Measures few steps of two methods."""
    return [_measure_method("cifar", method, 2, held=16) for method in ("pgd", "ibp")]


def _measure_method(name: str, method: Method, steps: int, *, held: int | None = None) -> Row:
    case = Case("robust", f"{name}, {method}", {"task": name, "method": method, "steps": steps})
    missing = [file for file in FILES if not (DATA / file).exists()]
    if missing:
        note = f"not run: the data folder lacks {missing[0]}"
        return make_row(case, ours=np.array([np.nan]), peer_name="no peer", note=note)
    task = load_task(DATA, name)
    facts, took = harden_task(task._replace(held=held or task.held), method, steps=steps)
    words = ", ".join(f"{key} {100 * value:.1f} %" for key, value in facts.items())
    return make_row(case, ours=np.array([took]), peer_name="no peer", note=words, **facts)
