"""jaxvis ranvgg invert: reconstructions by random, stacked and trained networks."""

from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.choices import Scheme
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
from jaxvis.cli.ledger import Ledger, open_ledger
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import parse_size, split_words
from jaxvis.cli.parts import Part, Saving, make_parts
from jaxvis.cli.photographs import read_photograph
from jaxvis.cli.ranvgg_folder import build_sized, list_networks, read_networks
from jaxvis.cli.saving import save_run
from jaxvis.cli.style_flags import POOL, PoolFlags
from jaxvis.escape import slug
from jaxvis.methods.ranvgg.candidates import Distribution, draw_networks, list_inverted_layers
from jaxvis.methods.ranvgg.reconstruct import Inversion, reconstruct
from jaxvis.network import Network
from jaxvis.optimize.runs import join_items, split_axis
from jaxvis.output.comparisons import convergence, layer_means, spreads
from jaxvis.output.plot import grid, save_figure
from jaxvis.types import Params, Run, Status

SCHEME = default_of(Distribution, "scheme")
KINDS = ("random", "stacked", "trained")


class _Kind(NamedTuple):
    """Networks of one kind: their parameters, and 0 where there are many of them."""

    params: Params
    axis: int | None


class _Found(NamedTuple):
    """The reconstructions by one kind of networks from one layer."""

    kind: str
    tap: str
    run: Run

    @property
    def name(self) -> str:
        """Of their files."""
        return f"{self.kind}_{slug(self.tap)}"


def invert(
    image: str,
    /,
    *,
    net: str = "vgg19",
    kinds: str = "random,trained",
    stacked: Path | None = None,
    scheme: Scheme = SCHEME,
    tap: str | None = None,
    steps: int = default_of(reconstruct, "steps"),
    total_variation: float = default_of(Inversion, "total_variation"),
    boxed: bool = False,
    size: str = "224",
    pool: PoolFlags = POOL,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: WatchFlags = WATCHED,
) -> int:
    """Reconstructs a photograph from layers of random, stacked and trained networks.

    --seeds are the random and the stacked networks, and different noise for the trained
    one; the --seed of the stack draws the purely random networks that it began with.
    For example: jaxvis ranvgg invert photo.jpg --kinds random,trained --tap pool3

    Args:
      image: a file, or astronaut, chelsea, coffee or rocket.
      net: the network's name.
      kinds: which networks, of random, stacked and trained.
      stacked: the folder that `jaxvis ranvgg stack` made.
      scheme: of the random networks.
      tap: the layers, such as relu5_1,pool5; "all" for every rectified and pooled map;
        the pooled maps if left out.
      steps: evaluations of the loss and its gradient.
      total_variation: weight of a total variation prior; the paper has none.
      boxed: keep the image in [0, 1] throughout.
      size: the image is cropped to it, 224 or 224x320 (H x W).

    Raises:
      OSError: if image, weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    built = build_sized(net, size, pool.pool, network.precision)
    names, taps = _parse_kinds(kinds, stacked), _parse_taps(built, tap)
    photo = read_photograph(image, size=parse_size(size), channels=built.channels)
    sources, facts = _open_sources(names, built, photo, taps[-1], network, arguments)
    used = list_networks(stacked, run.seeds) if stacked and "stacked" in names else []
    facts |= {"inputs": hash_inputs(image, *used)}
    same = {name: facts.get(name) for name in ("sha256", "inputs")}
    ledger = open_ledger(output, "ranvgg invert", arguments, count=None, **same)
    method = partial(
        reconstruct,
        built,
        image=photo,
        key=run.seed,
        steps=steps,
        inversion=Inversion(total_variation=total_variation, boxed=boxed),
        chunk=run.chunk,
    )
    plan = [(tap, kind) for tap in taps for kind in sources]
    files = [[f"{kind}_{slug(tap)}_{seed}" for seed in range(run.seeds)] for tap, kind in plan]

    facts |= {"arguments": arguments, "key": jax.random.key(run.seed), "steps": steps}
    shown = (Path(image).stem, photo)
    save = partial(_save, ledger, plan, names, run.seeds, shown, **facts)
    parts = [
        Part(own, _bind(method, sources[kind], tap, run.seeds))
        for (tap, kind), own in zip(plan, files)
    ]
    saving = Saving(save, output.save_every, lambda number, run: _tell(*plan[number], run), True)
    return make_parts(ledger, parts, saving)


def _save(
    ledger: Ledger,
    plan: Sequence[tuple[str, str]],
    kinds: Sequence[str],
    seeds: int,
    shown: tuple[str, np.ndarray],
    whole: Run,
    **facts: Any,
) -> list[dict[str, Any]]:
    """Writes figures, sheet and record, a kind after the other."""
    runs = split_axis(whole, len(plan), seeds)
    each = [jax.tree.map(itemgetter(n), runs) for n in range(len(plan))]
    found = [_Found(kind, tap, one) for (tap, kind), one in zip(plan, each)]
    found.sort(key=lambda one: kinds.index(one.kind))
    figures: list[str] = []
    if facts["sheet"]:
        figures = _write_figures(ledger.output.folder, found, kinds, shown[1])
    return save_run(
        ledger.output,
        join_items([split_axis(one.run, 1, -1) for one in found]),
        [one.name for one in found],
        items=[{"kind": one.kind, "tap": one.tap} for one in found],
        first=[shown],
        others=figures,
        command="ranvgg invert",
        seconds=ledger.seconds,
        **facts,
    )


def _bind(method: partial, source: _Kind, tap: str, seeds: int) -> partial:
    """Gives the method that inverts a layer through the networks of one kind."""
    many = {"params_axis": source.axis, "seeds": 1 if source.axis == 0 else seeds}
    return partial(method, params=source.params, tap=tap, **many)


def _tell(tap: str, kind: str, run: Run) -> None:
    """Says how near the reconstructions of a layer came."""
    distance, error = run.facts["distance"].mean(), run.facts["image_error"].mean()
    words = f"distance {100 * distance:.1f} %, image error {255 * error:.1f} of 255"
    print(f"{tap} {kind}: {words}", flush=True)


def _parse_kinds(text: str, stacked: Path | None) -> list[str]:
    """Reads the kinds of networks, each once."""
    kinds = list(dict.fromkeys(split_words(text)))
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise ValueError(f"kinds are of {', '.join(KINDS)}, not {(unknown or [text])[0]!r}")
    if "stacked" in kinds and stacked is None:
        raise ValueError("--kinds stacked needs --stacked, a folder of networks")
    return kinds


def _open_sources(
    names: Sequence[str],
    net: Network,
    photo: np.ndarray,
    stop: str,
    network: NetworkFlags,
    flags: Mapping[str, Any],
) -> tuple[dict[str, _Kind], dict[str, Any]]:
    """Opens the networks of every kind, and what the record says of the trained ones."""
    sources: dict[str, _Kind] = {}
    facts: dict[str, Any] = {"net": flags["net"]}
    for kind in names:
        if kind == "trained":
            pool = flags["pool"] if flags["net"].startswith("vgg") else None
            size = net.input_size
            opened = open_net(flags["net"], network, input_size=size, pool=pool, stop=stop)
            sources[kind] = _Kind(opened.params, None)
            facts |= describe_network(opened)
        elif kind == "stacked":
            found = read_networks(flags["stacked"], net, flags["seeds"], stop)
            sources[kind] = _Kind(found, 0)
        else:
            found = draw_networks(
                net,
                photo,
                networks=flags["seeds"],
                key=flags["seed"],
                stop=stop,
                distribution=Distribution(flags["scheme"]),
            )
            sources[kind] = _Kind(found, 0)
    return sources, facts


def _parse_taps(net: Network, text: str | None) -> tuple[str, ...]:
    """Reads the layers, in forward order."""
    if text is None:
        pools = {row.name for row in net.rows if row.op in ("max", "avg")}
        return tuple(tap for tap in list_inverted_layers(net) if tap in pools)
    if text.strip() == "all":
        return list_inverted_layers(net)
    found = net.check_taps(split_words(text))
    return tuple(sorted(set(found), key=net.taps.index))


def _write_figures(
    folder: Path, found: Sequence[_Found], kinds: Sequence[str], photo: np.ndarray
) -> list[str]:
    """Writes figures of the layers that all kinds have come to; gives the files' names."""
    runs = {
        (one.kind, one.tap): one.run for one in found if np.all(one.run.status != Status.UNFINISHED)
    }
    taps = [one.tap for one in found if one.kind == kinds[0]]
    taps = [tap for tap in taps if all((kind, tap) in runs for kind in kinds)]
    if not taps:
        return []

    def stack(read: Any) -> dict[str, np.ndarray]:
        return {kind: np.stack([read(runs[kind, tap]) for tap in taps]) for kind in kinds}

    shown = []
    for kind in kinds:
        shown.append((photo, "original"))
        shown += [(runs[kind, tap].image[0], f"{kind} {tap}") for tap in taps]
    pictures, captions = zip(*shown)
    page = grid(pictures, captions=captions, columns=len(taps) + 1)
    page.set_dpi(150)
    save_figure(folder / "layers.png", page)
    errors = {
        "distance": stack(lambda run: run.facts["distance"]),
        "image error": stack(lambda run: run.facts["image_error"]),
    }
    figures = {
        "losses": convergence(stack(lambda run: run.trace["loss"]), panels=taps),
        "means": layer_means(errors, taps=taps),
    }
    for name, values in errors.items():
        figures[f"spread_{slug(name)}"] = spreads(values, panels=taps, ylabel=name)
    for name, figure in figures.items():
        figure.set_dpi(120)
        save_figure(folder / f"{name}.png", figure)
    return ["layers.png", *(f"{name}.png" for name in figures)]
