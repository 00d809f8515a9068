"""jaxvis microscope: a network's units, all of them, as a site to browse."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.cli.flags import NETWORK, Count, Folder, NetworkFlags, Text
from jaxvis.cli.parsing import parse_indices, parse_size, parse_words
from jaxvis.cli.sweep_plan import open_described
from jaxvis.cli.sweep_run import make_sweep
from jaxvis.escape import escape_path
from jaxvis.site.building import build_site
from jaxvis.site.measures.facts import choose_taps
from jaxvis.site.measures.measure import measure_units, write_network
from jaxvis.site.measures.store import check_folder
from jaxvis.sweep.build import Wish, make_plan
from jaxvis.sweep.judges import score_pictures
from jaxvis.sweep.kinds.base import Subject
from jaxvis.sweep.plan import Photos, Plan, Source
from jaxvis.sweep.samples import sample_folder
from jaxvis.sweep.store import open_store
from jaxvis.sweep.subject import describe_photos, open_photos

STEPS = 128
"""Updates of a picture: half of what single pictures get, enough to know a unit by."""
OPENING = 16
"""First steps in which gradients pass through dead ReLUs, for units that are dead at the start."""
EXPLAINED, BEST = 8, 3
"""Photographs that heatmaps are made of, and how many classes each adds to them."""
EXAMPLES = 2
"""Photographs that are caricatured at some layers."""
DEPTHS = 4
"""Layers that photographs are caricatured at."""


def microscope(
    net: str,
    /,
    *,
    photos: Folder = None,
    taps: Text = None,
    index: str = ":",
    steps: int = STEPS,
    size: Text = None,
    seeds: int = 1,
    seed: int = 0,
    chunk: Count = None,
    labels_of_units: Folder = None,
    out: Path = Path("jaxvis-microscope"),
    network: NetworkFlags = NETWORK,
) -> int:
    """Draws every unit of a network, measures it on photographs, and builds a site of it all.

    It plans and makes a sweep, measures what excites each unit, explains and caricatures
    photographs, and builds the site in OUT/site, which opens from the disk. Called again
    with the same words it goes on where it was stopped. For example:
    jaxvis microscope demo
    jaxvis microscope googlenet --photos PHOTOS --taps inception_4a/output --index 0:64

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      photos: a folder of images; those that come with jaxvis if left out.
      taps: the layers, separated by commas; all that kernels make if left out.
      index: which channels of every layer, such as 0:16; all if left out.
      steps: updates of every picture.
      size: of the pictures of channels in pixels, 96 or 96x128 (H x W); as large as the
        layer's receptive field, at least 48, if left out.
      seeds: pictures of each unit.
      seed: of all randomness, from 0 to 4294967295.
      chunk: pictures that a device makes together; fitted to the memory if left out.
      labels_of_units: a CSV file with names of units: tap,index,label, or CLIP-Dissect's.
      out: the folder.

    Raises:
      OSError: if weights or a folder cannot be opened.
      ValueError: for a flag that does not fit the network, or a folder of something else.
    """
    began = time.perf_counter()
    source, opened = open_described(net, network)
    folder = photos if photos is not None else sample_folder()
    found = describe_photos(str(folder))
    subject = Subject(opened, open_photos(found))
    wish = Wish(
        "maximize",
        choose_units(subject, parse_words(taps), index),
        {"steps": [steps], "redirect": [OPENING]},
        size=parse_size(size) if size else None,
        seeds=seeds,
        seed=seed,
        chunk=chunk,
    )
    plans = plan_all(source, subject, found, wish)
    stores = [open_store(out / plan.method) for plan in plans]
    check_folder(out / plans[0].method)
    codes = []
    for plan, store in zip(plans, stores):
        print(f"{plan.method}: {plan.count} pictures", flush=True)
        codes.append(make_sweep(plan, store))
        if codes[-1] not in (0, 1):
            return codes[-1]
    home = out / plans[0].method
    write_network(home, opened.net, opened.params, weights=opened.weights, labels=opened.labels)
    wanted = [tap for tap, _ in wish.units if tap is not None]
    if opened.net.classes and any(tap is None for tap, _ in wish.units):
        wanted.append(opened.net.classes)
    measured = measure_units(
        home, opened.net, opened.params, taps=wanted, photos=str(folder), progress=True
    )
    print(f"{measured.units} units measured on {len(found.files)} photographs", flush=True)
    folders = [str(out / plan.method) for plan in plans]
    built = build_site(folders, out / "site", labels=labels_of_units)
    seconds = time.perf_counter() - began
    print(
        f"{escape_path(out / 'site' / 'index.html')}: {built.units} units of {built.layers} "
        f"layers, after {seconds:.0f} s"
    )
    return max(codes)


def choose_units(
    subject: Subject, taps: Sequence[str] | None, index: str
) -> list[tuple[str | None, tuple[int, ...]]]:
    """Chooses the layers that are drawn, each with its channels, and the classes.

    Args:
      subject: the network.
      taps: the layers that were asked for; None takes all that kernels make.
      index: which channels, as a flag says it.

    Raises:
      ValueError: for layers or channels that the network does not have.
    """
    net, params = subject.net, subject.opened.params
    names = net.check_taps(tuple(taps)) if taps else choose_taps(net, params)
    units: list[tuple[str | None, tuple[int, ...]]] = []
    for tap in dict.fromkeys(names):
        count = net.shape(params, tap)[-1]
        of_class = tap in (net.classes, net.scores)
        if of_class and any(one is None for one, _ in units):
            continue
        units.append((None if of_class else tap, parse_indices(index, count=count)))
    return units


def plan_all(source: Source, subject: Subject, photos: Photos, wish: Wish) -> list[Plan]:
    """Plans the pictures of units, heatmaps of the photographs, and their caricatures.

    Args:
      source, subject: the network.
      photos: the photographs.
      wish: of the pictures of units.

    Raises:
      ValueError: as `jaxvis.sweep.build.make_plan`.
    """
    drawn = replace(subject, photos={})
    plans = [make_plan(source, drawn, wish)]
    net, seed, chunk = subject.net, wish.seed, wish.chunk
    if net.scores is not None:
        some, few = take_photos(subject, photos, EXPLAINED)
        heat = Wish("explain", [(None, _find_classes(some, wish))], seed=seed, chunk=chunk)
        plans.append(make_plan(source, some, heat, photos=few))
    maps = [
        tap
        for tap, _ in wish.units
        if tap is not None and len(net.shape(subject.opened.params, tap)) == 3
    ]
    depths = [maps[i] for i in dict.fromkeys(np.linspace(0, len(maps) - 1, DEPTHS).astype(int))]
    some, few = take_photos(subject, photos, EXAMPLES)
    if depths and net.rows:
        steps: dict[str, Any] = {"steps": wish.settings["steps"]}
        units = [(tap, ()) for tap in depths]
        change = Wish("caricature", units, steps, seed=seed, chunk=chunk)
        plans.append(make_plan(source, some, change, photos=few))
    return plans


def take_photos(subject: Subject, photos: Photos, count: int) -> tuple[Subject, Photos]:
    """Takes the first photographs of a folder.

    Args:
      subject: the network with all of them.
      photos: all of them, as a plan names them.
      count: how many.
    """
    few = Photos(photos.folder, dict(list(photos.files.items())[:count]))
    return replace(subject, photos={name: subject.photos[name] for name in few.files}), few


def _find_classes(subject: Subject, wish: Wish) -> tuple[int, ...]:
    """Finds the classes that the photographs are explained by: the best of each."""
    net = subject.net
    images = subject.read(list(subject.photos), net.input_size)
    scores = score_pictures(subject.opened, images)
    best = {int(one) for row in scores for one in np.argsort(-row)[:BEST]}
    shown = next((set(indices) for tap, indices in wish.units if tap is None), best)
    return tuple(sorted(best & shown or best))
