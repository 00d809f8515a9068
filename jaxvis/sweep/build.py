"""From what a user asks for to a plan, checked before any work begins."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax

from jaxvis.escape import escape, slug
from jaxvis.output.encode import Format
from jaxvis.output.record import to_json
from jaxvis.sweep.kinds import find_kind
from jaxvis.sweep.kinds.base import Kind, Order, Subject
from jaxvis.sweep.plan import Photos, Plan, Shard, Source

ON_CPU, ON_ACCELERATOR = 32, 256
"""Pictures of a shard where none are asked for: what a kill may cost is one shard."""
MOST = 10**8
"""Pictures that a plan may have: more would not fit the memory of who reads it."""

Units = Sequence[tuple[str | None, tuple[int, ...]]]
"""Layers, each with its channels; None stands for classes, or for methods without layers."""


@dataclass(frozen=True)
class Wish:
    """What a user asks a sweep for.

    Attributes:
      method: a name of `jaxvis.sweep.kinds.KINDS`.
      units: layers and their channels; () of indices where the method has none.
      settings: name of a setting -> the values that it takes, one after the other.
      size: (H, W) of the pictures; None lets the method choose, layer by layer.
      seeds: pictures of every item.
      seed: of all randomness.
      chunk: items that a device makes together; None fits them to the device.
      shard: pictures of a shard, at least those of one item; None chooses by the device.
      format: of the pictures.

    >>> from jaxvis.sweep import Wish, plan_sweep
    >>> wish = Wish(units=[("conv2_1", range(8))], settings={"steps": [64, 128]}, seeds=2)
    >>> plan_sweep("demo", wish).count
    32
    """

    method: str = "maximize"
    units: Units = ((None, ()),)
    settings: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    seeds: int = 1
    seed: int = 0
    chunk: int | None = None
    shard: int | None = None
    format: Format = "png"


def make_plan(
    source: Source,
    subject: Subject,
    wish: Wish,
    *,
    photos: Photos | None = None,
    judges: Sequence[Source] = (),
) -> Plan:
    """Makes a plan of what a user asks for; nothing is measured yet.

    Args:
      source: the network, as the plan names it.
      subject: the network, opened, and the photographs.
      wish: what is asked for.
      photos: the photographs, as the plan names them.
      judges: other networks that will say what they see.

    Raises:
      ValueError: for what the method or the network cannot do; names the fix.
    """
    kind = find_kind(wish.method)
    for name in ("seeds", "chunk", "shard"):
        value = getattr(wish, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, a whole number, got {value}")
    _check_photos(kind, subject, photos)
    shards: list[Shard] = []
    recipes: list[dict[str, Any]] = []
    for settings in _list_settings(kind, wish.settings):
        for tap, indices in wish.units:
            _check_unit(kind, subject, tap, indices)
            size = wish.size or kind.choose_size(subject, tap)
            whole = Shard("", tap, tuple(indices), tuple(subject.photos), size, settings)
            _check_size(subject, whole)
            how = kind.describe(subject, Order(whole, wish.seeds, wish.seed))
            recipes.append({"tap": tap, "size": size, "settings": settings, "how": how})
            shards += list(_cut(whole, wish, first=len(shards)))
    plan = Plan(
        method=wish.method,
        network=source,
        shards=tuple(shards),
        seeds=wish.seeds,
        seed=wish.seed,
        recipes=tuple(to_json(recipes, "recipes")),
        photos=photos,
        judges=tuple(judges),
        chunk=wish.chunk,
        format=wish.format,
    )
    if not 0 < plan.count <= MOST:
        raise ValueError(f"the plan has {plan.count} pictures: a plan has from 1 to {MOST}")
    return plan


def _check_photos(kind: Kind, subject: Subject, photos: Photos | None) -> None:
    if kind.needs_photos and not subject.photos:
        raise ValueError(f"{kind.name} begins from photographs: name their folder with --photos")
    if photos is not None and not kind.needs_photos:
        raise ValueError(f"{kind.name} begins from no photographs: leave --photos out")


def _check_unit(kind: Kind, subject: Subject, tap: str | None, indices: Sequence[int]) -> None:
    """Checks a layer and its channels."""
    if tap is None and kind.needs_tap:
        raise ValueError(f"{kind.name} needs layers: name them with --taps, see jaxvis layers")
    if tap is not None:
        subject.net.check_taps(tap)
    if kind.needs_index and not indices:
        raise ValueError(f"{kind.name} needs channels or classes: name them with --index")
    if indices and not kind.needs_index:
        raise ValueError(f"{kind.name} has no channels or classes: leave --index out")
    if indices:
        count, shown = kind.count_indices(subject, tap), tap or "the classes"
        if max(indices) >= count or min(indices) < 0:
            raise ValueError(
                f"there is no {max(indices)} in {escape(shown)}: they go from 0 to {count - 1}"
            )


def _check_size(subject: Subject, shard: Shard) -> None:
    """Checks that the network can take pictures of a size as far as a layer."""
    net, tap = subject.net, shard.tap or subject.net.classes or subject.net.scores
    if tap is not None and shard.size != tuple(net.input_size):
        try:
            net.shape(subject.opened.params, tap, size=shard.size)
        except ValueError:
            # Some recipes show the network crops of its own size.
            if min(shard.size) < min(net.input_size):
                raise


def _list_settings(kind: Kind, given: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Lists all combinations of what settings may be, with the defaults of the others."""
    defaults = kind.defaults()
    for name, values in given.items():
        if name not in defaults:
            known = ", ".join(defaults)
            raise ValueError(f"{kind.name} has no setting {escape(name)!r}: it has {known}")
        for value in values:
            _check_kind(kind.name, name, value, defaults[name])
    names = list(given)
    return [
        defaults | dict(zip(names, values))
        for values in itertools.product(*(given[name] for name in names))
    ]


def _check_kind(method: str, name: str, value: Any, default: Any) -> None:
    """Checks that a setting is a number or a word as its default is."""
    numbers = isinstance(default, (int, float)) and not isinstance(default, bool)
    counts = name in ("steps", "redirect", "candidates")
    if value is not None and (counts or numbers):
        good = isinstance(value, int if counts else (int, float)) and not isinstance(value, bool)
        if not good or value < (1 if counts else 0):
            what = "a whole number from 1 up" if counts else "a number from 0 up"
            raise ValueError(f"{method}'s {name} is {what}, not {escape(value)!r}")
    if isinstance(default, str) and not isinstance(value, str):
        raise ValueError(f"{method}'s {name} is a word such as {default!r}, not {escape(value)!r}")


def _cut(whole: Shard, wish: Wish, *, first: int) -> Iterator[Shard]:
    """Cuts items of one compiled shape into shards."""
    usual = ON_CPU if jax.default_backend() == "cpu" else ON_ACCELERATOR
    room = max(1, (wish.shard or usual) // wish.seeds)
    name = slug(whole.tap or "") or wish.method
    if whole.sources:
        # Photographs with all their indices stay together, or else indices of one photograph.
        each = max(1, min(len(whole.indices) or 1, room))
        photos = max(1, room // each)
        cuts = [
            (whole.indices[i : i + each], whole.sources[p : p + photos])
            for p in range(0, len(whole.sources), photos)
            for i in range(0, len(whole.indices) or 1, each)
        ]
    else:
        cuts = [(whole.indices[i : i + room], ()) for i in range(0, len(whole.indices), room)]
    for number, (indices, sources) in enumerate(cuts, first):
        yield Shard(f"{number:05d}_{name}", whole.tap, indices, sources, whole.size, whole.settings)
