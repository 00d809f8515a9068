"""Attacks: ours against torch by hand, ART and foolbox, on the same weights.

Figures are seconds for all images, `jaxvis.attacks` as a user calls it. Projected gradient
ascent takes torchattacks' steps in torch's fastest memory format. Carlini-Wagner and
HopSkipJump meet ART's and foolbox' own, where these are installed; such attacks draw or descend
differently, so the distances of their pictures are compared: ours may not be larger. One row
compares us with ourselves: a curve of epsilons with the largest of them alone. The weights are
random, because a step's time does not depend on them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxvis
from benchmarks.harness import subjects
from benchmarks.harness.rows import Case, Peer, Row, compare
from benchmarks.harness.small_nets import CIFAR_ROWS, LENET5_ROWS
from benchmarks.harness.verdicts import Verdict, judge
from benchmarks.peers import attack_libraries, torch_peer
from jaxvis.attacks.rows import score_images
from jaxvis.compiler import jit
from jaxvis.nets import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.network import Network
from jaxvis.types import Array, Params, Run

PGD, CURVE, CARLINI_WAGNER, HOP_SKIP_JUMP = 1.2, 1 / 1.3, 3.0, 10.0
"""The least ratios aimed at."""
EPSILON = 2 / 255
RUN_STEPS = 100
"""Steps of one of the nine runs of Carlini-Wagner: as many as make pictures as near as ART's."""
COMPARED = 5
"""Steps after which the pictures of an ascent are compared."""
FLIPPED = 5e-3
"""Tolerance of two pictures, in units of epsilon: the mean difference. The sign of a gradient
that is almost 0 may flip, and later steps follow."""
FARTHER = 0.1
"""By what part the median distance of our pictures may be larger."""
FAILED = 0.02
"""The part of all images of which the peer may make a picture that fools, and we none."""


class Setting(NamedTuple):
    """The size of a measurement: network, pixels of a side, images, steps, runs."""

    net: str
    pixels: int
    images: int
    steps: int
    pairs: int


class Subject(NamedTuple):
    """What is attacked: a network and images `[N, H, W, C]`, with what it says of them."""

    net: Network
    params: Params
    images: np.ndarray
    labels: np.ndarray


FULL = (
    Setting("squeezenet1_1", 128, 64, 40, 3),
    Setting("lenet5", 32, 64, 40, 3),
    Setting("convnetjs", 32, 64, 40, 3),
)
QUICK = (Setting("squeezenet1_1", 64, 16, 10, 2), Setting("lenet5", 32, 16, 40, 2))
SMOKE = (Setting("lenet5", 32, 3, 3, 1),)


def make_subject(setting: Setting) -> Subject:
    """Makes a network of random weights and images.

    Args:
      setting: the size of the measurement.
    """
    side = setting.pixels
    if setting.net in ("lenet5", "convnetjs"):
        table, channels = {"lenet5": (LENET5_ROWS, 1), "convnetjs": (CIFAR_ROWS, 3)}[setting.net]
        last = table[-1].name
        net = build_network(
            setting.net, table, input_size=(side, side), scores=last, channels=channels
        )
        params = random_params(net, jax.random.key(0), preprocess="imagenet")
        params = _even_out(net, params, _draw(setting, net))
    else:
        net, params = subjects.make_network(setting.net, side)
    images = _draw(setting, net)
    labels = score_images(net, params, images).argmax(-1).astype(np.int32)
    return Subject(net, params, images, labels)


def _draw(setting: Setting, net: Network) -> np.ndarray:
    return subjects.draw_images(setting.images, setting.pixels)[..., : net.channels]


def _even_out(net: Network, params: Params, images: np.ndarray) -> Params:
    """Gives every class a mean score of 0, or random weights would see one class alone."""
    last, mean = net.scores or "", score_images(net, params, images).mean(0)
    return {**params, last: {**params[last], "bias": params[last]["bias"] - mean}}


def measure_pgd(setting: Setting, subject: Subject, *, target: float | None) -> Row:
    """Measures a row: projected gradient ascent against torch.

    Args:
      setting: the size of the measurement.
      subject: what is attacked.
      target: the least ratio aimed at.
    """
    attack = _prepare(jaxvis.attacks.pgd, subject, epsilon=EPSILON, random_start=False)
    case = _name(setting, f"PGD, {setting.steps} steps", target)
    ours = partial(attack, steps=setting.steps, keep="last")

    def make_peer() -> Peer:
        from benchmarks.peers.torch_attacks import climb

        torch_peer.configure()
        module = _make_module(subject)
        images = torch_peer.to_torch(subject.images)
        labels = torch_peer.to_torch(subject.labels[:, None, None, None]).ravel().long()

        def make_run(form: Any, steps: int = setting.steps, step: float = 1 / 16) -> Callable:
            shown = images.to(memory_format=form)
            placed = module.to(memory_format=form)
            size = {"epsilon": EPSILON, "step": step * EPSILON, "steps": steps}
            return partial(climb, placed, shown, labels, **size)

        form, tried = torch_peer.time_formats(partial(make_run, steps=1))
        fastest = torch_peer.format_of(form)
        run = attack(steps=COMPARED, step_size=0.25, keep="last")
        found = make_run(fastest, COMPARED, 0.25)().permute(0, 2, 3, 1).cpu().numpy()
        difference = float(np.mean(np.abs(run.image - found))) / EPSILON
        name = f"torch, the same steps by hand, {form}"
        return Peer(name, make_run(fastest), judge(image=(difference, FLIPPED)), {"tried": tried})

    return compare(case, ours, torch_peer.why_absent() or make_peer(), pairs=setting.pairs)


def measure_curve(setting: Setting, subject: Subject, *, target: float | None) -> Row:
    """Measures a row: eight epsilons in one call against the largest of them alone.

    Args:
      setting: the size of the measurement.
      subject: what is attacked.
      target: the least ratio aimed at.
    """
    epsilons = [EPSILON * (i + 1) / 2 for i in range(8)]
    attack = _prepare(jaxvis.attacks.pgd, subject, steps=setting.steps)
    many, one = (partial(attack, epsilon=epsilon) for epsilon in (epsilons, epsilons[-1]))
    # What one epsilon alone breaks, the curve breaks too.
    missed = one().facts["success"] & ~many().facts["success"][:, -1]
    peer = Peer("jaxvis, the largest alone", one, judge(missed=(float(np.mean(missed)), FAILED)))
    return compare(_name(setting, "PGD, 8 epsilons", target), many, peer, pairs=setting.pairs)


def measure_carlini_wagner(setting: Setting, subject: Subject, *, target: float | None) -> Row:
    """Measures a row: Carlini-Wagner in L2 against ART's.

    Args:
      setting: the size of the measurement; its steps are not used.
      subject: what is attacked.
      target: the least ratio aimed at.
    """
    size = {"steps": RUN_STEPS, "runs": 9, "step_size": 0.005, "constant": 0.01}  # ART's constant
    ours = _prepare(jaxvis.attacks.carlini_wagner, subject, **size)

    def make_peer() -> Peer:
        torch_peer.configure()
        classes = score_images(subject.net, subject.params, subject.images[:1]).shape[-1]
        # Its own defaults: ten steps with a search along the line, for ten constants.
        run = attack_libraries.make_carlini_wagner(
            _make_module(subject), subject.images, classes, steps=10, runs=10
        )
        return Peer(
            "ART's CarliniL2Method, one batch", run, _judge_distances(ours(), run(), subject)
        )

    absent = torch_peer.why_absent() or attack_libraries.why_absent(attack_libraries.ART)
    case = _name(setting, f"Carlini-Wagner, 9 runs of {RUN_STEPS} steps", target)
    return compare(case, ours, absent or make_peer(), pairs=setting.pairs)


def measure_hop_skip_jump(setting: Setting, subject: Subject, *, target: float | None) -> Row:
    """Measures a row: HopSkipJump in L2 against foolbox', from the same starts.

    Args:
      setting: the size of the measurement; a tenth of its steps are jumps, four at least.
      subject: what is attacked.
      target: the least ratio aimed at.
    """
    net, params, images, labels = subject
    jumps = max(setting.steps // 10, 4)
    starts = _find_starts(subject)
    keep = starts is not None
    case = _name(setting, f"HopSkipJump, {jumps} jumps", target)
    ours = _prepare(jaxvis.attacks.hop_skip_jump, subject, steps=jumps, starts=starts)

    @jit
    def score(shown: Array) -> Array:
        return jax.vmap(lambda image: net.apply(params, image, stop=net.scores)[net.scores])(shown)

    def make_peer() -> Peer | str:
        if not keep:
            return "all images are of one class: there is nothing to start from"
        run = attack_libraries.make_hop_skip_jump(score, images, labels, starts, steps=jumps)
        return Peer("foolbox, JAXModel", run, _judge_distances(ours(), run(), subject))

    absent = attack_libraries.why_absent(attack_libraries.FOOLBOX)
    return compare(case, ours, absent or make_peer(), pairs=setting.pairs)


def _prepare(attack: Callable[..., Run], subject: Subject, **options: Any) -> Callable[..., Run]:
    return partial(attack, *subject, **options)


def _name(setting: Setting, words: str, target: float | None) -> Case:
    where = f"{setting.net} {setting.pixels} px, {setting.images} images"
    sizes = {**setting._asdict(), "weights": "random"}
    return Case("attacks", f"{words}, {where}", sizes, target=target)


def _make_module(subject: Subject) -> Any:
    net, side = subject.net, subject.images.shape[1]
    return torch_peer.make_module(net, subject.params, net.scores or "", side, inplace=False)


def _find_starts(subject: Subject) -> np.ndarray | None:
    """Finds an image of another class for every image; None where all are of one."""
    found = []
    for label in subject.labels:
        others = np.flatnonzero(subject.labels != label)
        if not len(others):
            return None
        found.append(subject.images[others[0]])
    return np.stack(found)


def _judge_distances(run: Run, pictures: np.ndarray, subject: Subject) -> Verdict:
    """Judges whether we fool the network as often, with distances that are no larger."""
    said = score_images(subject.net, subject.params, pictures).argmax(-1)
    theirs = np.sqrt(((pictures - subject.images) ** 2).sum((1, 2, 3)))
    fooled, success = said != subject.labels, run.facts["success"]
    both = fooled & success
    farther = 0.0
    if both.any():
        farther = np.median(run.facts["distance"][both]) / np.median(theirs[both]) - 1
    missed = fooled.mean() - success.mean()
    return judge(farther=(max(farther, 0.0), FARTHER), missed=(max(missed, 0.0), FAILED))


def _measure_all(settings: tuple[Setting, ...], *, aimed: bool) -> list[Row]:
    rows = []
    for setting in settings:
        subject = make_subject(setting)
        goals = [goal if aimed else None for goal in (PGD, CURVE, CARLINI_WAGNER, HOP_SKIP_JUMP)]
        rows.append(measure_pgd(setting, subject, target=goals[0]))
        rows.append(measure_curve(setting, subject, target=goals[1]))
        if setting.net == "lenet5":  # the peers take minutes for larger ones
            rows.append(measure_carlini_wagner(setting, subject, target=goals[2]))
            rows.append(measure_hop_skip_jump(setting, subject, target=goals[3]))
    return rows


def measure(quick: bool) -> list[Row]:
    """Measures 64 images of SqueezeNet, LeNet-5 and ConvNetJS' network.

    Args:
      quick: 16 images; SqueezeNet at 64 pixels, and LeNet-5.
    """
    return _measure_all(QUICK if quick else FULL, aimed=not quick)


def measure_smoke() -> list[Row]:
    """Measures the smallest size: LeNet-5, three images, three steps."""
    return _measure_all(SMOKE, aimed=False)
