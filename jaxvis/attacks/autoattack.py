"""AutoAttack: four attacks in order, each on what the earlier ones did not break."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import jax
import numpy as np

from jaxvis.attacks.apgd import AutoClimb
from jaxvis.attacks.apgd_ranks import count_ranks
from jaxvis.attacks.attack import Attack
from jaxvis.attacks.fab import BoundarySearch
from jaxvis.attacks.losses import choose_loss
from jaxvis.attacks.norms import Norm, check_norm
from jaxvis.attacks.physical import survival_rate
from jaxvis.attacks.rows import Classes, Epsilons, Victims, choose_victims
from jaxvis.attacks.run import run_attack, search_smallest
from jaxvis.attacks.square import SquareSearch
from jaxvis.network import Network
from jaxvis.optimize.keys import fold_name
from jaxvis.types import ImageLike, Interrupted, Key, Params, Run, Status, View, as_key

Version = Literal["standard", "rand"]
"""The published ensembles: for a network that answers alike each time, and for one whose
answers are drawn anew."""
NORMS = ("linf", "l2")
"""The norms whose budgets were published with the ensemble."""
STEPS, CLASSES, QUERIES, SAMPLES = 100, 9, 5000, 20
"""The published budgets: gradients, wrong classes, queries, views of one gradient."""


@dataclass(frozen=True)
class Member:
    """One attack of the ensemble.

    Args:
      name: what the facts call it.
      attack: how one image is attacked.
      restarts: how often, or towards how many classes.
      search: what runs it.
      samples: views of one gradient.
    """

    name: str
    attack: Attack
    restarts: int = 1
    search: Callable[..., Run] = run_attack
    samples: int | None = None


def autoattack(
    net: Network,
    params: Params,
    images: ImageLike | Sequence[ImageLike],
    labels: Classes = None,
    *,
    epsilon: Epsilons,
    norm: Norm = "linf",
    version: Version = "standard",
    budget: float = 1.0,
    view: View | None = None,
    names: Sequence[str] | None = None,
    key: Key | int = 0,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks images by AutoAttack, the usual measure of robust accuracy.

    "standard" runs APGD-CE, APGD-T, FAB-T and Square in this order, each on the images that
    none before has broken: 100 steps, 9 classes, 5000 queries. "rand" is for networks that
    answer at random: APGD-CE and APGD-DLR, whose gradients are means of 20 views.

    Args:
      net, params, images, labels, epsilon: see `jaxvis.attacks.pgd`.
      norm: "linf" or "l2".
      version: "standard" or "rand".
      budget: what the published numbers of steps, classes and queries are multiplied by;
        below 1 for a quick look, which overstates how robust a network is.
      view: `(key, image) -> image` of a network that sees its images at random; "rand" needs
        it.
      names, key, chunk, progress: see `jaxvis.attacks.pgd`.

    Returns:
      Run: see `jaxvis.attacks.run.run_attack`. The fact "attack" is the name of the attack
      that broke an image: "clean" where it was misclassified already, "" where none did. The
      trace has the loss of each attack under its name; the queries are those of all. "rand"
      adds the fact "survival", the share of 20 new views in which the network is fooled: the
      robust accuracy of a network that answers at random is 1 minus its mean, whereas
      "success" is of the picture as it is.

    Raises:
      ValueError: for what `jaxvis.attacks.rows.choose_victims` refuses, another norm or
        version, a budget that is not above 0, and a version that does not go with the view.
      Interrupted: on Ctrl-C; it carries what there is.

    Source: Croce & Hein, Reliable evaluation of adversarial robustness with an ensemble of
    diverse parameter-free attacks (ICML 2020).

    >>> import jax
    >>> import jaxvis
    >>> net, params = jaxvis.load("demo")
    >>> photo = jaxvis.nets.demo.images.draw(jax.random.key(0), "disc")
    >>> run = jaxvis.attacks.autoattack(net, params, photo, epsilon=1 / 255, budget=0.01)
    >>> str(run.facts["attack"]) in ("", "apgd_ce", "apgd_t", "fab_t", "square")
    True
    """
    check_norm(norm, known=NORMS)
    if version not in get_args(Version):
        raise ValueError(f"version={version!r} is not known: choose standard or rand")
    if not budget > 0:
        raise ValueError(f"budget must be above 0, got {budget}")
    if (view is None) == (version == "rand"):
        raise ValueError('version="rand" is for a network with a view, "standard" for one without')
    victims = choose_victims(net, params, images, labels, norm=norm, epsilon=epsilon, names=names)
    members = _choose_members(version, norm, budget, victims)
    options: dict[str, Any] = {"chunk": chunk, "progress": progress}
    run = _run_members(members, net, params, victims, as_key(key), view, options)
    if view is None:
        return run
    pictures = run.image.reshape(-1, *victims.images.shape[1:])
    labels = np.repeat(victims.labels, len(victims.epsilons))
    new = fold_name(as_key(key), "survival")
    rates = survival_rate(net, params, pictures, labels, view=view, samples=SAMPLES, key=new)
    return run._replace(facts={**run.facts, "survival": rates.reshape(victims.lead)})


def _choose_members(version: Version, norm: Norm, budget: float, victims: Victims) -> list[Member]:
    """Makes the attacks of a version with the published budgets, scaled."""
    steps, classes, queries, samples = (
        max(round(number * budget), 1) for number in (STEPS, CLASSES, QUERIES, SAMPLES)
    )
    first = AutoClimb(norm, steps)
    dlr = replace(first, loss=choose_loss("dlr"))
    if version == "rand":
        return [
            Member("apgd_ce", first, samples=samples),
            Member("apgd_dlr", dlr, samples=samples),
        ]
    ranks = count_ranks(classes, victims)
    return [
        Member("apgd_ce", first),
        Member("apgd_t", replace(dlr, by_rank=True), ranks),
        Member("fab_t", BoundarySearch(norm, steps, by_rank=True), ranks, search_smallest),
        Member("square", SquareSearch(norm, queries)),
    ]


def _run_members(
    members: list[Member],
    net: Network,
    params: Params,
    victims: Victims,
    key: Key,
    view: View | None,
    options: dict[str, Any],
) -> Run:
    """Runs attack after attack, and keeps the first success of every image and epsilon."""
    shape = (len(victims.images), len(victims.epsilons))
    flat = victims._replace(lead=shape)
    kept: Run | None = None
    for member in members:
        broken = np.zeros(shape, bool) if kept is None else kept.facts["success"]
        if member.samples is not None:
            options = {**options, "view": view, "samples": member.samples}
        options |= {"key": fold_name(key, member.name), "restarts": member.restarts}
        try:
            run = member.search(member.attack, net, params, flat, skip=broken, **options)
        except Interrupted as stopped:
            assert stopped.run is not None
            raise Interrupted(_reshape(_merge(kept, stopped.run, member.name), victims)) from None
        kept = _merge(kept, run, member.name)
    assert kept is not None
    return _reshape(kept, victims)


def _merge(kept: Run | None, run: Run, name: str) -> Run:
    """Takes what a later attack broke into the run of the earlier ones."""
    facts = dict(run.facts)
    success = np.asarray(facts["success"])
    if kept is None:
        clean = success & (facts["distance"] == 0)
        facts["attack"] = np.where(clean, "clean", np.where(success, name, "")).astype("<U8")
        return run._replace(facts=facts, trace={name: run.trace["loss"]})
    before = np.asarray(kept.facts["success"])
    take = ~before

    def choose(new: Any, old: Any) -> np.ndarray:
        new, old = np.asarray(new), np.asarray(old)
        return np.where(take.reshape(take.shape + (1,) * (new.ndim - 2)), new, old)

    facts["attack"] = np.where(success, name, "")
    chosen = {one: choose(facts[one], kept.facts[one]) for one in facts}
    chosen["queries"] = facts["queries"] + kept.facts["queries"]
    # What no gradient reaches is dead for the attacks that need one; Square needs none.
    status = choose(run.status, kept.status)
    dead = take & ~success & (np.asarray(kept.status) == Status.DEAD)
    status = np.where(dead & (status == Status.DONE), Status.DEAD, status).astype(np.int8)
    trace = {**kept.trace, name: run.trace["loss"]}
    return Run((), choose(run.image, kept.image), trace, status, chosen)


def _reshape(run: Run, victims: Victims) -> Run:
    """Gives the run the leading axes that the caller asked for."""

    def shape(leaf: Any) -> np.ndarray:
        leaf = np.asarray(leaf)
        return leaf.reshape((*victims.lead, *leaf.shape[2:]))

    return jax.tree.map(shape, run)
