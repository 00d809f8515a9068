"""An attack of many images: rows made, driven, and put together as a Run."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxvis.attacks.attack import Attack, Row
from jaxvis.attacks.engine import drive
from jaxvis.attacks.line import Line, Result
from jaxvis.attacks.programs import Program
from jaxvis.attacks.rows import Victims
from jaxvis.network import Network
from jaxvis.optimize.check import check_counts
from jaxvis.optimize.keys import item_keys
from jaxvis.types import Interrupted, Key, Params, Run, Status, View, as_key


def run_attack(
    attack: Attack,
    net: Network,
    params: Params,
    victims: Victims,
    *,
    key: Key | int = 0,
    restarts: int = 1,
    starts: np.ndarray | None = None,
    skip: np.ndarray | None = None,
    view: View | None = None,
    samples: int = 1,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Attacks every image with every epsilon, and keeps the best of the restarts.

    What is misclassified already, and what may not be changed (epsilon 0), costs nothing.

    Args:
      attack: how one image is attacked.
      net, params: the network.
      victims: of `choose_victims`.
      key: of all random draws; an image's come from its place and the restart alone.
      restarts: how often each image is attacked, at least 1.
      starts: `[N, H, W, C]`, where attacks begin that begin elsewhere.
      skip: `[N, E]` bool, what is left as it is and costs nothing; None leaves nothing.
      view, samples: see `jaxvis.attacks.attack.Model`.
      chunk: how many images a device attacks together; None chooses.
      progress: whether to show a bar.

    Returns:
      Run with the leading axes of `victims`: `image`; `trace["loss"]`, which the attack
      raises, NaN after its end; `status` (FAILED where scores are not finite, of the picture
      or, without a success, on the way to it; DEAD where the loss never moved); and the facts
      "success", "distance", "queries", "label" (what the network says of the picture),
      "epsilon". `z` is (). Where a success ends an attack, it settles the restarts after it
      and the larger epsilons: they have its picture, and count no queries.

    Raises:
      ValueError: for a number of restarts, samples or a chunk below 1, or an attack
        without steps.
      Interrupted: on Ctrl-C; it carries what there is.
    """
    check_counts(restarts=restarts, samples=samples, chunk=chunk, steps=attack.steps)
    if skip is None:
        skip = np.zeros((len(victims.images), len(victims.epsilons)), bool)
    line = _make_line(attack, victims, as_key(key), restarts, starts, skip)
    program = Program(attack, net, view, samples)
    interrupted = drive(program, params, line, chunk=chunk, progress=progress)
    line.settle()
    run = _join(attack, victims, line, restarts)
    if interrupted:
        raise Interrupted(run)
    return run


def _make_line(
    attack: Attack,
    victims: Victims,
    key: Key,
    restarts: int,
    starts: np.ndarray | None,
    skip: np.ndarray,
) -> Line:
    """Makes the rows `[N * E * R]`, image by image."""
    shape = (len(victims.images), len(victims.epsilons), restarts)
    image, epsilon, restart = np.indices(shape).reshape(3, -1)
    epsilons = victims.epsilons[epsilon]
    known: tuple[Any, ...] = (
        victims.images,
        victims.labels,
        victims.targets,
        np.zeros(shape[0], np.float32),
        None if starts is None else np.asarray(starts, np.float32),
    )
    keys = item_keys(key, seeds=restarts, indices=range(shape[0]), name="attack")
    own_keys = keys[image * restarts + restart]
    # Small epsilons first, and every image once before the first one starts again.
    order = np.lexsort((image, restart, epsilons))
    settled = _settle(victims, image, skip[image, epsilon] | (epsilons == 0))
    numbers = restart.astype(np.int32)
    settles = attack.stops_when_fooled
    return Line(Row(*known), image, epsilons, numbers, own_keys, order, settled, settles)


def _settle(victims: Victims, image: np.ndarray, fixed: np.ndarray) -> dict[int, Result]:
    """Returns the results of rows that need no attack: they are `fixed`, or it succeeded."""
    best = np.argmax(victims.clean, axis=-1)
    finite = np.all(np.isfinite(victims.clean), axis=-1)
    wanted = victims.find_fooled(victims.clean)
    found = {}
    for row in np.flatnonzero(wanted[image] | ~finite[image] | fixed):
        one = int(image[row])
        found[int(row)] = Result(
            victims.images[one],
            bool(wanted[one]),
            bool(finite[one]),
            0.0,
            int(best[one]),
            0,
            np.zeros(0, np.float32),
            True,
        )
    return found


def _join(attack: Attack, victims: Victims, line: Line, restarts: int) -> Run:
    """Puts the best restart of every image and epsilon in its place."""
    shape = (len(victims.images), len(victims.epsilons))
    chosen: list[Result | None] = []
    queries = []
    for place in range(shape[0] * shape[1]):
        rows = range(place * restarts, (place + 1) * restarts)
        results = [line.results[row] for row in rows if row in line.results]
        chosen.append(min(results, key=_rank, default=None))
        queries.append(sum(one.queries for one in results))
    steps = max([len(one.loss) for one in chosen if one is not None], default=0)
    blank = np.full(victims.images.shape[1:], np.nan, np.float32)
    loss = np.full((len(chosen), steps), np.nan, np.float32)
    for place, one in enumerate(chosen):
        if one is not None:
            loss[place, : len(one.loss)] = one.loss
    facts: Mapping[str, Any] = {
        "success": np.array([one is not None and one.fooled for one in chosen]),
        "distance": np.array([np.nan if one is None else one.distance for one in chosen]),
        "queries": np.array(queries, np.int32),
        "label": np.array([-1 if one is None else one.label for one in chosen], np.int32),
        "epsilon": np.tile(victims.epsilons, shape[0]),
    }
    status = np.array([_name_end(attack, one) for one in chosen], np.int8)
    image = np.stack([blank if one is None else one.image for one in chosen])
    lead = victims.lead
    return Run(
        (),
        image.reshape(*lead, *image.shape[1:]),
        {"loss": loss.reshape(*lead, steps)},
        status.reshape(lead),
        {name: value.reshape(lead) for name, value in facts.items()},
    )


def search_smallest(
    attack: Attack,
    net: Network,
    params: Params,
    victims: Victims,
    *,
    key: Key | int = 0,
    restarts: int = 1,
    starts: np.ndarray | None = None,
    skip: np.ndarray | None = None,
    chunk: int | None = None,
    progress: bool = False,
) -> Run:
    """Looks once for the smallest perturbation of every image, whatever the epsilons.

    Args:
      attack: one that looks for the smallest perturbation.
      net, params, victims, key, restarts, starts: see `run_attack`.
      skip: `[N, E]` bool; an image is left as it is where all of its epsilons are.
      chunk, progress: see `run_attack`.

    Returns:
      Run: see `count_within`.

    Raises:
      ValueError: see `run_attack`.
      Interrupted: on Ctrl-C; it carries what there is.
    """
    nothing = np.zeros((len(victims.images), len(victims.epsilons)), bool)
    settled = (nothing if skip is None else skip) | (victims.epsilons == 0)
    radius = np.array([np.inf], np.float32)
    once = victims._replace(epsilons=radius, lead=victims.images.shape[:1])
    options: dict[str, Any] = {"chunk": chunk, "progress": progress}
    options |= {"key": key, "restarts": restarts, "starts": starts}
    settled = settled.all(axis=1, keepdims=True)
    try:
        run = run_attack(attack, net, params, once, skip=settled, **options)
    except Interrupted as stopped:
        assert stopped.run is not None
        raise Interrupted(count_within(stopped.run, victims)) from None
    return count_within(run, victims)


def count_within(run: Run, victims: Victims) -> Run:
    """Says which of the smallest perturbations lie within each epsilon.

    The search is one for all epsilons. Where what it found is larger than an epsilon the
    picture there is the image itself, which is no success.

    Args:
      run: of a search without epsilon, with one axis, that of the images.
      victims: what was searched for, with all epsilons.

    Returns:
      Run with the leading axes of `victims`, and the facts of `run_attack`. "queries" are
      those of the one search at every epsilon but 0, where the image costs nothing.
    """
    limits = victims.epsilons[None]
    distance, success = (np.asarray(run.facts[name])[:, None] for name in ("distance", "success"))
    unfinished = np.asarray(run.status)[:, None] == Status.UNFINISHED
    kept = np.isinf(limits) | (success & (distance <= limits)) | unfinished
    image = np.where(
        kept[..., None, None, None], np.asarray(run.image)[:, None], victims.images[:, None]
    )
    clean = np.argmax(victims.clean, axis=-1)[:, None]
    facts = {
        "success": success & kept,
        "distance": np.where(kept, distance, 0.0),
        "queries": np.where(limits > 0, np.asarray(run.facts["queries"])[:, None], 0),
        "label": np.where(kept, np.asarray(run.facts["label"])[:, None], clean),
        "epsilon": np.broadcast_to(limits, kept.shape),
    }
    lead = victims.lead
    status = np.broadcast_to(np.asarray(run.status)[:, None], kept.shape)
    loss = np.asarray(run.trace["loss"])[:, None]
    loss = np.broadcast_to(loss, (*kept.shape, loss.shape[-1]))
    return Run(
        (),
        image.reshape(*lead, *image.shape[2:]),
        {"loss": loss.reshape(*lead, loss.shape[-1])},
        status.reshape(lead),
        {name: value.reshape(lead) for name, value in facts.items()},
    )


def _rank(result: Result) -> tuple:
    """Orders results: those that fool first, then the smallest perturbation."""
    return (not result.fooled, not result.finite, result.distance if result.fooled else 0.0)


def _name_end(attack: Attack, result: Result | None) -> Status:
    if result is None or not result.ended:
        return Status.UNFINISHED
    # An attack that lost its way to numbers that are none says nothing of how robust it is.
    if not result.finite or (not result.fooled and bool(np.isnan(result.loss).any())):
        return Status.FAILED
    still = len(result.loss) > 1 and bool(np.all(result.loss == result.loss[0]))
    if attack.follows_gradient and still and not result.fooled:
        return Status.DEAD
    return Status.DONE
