"""What a record says of each picture of a shard: a row of facts and numbers."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from jaxvis.escape import slug
from jaxvis.sweep.judges import Judge, measure_units, rank_class, score_pictures
from jaxvis.sweep.kinds.base import Made, Subject
from jaxvis.sweep.plan import Plan, Shard


def name_pictures(plan: Plan, shard: Shard, labels: Sequence[str]) -> list[str]:
    """Names the files of a shard's pictures without ending: conv3_1_0012_0.

    Args:
      plan: what is made.
      shard: which part of it.
      labels: of classes by index, or ().
    """
    names = []
    places = {name: place for place, name in enumerate(plan.photos.files if plan.photos else ())}
    for number, (source, index) in enumerate(shard.items):
        words = [slug(shard.tap)] if shard.tap else []
        if source is not None:
            words += [f"{places[source]:04d}", slug(source.rpartition("/")[2].rpartition(".")[0])]
        if index is not None:
            words.append(f"{index:04d}")
            if shard.tap is None and index < len(labels):
                words.append(slug(labels[index]))
        stem = "_".join(filter(None, words)) or f"{number:04d}"
        names += [f"{stem}_{seed}" for seed in range(plan.seeds)]
    return names


def make_rows(
    plan: Plan,
    shard: Shard,
    subject: Subject,
    made: Made,
    *,
    judges: Sequence[Judge] = (),
) -> list[dict[str, Any]]:
    """Makes the rows of a shard, one for each picture.

    Args:
      plan: what is made.
      shard: which part of it.
      subject: the network.
      made: its pictures, `[N, H, W, C]`.
      judges: other networks that say what they see.
    """
    opened, seeds = subject.opened, plan.seeds
    of_class = shard.tap in (None, opened.net.classes, opened.net.scores)
    labels = opened.labels if of_class else ()
    names = name_pictures(plan, shard, labels)
    items = [item for item in shard.items for _ in range(seeds)]
    own = _measure(plan, shard, subject, made)
    meant = [index if of_class else None for _, index in items]
    said = [judge.say(made.images, meant) for judge in judges]
    rows, reasons = [], made.reasons
    for i, (name, (source, index)) in enumerate(zip(names, items)):
        finite = bool(np.isfinite(made.images[i]).all())
        rows.append(
            {
                "name": name,
                "method": plan.method,
                "settings": dict(shard.settings),
                "tap": shard.tap or (opened.net.classes if index is not None else None),
                "index": index,
                "label": labels[index] if index is not None and index < len(labels) else None,
                "seed": i % seeds,
                "source": source,
                "file": f"shards/{shard.name}/{name}.{plan.format}" if finite else None,
                "status": made.status[i] if finite else "failed",
                "why": reasons[i],
                "finite": finite,
                "size": list(made.images[i].shape[:2]),
                "metrics": _keep_finite({**made.metrics[i], **own[i]}),
                "judges": [one[i] for one in said],
                "curve": _list_curve(made, i),
            }
        )
    return rows


def _measure(plan: Plan, shard: Shard, subject: Subject, made: Made) -> list[dict[str, float]]:
    """Measures what the swept network answers to its pictures: activation, probability, rank."""
    nothing: list[dict[str, float]] = [{} for _ in made.images]
    indices = [index for _, index in shard.items for _ in range(plan.seeds)]
    if plan.method not in ("maximize", "generate") or shard.indices == ():
        return nothing
    opened, net = subject.opened, subject.net
    if shard.tap in (None, net.classes, net.scores) and net.scores is not None:
        scores = score_pictures(opened, made.images)
        return [_rank(one, index or 0) for one, index in zip(scores, indices)]
    units = [index or 0 for index in indices]
    found = measure_units(opened, made.images, str(shard.tap or net.classes), units)
    return [{"activation": float(m), "largest": float(top)} for m, top in zip(*found)]


def _rank(scores: np.ndarray, index: int) -> dict[str, float]:
    if not np.isfinite(scores).all():
        return {}
    return {
        "activation": float(scores[index]),
        "probability": float(softmax(scores)[index]),
        "rank": rank_class(scores, index),
    }


def _keep_finite(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _list_curve(made: Made, i: int) -> list[float | None]:
    """Lists the loss of every step with seven digits; None where it is not finite."""
    if made.curves is None:
        return []
    return [float(f"{x:.7g}") if math.isfinite(x) else None for x in map(float, made.curves[i])]
