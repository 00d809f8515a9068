"""jaxvis interpolate: a row of pictures from one unit to another."""

from functools import partial
from typing import Any, Literal

import jax

from jaxvis.cli.flags import (
    NETWORK,
    SEEDS,
    WATCHED,
    NetworkFlags,
    SeedFlags,
    WatchFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.grouped import spread_groups
from jaxvis.cli.ledger import open_ledger
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import parse_indices, parse_size, parse_units
from jaxvis.cli.parts import Part, Saving, make_parts, save_pictures
from jaxvis.escape import slug
from jaxvis.loss.objectives import Excite
from jaxvis.methods.together import interpolate as interpolate_units
from jaxvis.optimize.runs import change_when_interrupted
from jaxvis.optimize.watch import Progress, change_looks
from jaxvis.recipes.targets import choose_target
from jaxvis.recipes.together import Aligned
from jaxvis.types import Run
from jaxvis.weights.load import LoadedNetwork


def interpolate(
    net: str,
    first: str,
    last: str,
    /,
    *,
    count: int = default_of(interpolate_units, "count"),
    alignment: float = default_of(Aligned, "weight"),
    recipe: Literal["robust", "lucid", "maco"] = default_of(interpolate_units, "recipe"),
    steps: int | None = None,
    size: str | None = None,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: WatchFlags = WATCHED,
) -> int:
    """Makes a row of pictures from one class or channel to another.

    For example: jaxvis interpolate googlenet flamingo daisy --count 7, or
    jaxvis interpolate googlenet inception_4a/output:12 inception_4c/output:3

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      first: the class by name or number, or the channel TAP:INDEX, that the row begins with.
      last: what it ends with.
      count: pictures of the row.
      alignment: how much neighbours are drawn alike; 0 leaves them independent.
      recipe: how the pictures are made.
      steps: updates; 256 if left out.
      size: of the pictures in pixels, 224 or 224x320 (H x W); the network's own if
        left out.

    Raises:
      OSError: if weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    ends = [_read_end(opened, word) for word in (first, last)]
    method = partial(
        interpolate_units,
        opened.net,
        opened.params,
        *ends,
        count=count,
        aligned=alignment,
        seeds=run.seeds,
        key=jax.random.key(run.seed),
        recipe=recipe,
        steps=steps,
        size=parse_size(size) if size else None,
        chunk=run.chunk,
    )
    if count < 2 or run.seeds < 1:
        raise ValueError("a row has at least 2 pictures (--count), and there is at least 1 row")
    same: dict[str, Any] = {"weights": opened.sha256, "inputs": {}}
    ledger = open_ledger(output, "interpolate", arguments, count=count * run.seeds, **same)
    rows = [f"{slug(first)}_{slug(last)}_{seed}" for seed in range(run.seeds)]
    shares = [i / (count - 1) for i in range(count)]
    save = partial(
        save_pictures,
        ledger,
        names=rows,
        seeds=count,
        captions=[f"{first} to {last}, seed {seed}" for seed in range(run.seeds)],
        items=[{"seed": seed, "share": shares} for seed in range(run.seeds)],
        command="interpolate",
        arguments=arguments,
        **describe_network(opened),
        key=jax.random.key(run.seed),
        inputs={},
    )
    names = [f"{row}_{place}" for row in rows for place in range(count)]
    part = Part(names, partial(_spread, method, count))
    return make_parts(ledger, [part], Saving(save, output.save_every))


def _spread(method: Any, count: int, *, progress: Progress) -> Run:
    """Makes the rows, and gives their pictures one by one."""

    def spread(run: Run) -> Run:
        return spread_groups(run, count)

    with change_when_interrupted(spread):
        return spread(method(progress=change_looks(progress, spread)))


def _read_end(opened: LoadedNetwork, word: str) -> Any:
    """Reads what one end of the row is: the number of a class, or a channel's objective."""
    net = opened.net
    if any(word.startswith(f"{tap}:") for tap in net.taps):
        ((tap, index, weight),) = parse_units(word)
        choose_target(net, opened.params, tap=tap, index=index)  # is there such a channel?
        return weight * Excite(tap, index)
    if net.classes is None:
        raise ValueError(f"{net.name} names no class scores: write a channel, TAP:INDEX")
    count = net.shape(opened.params, net.classes)[-1]
    found = parse_indices(word, count=count, what="class", labels=opened.labels)
    if len(found) > 1:
        raise ValueError(f"{word!r} names {len(found)} classes: a row goes from one to one")
    return found[0]
