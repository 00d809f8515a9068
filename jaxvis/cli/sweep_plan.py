"""jaxvis sweep --plan: what would be done, written to a file."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxvis.cli.flags import NetworkFlags, SeedFlags
from jaxvis.cli.parsing import parse_indices, split_words
from jaxvis.cli.sweep_flags import PlanFlags
from jaxvis.escape import escape, escape_characters, escape_path
from jaxvis.sweep.build import Units, Wish, make_plan
from jaxvis.sweep.estimate import Cost, estimate, say_bytes, say_time
from jaxvis.sweep.judges import open_judge
from jaxvis.sweep.kinds import find_kind
from jaxvis.sweep.kinds.base import Kind, Subject
from jaxvis.sweep.plan import Plan, Source
from jaxvis.sweep.plan_file import write_plan
from jaxvis.sweep.planning import identify
from jaxvis.sweep.run import Studio
from jaxvis.sweep.subject import describe_photos, open_photos, open_source
from jaxvis.weights.load import LoadedNetwork

CLASSES = "classes"
"""What --taps calls the class scores."""


def plan_sweep(
    net: str,
    *,
    classes: str,
    recipe: str,
    steps: int | None,
    size: tuple[int, int] | None,
    run: SeedFlags,
    network: NetworkFlags,
    flags: PlanFlags,
) -> int:
    """Writes the plan of a sweep, and says what it costs.

    Args:
      net: the network's name, or the file that describes it.
      classes: of the class scores, which.
      recipe, steps: of the method.
      size: (H, W) of the pictures; None lets the method choose.
      run: seeds and chunk.
      network: its weights, labels and precision.
      flags: what is planned.

    Raises:
      OSError: if weights, photographs or the plan's folder cannot be opened.
      ValueError: for what the method or the network cannot do.
    """
    path = Path(str(flags.plan))
    if path.suffix != ".json":
        raise ValueError(f"--plan {escape_path(path)} must end in .json")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"there is no folder {escape_path(path.absolute().parent)} for --plan")
    kind = find_kind(flags.method)
    source, opened = open_described(net, network)
    photos = describe_photos(str(flags.photos)) if flags.photos else None
    subject = Subject(opened, open_photos(photos))
    judges = [describe_judge(word) for word in split_words(flags.judge or "")]
    opened_judges = tuple(open_judge(open_source(one), opened) for one in judges)
    wish = Wish(
        method=flags.method,
        units=choose_units(kind, subject, flags.taps, flags.index, classes),
        settings=read_settings(kind, flags.set, recipe=recipe, steps=steps),
        size=size,
        seeds=run.seeds,
        seed=run.seed,
        chunk=run.chunk,
        shard=flags.shard,
        format=flags.format,
    )
    plan = make_plan(source, subject, wish, photos=photos, judges=judges)
    if flags.measure == "yes":
        plan = replace(plan, estimate=estimate(Studio(plan, subject, opened_judges), tell=_tell))
    write_plan(path, plan)
    print(describe_plan(path, plan))
    return 0


def describe_plan(path: Path, plan: Plan) -> str:
    """Describes a plan in a few lines.

    Args:
      path: of its file.
      plan: the plan.
    """
    lines = [
        f"{escape_path(path)}: {plan.count} pictures in {len(plan.shards)} shards by "
        f"{plan.method} on {escape(plan.network.name)}"
    ]
    if plan.estimate:
        cost = plan.estimate
        lines.append(
            f"about {say_time(cost['seconds'])} on this machine, {say_bytes(cost['bytes'])} of "
            f"disk, {say_bytes(cost['memory'])} of memory"
        )
    lines.append(f"make it with: jaxvis sweep run {escape_path(path)} DIR")
    return "\n".join(lines)


def _tell(cost: Cost) -> None:
    """Says what one shape costs, as soon as it is measured."""
    print(
        f"{escape(cost.shape)}: {cost.pictures} pictures, {say_time(cost.seconds)}",
        file=sys.stderr,
        flush=True,
    )


def choose_units(kind: Kind, subject: Subject, taps: str | None, index: str, classes: str) -> Units:
    """Chooses layers and their channels from the words of flags.

    Args:
      kind: the method.
      subject: the network.
      taps: --taps.
      index: --index.
      classes: --classes.

    Raises:
      ValueError: for layers or channels that the network does not have.
    """
    names: Sequence[str | None] = [None]
    if taps is not None:
        words = split_words(taps)
        names = list_maps(subject) if words == ("all",) else words
        names = [None if name == CLASSES else name for name in names]
    if not kind.needs_index:
        return [(name, ()) for name in names]
    units = []
    for name in names:
        if name is not None:
            subject.net.check_taps(name)
        count = kind.count_indices(subject, name)
        labels = subject.opened.labels if name is None and kind.of_class else ()
        text, what = (classes, "class") if labels or name is None else (index, "index")
        if not kind.of_class:
            text, what = index, "network"
            if text == ":":
                raise ValueError(f"{kind.name} needs the numbers of networks: --index 0:8")
        units.append((name, parse_indices(text, count=count, what=what, labels=labels)))
    return units


def list_maps(subject: Subject) -> list[str | None]:
    """Lists the layers of maps that end in a rectifier, or a block, in forward order.

    Args:
      subject: the network.

    Raises:
      ValueError: for a network without a table: its layers must be named.
    """
    net = subject.net
    shown = [row.name for row in net.rows if row.name in net.taps and row.op in ("relu", "concat")]
    maps = [name for name in shown if len(net.shape(subject.opened.params, name)) == 3]
    if not maps:
        raise ValueError(
            f"{net.name} has no table of layers: name them with --taps, see jaxvis layers"
        )
    return list(maps)


def read_settings(
    kind: Kind, text: str | None, *, recipe: str, steps: int | None
) -> dict[str, list[Any]]:
    """Reads the settings of a method: name -> its values.

    Args:
      kind: the method.
      text: --set.
      recipe: --recipe, which is of maximize.
      steps: --steps; None where it was not given.

    Raises:
      ValueError: for a part that is not NAME=VALUE.
    """
    found: dict[str, list[Any]] = {}
    if kind.name == "maximize":
        found["recipe"] = [recipe]
    if steps is not None:
        found["steps"] = [steps]
    for part in filter(None, (one.strip() for one in (text or "").split(";"))):
        name, equals, values = part.partition("=")
        if not equals or not values.strip():
            raise ValueError(
                f"--set {part!r} is no setting: write NAME=VALUE, such as steps=64,256"
            )
        found[name.strip()] = [_read_value(word) for word in split_words(values)]
    return found


def _read_value(word: str) -> Any:
    """Reads a number, none or a word; a fraction such as 8/255 is a number."""
    top, slash, bottom = word.partition("/")
    try:
        return float(top) / float(bottom) if slash else json.loads(word)
    except (ValueError, ZeroDivisionError):
        return None if word == "none" else word


def describe_source(name: str, flags: NetworkFlags) -> Source:
    """Describes a network as a plan names it, without the sums of its files.

    Args:
      name: as the user named it.
      flags: its weights, labels and precision.
    """
    given = ("classes_count", "channels", "precision", "skip_first_label")
    options = {one: getattr(flags, one) for one in given if getattr(flags, one)}
    return Source(name, flags.weights, options=options, labels=flags.labels)


def open_described(name: str, flags: NetworkFlags) -> tuple[Source, LoadedNetwork]:
    """Opens a network, and describes it as a plan names it; says what was converted for it.

    Args:
      name: as the user named it.
      flags: its weights, labels and precision.

    Raises:
      OSError, ValueError: as `jaxvis.load`.
    """
    source, opened = identify(describe_source(name, flags))
    for note in opened.notes:
        print(escape_characters(note), file=sys.stderr, flush=True)
    return source, opened


def describe_judge(word: str) -> Source:
    """Describes a network that judges.

    Args:
      word: NET, or NET=WEIGHTS.

    Raises:
      OSError, ValueError: if it cannot be opened.
    """
    name, _, weights = word.partition("=")
    return open_described(name, NetworkFlags(weights=weights or None))[0]
