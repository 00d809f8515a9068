"""jaxvis generate: pictures that a generator learns to draw for a network."""

import re
from pathlib import Path

import jax
import numpy as np

from jaxvis.cli.common import new_folder, open_net, save_run, slug, summary
from jaxvis.cli.progress import begun, reopened
from jaxvis.generators.deep import DeepGenerator
from jaxvis.methods.coupled.autoencode import decoder_of, load_autoencoder
from jaxvis.methods.coupled.generate import generate as drawn
from jaxvis.output.io import resize
from jaxvis.output.record import file_sha256


def generate(
    net: str,
    /,
    *,
    tap: str | None = None,
    index: str = "0",
    decoder: Path | None = None,
    frozen: bool = False,
    seeds: int = 1,
    seed: int = 0,
    steps: int | None = None,
    gain: float | None = None,
    others: float = 0.01,
    stretched: str = "none",
    dropout: str = "",
    side: int | None = None,
    weights: str | None = None,
    precision: str = "float32",
    chunk: int | None = None,
    resume: bool = False,
    out: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Makes pictures by a generator network that learns to draw what a network likes.

    Each picture is written when its chunk is done; contact sheet and record come last.
    --resume goes on after Ctrl-C or a kill, and makes what is missing as it would have
    been.

    Args:
      net: the network's name, such as vgg19.
      tap: the layer (see jaxvis layers NET); the class scores if left out.
      index: which channels or classes: 668,470 makes two pictures, 668+470 one that
        shows both, 0:16 sixteen.
      decoder: a file of jaxvis train autoencoder, of which only the input is learned;
        a whole new generator is learned for every picture if left out.
      frozen: leave the decoder as it was trained, batch norm too, and begin at the mean
        code of its images: not the paper's way, and nearer to what it was trained on.
      seeds: pictures of each, from different random starts.
      seed: of all randomness.
      steps: updates; 500, or 1200 with --decoder, or 100 with --frozen.
      gain: grey levels per unit of the generator's output: 1 in the original; 20, or
        the decoder's own, if left out.
      others: how much the activation of the other classes or channels costs.
      stretched: none, linear or root: how the pictures are stretched to full contrast.
      dropout: layers with dropout while learning, such as relu6,relu7.
      side: of a smaller generator's picture, 32; the paper's 224 if left out.
      weights: a converted file, or random:SEED; the cached file if left out.
      precision: of the network's products: float32, tf32 or bfloat16.
      chunk: pictures learned together; fitted to memory if left out.
      resume: go on in the folder named by --out, with the flags that it was begun with.
      out: a new or empty folder; jaxvis-generate if left out.
      overwrite: write into a folder that holds files.

    Raises:
      OSError: if weights, decoder or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = dict(locals())
    opened = open_net(net, weights=weights, precision=precision)
    model, groups = opened.net, parse_groups(index)
    table, shared, own_gain = _generator(decoder, side)
    names = _names(groups, opened.labels if tap is None else (), tap)
    files = [f"{name}_{i}.png" for name in names for i in range(seeds)]
    facts = {"weights": opened.sha256, "decoder": decoder and file_sha256(decoder)}
    if resume:
        kept = reopened(out, "generate", arguments, files, **facts)
    else:
        folder = new_folder(out, "generate", overwrite=overwrite)
        kept = begun(folder, "generate", arguments, files, **facts)
    folder, key = kept.folder, jax.random.key(seed)
    if resume:
        print(f"{len(kept.done)} of {len(files)} pictures are there already")
    if len(kept.done) < len(files):
        drawn(
            model,
            opened.params,
            tap=tap,
            index=groups,
            seeds=seeds,
            key=key,
            decoder=shared,
            frozen=frozen,
            generator=table,
            others=others,
            steps=steps,
            gain=own_gain if gain is None else gain,
            stretched=stretched,
            dropout=tuple(filter(None, dropout.split(","))),
            done=kept.done,
            chunk=chunk,
            progress=True,
            on_chunk=kept.keep,
        )
    seconds, run = kept.seconds, kept.run(seeds)
    items = [{"index": "+".join(map(str, group))} for group in groups]
    if model.scores and tap is None:
        look = jax.jit(lambda params, x: model.apply(params, x, stop=model.scores))
        for item, group, images in zip(items, groups, run.image):
            item["rank"] = [_rank(look, opened, image, group) for image in images]
    pictures = save_run(
        folder,
        run,
        names,
        captions=_captions(groups, opened.labels, tap),
        items=items,
        saved=files,
        command="generate",
        arguments=arguments,
        net=net,
        weights=opened.weights,
        sha256=opened.sha256,
        key=key,
        steps=kept.steps,
        seconds=seconds,
        tap=tap or model.scores,
    )
    print(summary(folder, pictures))
    if len(kept.done) < len(files):
        print(f"{len(files) - len(kept.done)} are missing: --resume makes them")


def parse_groups(text: str) -> tuple[tuple[int, ...], ...]:
    """Returns the groups that a list such as "668,470,668+470,0:4" names.

    Args:
      text: numbers, ranges START:STOP and sums of numbers, separated by commas.

    Raises:
      ValueError: quotes the part that cannot be read, or is named twice.
    """
    groups: list[tuple[int, ...]] = []
    for part in text.split(","):
        part = part.strip()
        ends = re.fullmatch(r"(\d{1,6}):(\d{1,6})", part)
        if ends and int(ends[1]) < int(ends[2]):
            groups += [(number,) for number in range(int(ends[1]), int(ends[2]))]
        elif re.fullmatch(r"\d{1,6}(\+\d{1,6})*", part):
            groups.append(tuple(map(int, part.split("+"))))
        else:
            raise ValueError(
                f"{part!r} in {text!r} is no class or channel: write 668,470, a range "
                "0:16, or 668+470 for one picture of both"
            )
    if len({frozenset(group) for group in groups}) < len(groups):
        raise ValueError(f"{text!r} names a picture twice")
    return tuple(groups)


def _generator(
    decoder: Path | None, side: int | None
) -> tuple[DeepGenerator | None, dict | None, float]:
    """Returns the table (None is the paper's), the shared decoder, and its gain."""
    if side not in (None, 32):
        raise ValueError(f"side is 32, or left out for 224 pixels; not {side}")
    if decoder is not None:
        if side is not None:
            raise ValueError("--side is the decoder's own: leave it out")
        model, state, _ = load_autoencoder(decoder)
        return model.decoder, decoder_of(state), model.gain
    if side is None:
        return None, None, 20.0
    return DeepGenerator(start=(5, 5, 16), stages=((32, 2), (32, 2))), None, 20.0


def _names(
    groups: tuple[tuple[int, ...], ...], labels: tuple[str, ...], tap: str | None
) -> list[str]:
    names = []
    for group in groups:
        words = [f"{n:04d}" + (f"_{slug(labels[n])}" if n < len(labels) else "") for n in group]
        names.append((f"{slug(tap)}_" if tap else "") + "+".join(words))
    return names


def _captions(
    groups: tuple[tuple[int, ...], ...], labels: tuple[str, ...], tap: str | None
) -> list[str]:
    known = () if tap else labels
    return [
        " + ".join(f"{n} {known[n].partition(',')[0]}" if n < len(known) else str(n) for n in group)
        for group in groups
    ]


def _rank(look, opened, image: np.ndarray, group: tuple[int, ...]) -> int:
    """Returns how many classes the network prefers to the worst placed of a group."""
    net = opened.net
    shown = np.round(image * 255) / 255
    if shown.shape[:2] != tuple(net.input_size):
        shown = resize(shown.astype(np.float32), net.input_size)
    scores = np.asarray(look(opened.params, shown)[net.scores])
    if not np.isfinite(scores).all():
        return len(scores)
    return max(int(np.sum(scores > scores[n])) for n in group)
