"""jaxvis maximize and jaxvis sweep: what neurons, channels and classes like best."""

import time
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.common import (
    Opened,
    new_folder,
    open_net,
    parse_indices,
    parse_size,
    save_run,
    slug,
    summary,
)
from jaxvis.cli.peaks import peaks_of, values_of
from jaxvis.methods.maximize import NATURAL
from jaxvis.methods.maximize import maximize as pictures_of
from jaxvis.output.io import write_image
from jaxvis.types import Run


def maximize(
    net: str,
    /,
    *,
    tap: str | None = None,
    index: str = "0",
    position: str | None = None,
    seeds: int = 1,
    seed: int = 0,
    preset: str = "robust",
    peaks: str | None = None,
    leak: float = 0.0,
    steps: int | None = None,
    size: str | None = None,
    weights: str | None = None,
    precision: str = "float32",
    chunk: int | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Makes pictures that neurons, channels or classes of a network like best.

    Args:
      net: the network's name, such as googlenet.
      tap: the layer (see jaxvis layers NET); the class scores if left out.
      index: which channels or classes, such as 130 or 0:16 or 1,5,9:12.
      position: the neuron of a channel: centre, or ROW,COLUMN in cells of the layer;
        the channel's mean if left out (with mahendran the centre).
      seeds: pictures of each, from different random starts.
      seed: of all randomness.
      preset: robust, lucid, plain, maco or mahendran.
      peaks: of mahendran, a folder of images on which the channels' largest activations
        are measured, or a record.json that keeps them; photographs of scikit-image if
        left out.
      leak: slope of leaky ReLUs in place of the network's.
      steps: updates; the preset's if left out.
      size: of the pictures in pixels, 224 or 224x320 (H x W); the network's own if
        left out.
      weights: a converted file, or random:SEED; the cached file if left out.
      precision: of the network's products: float32, tf32 or bfloat16.
      chunk: pictures optimised together; fitted to memory if left out.
      out: a new or empty folder; jaxvis-maximize if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = dict(locals())
    opened = open_net(net, weights=weights, precision=precision)
    if tap is not None:
        opened.net.named(tap)
    if peaks is not None and preset != NATURAL:
        raise ValueError(f"--peaks goes with --preset {NATURAL}, not {preset!r}")
    numbers = parse_indices(index)
    _run(
        "maximize",
        opened,
        arguments,
        tap,
        numbers,
        seeds,
        seed,
        bits,
        out,
        overwrite,
        position=_cell(position),
        preset=preset,
        steps=steps,
        chunk=chunk,
        leak=leak,
        size=parse_size(size) if size else None,
        peaks_from=peaks,
    )


def sweep(
    net: str,
    /,
    *,
    classes: str = ":",
    seeds: int = 1,
    seed: int = 0,
    preset: str = "robust",
    steps: int | None = None,
    size: str | None = None,
    weights: str | None = None,
    precision: str = "float32",
    chunk: int | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    bits: int = 8,
) -> None:
    """Makes a picture of every class of a network, many at a time.

    Each picture is written when its chunk is done; contact sheet and record come last.
    Ctrl-C keeps what is finished.

    Args:
      net: the network's name, such as squeezenet1_1.
      classes: which, such as 0:1000 or 1,5,9:12; all if left out.
      seeds: pictures of each class, from different random starts.
      seed: of all randomness.
      preset: robust, lucid, plain, maco or mahendran.
      steps: updates; the preset's if left out.
      size: of the pictures in pixels, 224 or 224x320 (H x W); the network's own if
        left out.
      weights: a converted file, or random:SEED; the cached file if left out.
      precision: of the network's products: float32, tf32 or bfloat16.
      chunk: pictures optimised together; fitted to memory if left out.
      out: a new or empty folder; jaxvis-sweep if left out.
      overwrite: write into a folder that holds files.
      bits: 8 or 16 per channel in the PNG files.

    Raises:
      OSError: if weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = dict(locals())
    opened = open_net(net, weights=weights, precision=precision)
    if opened.net.classes is None:
        raise ValueError(f"{net} names no class scores: use jaxvis maximize --tap")
    count = opened.net.shape(opened.params, opened.net.classes)[-1]
    numbers = parse_indices(classes, count=count, what="class")
    _run(
        "sweep",
        opened,
        arguments,
        None,
        numbers,
        seeds,
        seed,
        bits,
        out,
        overwrite,
        preset=preset,
        steps=steps,
        chunk=chunk,
        size=parse_size(size) if size else None,
    )


def _cell(text: str | None) -> None | str | tuple[int, int]:
    """Returns a position flag as `maximize` takes it."""
    if text in (None, "centre"):
        return text
    words = text.split(",")
    if len(words) != 2 or not all(word.strip().isdigit() for word in words):
        raise ValueError(f"{text!r} is no position: write centre or ROW,COLUMN")
    return int(words[0]), int(words[1])


def file_names(numbers: tuple[int, ...], labels: tuple[str, ...], prefix: str) -> list[str]:
    """Returns a file name without ending for every index: 0130_flamingo.

    Args:
      numbers: the indices.
      labels: class names by index, or ().
      prefix: put in front, such as "fc8-", or "".
    """
    width = max(3, len(str(max(numbers))))
    tails = [f"_{slug(labels[n])}" if n < len(labels) else "" for n in numbers]
    return [f"{prefix}{n:0{width}d}{tail}" for n, tail in zip(numbers, tails)]


def _run(
    command: str,
    opened: Opened,
    arguments: dict,
    tap: str | None,
    numbers: tuple[int, ...],
    seeds: int,
    seed: int,
    bits: int,
    out: Path | None,
    overwrite: bool,
    peaks_from: str | None = None,
    **options,
) -> None:
    """Runs the maximisation, writing each picture when its chunk is done."""
    net, params = opened.net, opened.params
    shown = tap or net.classes
    of_class = shown in (net.classes, net.scores)
    labels = opened.labels if of_class else ()
    prefix = "" if of_class else f"{slug(shown)}_"
    names = file_names(numbers, labels, prefix)
    folder, saved = new_folder(out, command, overwrite=overwrite), set()

    def keep(where: range, run: Run) -> None:
        for at, image in zip(where, run.image):
            item, number = divmod(at, seeds)
            file = f"{names[item]}_{number}.png"
            if np.isfinite(image).all():
                write_image(folder / file, image, bits=bits)
                saved.add(file)

    key, begin, facts = jax.random.key(seed), time.perf_counter(), {}
    if options["preset"] == NATURAL and shown is not None:
        facts["peaks"] = peaks_of(opened, shown, peaks_from)
        options["peaks"] = values_of(facts["peaks"])
    run = pictures_of(
        net,
        params,
        tap=tap,
        index=numbers,
        seeds=seeds,
        key=key,
        progress=True,
        on_chunk=keep,
        **options,
    )
    seconds = time.perf_counter() - begin
    items = [{"index": n, **({"label": labels[n]} if labels else {})} for n in numbers]
    if of_class and net.scores:
        for item, verdict in zip(items, verdicts(opened, run, numbers)):
            item.update(verdict)
    pictures = save_run(
        folder,
        run,
        names,
        captions=_captions(numbers, labels),
        items=items,
        saved=saved,
        bits=bits,
        command=command,
        arguments=arguments,
        net=net.name,
        weights=opened.weights,
        sha256=opened.sha256,
        key=key,
        steps=int(run.trace["loss"].shape[-1]),
        seconds=seconds,
        tap=shown,
        **facts,
    )
    print(summary(folder, pictures))
    if of_class and net.scores:
        hits = [hit for item in items for hit in item["top1"]]
        print(f"{net.name} itself names {sum(hits)} of {len(hits)} as their class")


def _captions(numbers: tuple[int, ...], labels: tuple[str, ...]) -> list[str]:
    return [f"{n} {labels[n].partition(',')[0]}" if n < len(labels) else str(n) for n in numbers]


def verdicts(opened: Opened, run: Run, numbers: tuple[int, ...]) -> list[dict]:
    """Returns, for every class, whether the network names its pictures rightly.

    The pictures are judged as their 8-bit files hold them.

    Args:
      opened: the network.
      run: image `[N, S, H, W, 3]`; pictures that are not finite count as wrong.
      numbers: the N classes.

    Returns:
      list: of {"top1": [bool, ...], "top5": [bool, ...]}, one entry a seed.
    """
    net = opened.net
    look = jax.jit(lambda params, x: net.apply(params, x, stop=net.scores)[net.scores])
    out = []
    for number, images in zip(numbers, np.round(run.image * 255) / 255):
        scores = [np.asarray(look(opened.params, image)) for image in images]
        ranks = [int(np.sum(s > s[number])) if np.isfinite(s).all() else len(s) for s in scores]
        out.append({"top1": [r < 1 for r in ranks], "top5": [r < 5 for r in ranks]})
    return out
