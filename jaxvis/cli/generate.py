"""jaxvis generate: pictures that a generator learns to draw for a network."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import jax

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.flags import (
    NETWORK,
    RESUMABLE,
    SEEDS,
    NetworkFlags,
    ResumeFlags,
    SeedFlags,
    default_of,
    flatten_flags,
)
from jaxvis.cli.judging import Ranks, judge_by_network
from jaxvis.cli.ledger import open_ledger
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.parsing import parse_indices, split_list, split_words
from jaxvis.cli.progress import Progress
from jaxvis.cli.saving import end_command
from jaxvis.cli.unit_sweep import caption_units
from jaxvis.escape import slug
from jaxvis.generators.deep import DeepGenerator
from jaxvis.methods.coupled.autoencode import decoder_of, load_autoencoder
from jaxvis.methods.coupled.generate import choose_generator, plan_generate
from jaxvis.optimize.describe import describe_problem
from jaxvis.recipes.generators import GENERATORS, GeneratorRecipe

STRETCHED = default_of(GeneratorRecipe, "stretched")
UPSAMPLING = default_of(DeepGenerator, "upsampling")


def generate(
    net: str,
    /,
    *,
    tap: str | None = None,
    index: str = "0",
    decoder: Path | None = None,
    frozen: bool = False,
    steps: int | None = None,
    gain: float | None = None,
    others: float = default_of(GeneratorRecipe, "others"),
    stretched: Literal["none", "linear", "root", "channels"] = STRETCHED,
    dropout: str = "",
    upsampling: Literal["nearest", "bilinear"] = UPSAMPLING,
    side: Literal[32] | None = None,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: ResumeFlags = RESUMABLE,
) -> int:
    """Makes pictures by a generator network that learns to draw what a network likes.

    Each picture is written when its chunk is done; contact sheet and record come last.
    --resume goes on after Ctrl-C or a kill, and makes what is missing as it would have
    been. For example: jaxvis generate googlenet --index flamingo,mosque+candle

    Args:
      net: the network's name, such as vgg19, or a file that describes one (.toml, .py).
      tap: the layer (see jaxvis layers NET); the class scores if left out.
      index: which channels or classes: 668,470 makes two pictures, 668+470 one that
        shows both, 0:16 sixteen; goldfish is the class of that name.
      decoder: a file of jaxvis train autoencoder, of which only the input is learned;
        a whole new generator is learned for every picture if left out.
      frozen: leave the decoder as it was trained, batch norm too, and begin at the mean
        code of its images: not the paper's way, and nearer to what it was trained on.
      steps: updates; 500, or 1200 with --decoder, or 100 with --frozen, if left out.
      gain: grey levels per unit of the generator's output: 1 in the original; 20, or
        the decoder's own, if left out.
      others: how much the activation of the other classes or channels costs.
      stretched: how the pictures are stretched to full contrast: linear; root of that, as in
        the original; or channels, each on its own, which takes a cast of colour away.
      upsampling: how the generator doubles its maps: nearest as in the original, or
        bilinear, which draws less of a grid; a decoder has its own.
      dropout: layers with dropout while learning, such as relu6,relu7.
      side: of a smaller generator's picture; the paper's 224 if left out.

    Raises:
      OSError: if weights, decoder or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    labels = opened.labels if tap is None else ()
    groups = parse_groups(index, labels=labels)
    table, shared, own_gain = _open_generator(decoder, side, upsampling)
    names, key = _name_files(groups, labels, tap), jax.random.key(run.seed)
    recipe = choose_generator("frozen" if frozen else None, decoder=shared, steps=steps)
    recipe = replace(recipe, generator=table, gain=own_gain if gain is None else gain)
    recipe = replace(recipe, others=others, stretched=stretched, dropout=split_words(dropout))
    plan = partial(plan_generate, opened.net, opened.params, groups, recipe)
    job = plan(tap=tap, decoder=shared, seeds=run.seeds, key=key)
    files = [f"{name}_{i}" for name in names for i in range(run.seeds)]
    inputs = hash_inputs(decoder)
    same = {"weights": opened.sha256, "inputs": inputs}
    progress = Progress(open_ledger(output, "generate", arguments, count=len(files), **same), files)
    judge = Ranks(opened, groups, run.seeds).judge if opened.net.scores and tap is None else None
    interrupted = progress.make(job, chunk=run.chunk, judge=judge)
    pictures = progress.finish(
        names,
        seeds=run.seeds,
        captions=_captions(groups, labels),
        items=[{"index": "+".join(map(str, group))} for group in groups],
        command="generate",
        arguments=arguments,
        **describe_network(opened),
        key=key,
        tap=tap or opened.net.scores,
        inputs=inputs,
        recipe=describe_problem(job.problem),
        interrupted=interrupted,
    )
    code = end_command(progress.output, pictures, interrupted=interrupted)
    judge_by_network(net, pictures)
    return code


def parse_groups(text: str, *, labels: Sequence[str] = ()) -> tuple[tuple[int, ...], ...]:
    """Reads the groups that a list such as "668,470,668+470,0:4" names.

    Args:
      text: numbers, names, ranges START:STOP and sums of numbers or names, separated by
        commas.
      labels: names by index.

    Raises:
      ValueError: quotes the part that cannot be read, or is named twice.
    """
    groups: list[tuple[int, ...]] = []
    for part in split_list(text, labels=labels):
        ends = re.fullmatch(r"(\d{1,6}):(\d{1,6})", part)
        if ends and int(ends[1]) < int(ends[2]):
            groups += [(number,) for number in range(int(ends[1]), int(ends[2]))]
        elif re.fullmatch(r"\d{1,6}(\+\d{1,6})*", part):
            groups.append(tuple(map(int, part.split("+"))))
        elif labels and re.search(r"[^\W\d]", part):
            groups.append(parse_indices(part.replace("+", ","), labels=labels, what="class"))
        else:
            raise ValueError(
                f"{part!r} in {text!r} is no class or channel: write 668,470, a range "
                "0:16, or 668+470 for one picture of both"
            )
    if len({frozenset(group) for group in groups}) < len(groups):
        raise ValueError(f"{text!r} names a picture twice")
    return tuple(groups)


def _open_generator(
    decoder: Path | None, side: int | None, upsampling: str
) -> tuple[DeepGenerator, dict | None, float]:
    """Gives the table, the shared decoder, and its gain."""
    if decoder is not None:
        if side is not None:
            raise ValueError("--side is the decoder's own: leave it out")
        if upsampling != UPSAMPLING:
            raise ValueError("--upsampling is the decoder's own: leave it out")
        model, state, _ = load_autoencoder(decoder)
        return model.decoder, decoder_of(state), model.gain
    table = GENERATORS["paper"].generator
    if side is not None:
        table = DeepGenerator(start=(5, 5, 16), stages=((32, 2), (32, 2)))
    return replace(table, upsampling=upsampling), None, 20.0


def _name_files(
    groups: tuple[tuple[int, ...], ...], labels: Sequence[str], tap: str | None
) -> list[str]:
    names = []
    for group in groups:
        words = [f"{n:04d}" + (f"_{slug(labels[n])}" if n < len(labels) else "") for n in group]
        names.append((f"{slug(tap)}_" if tap else "") + "+".join(words))
    return names


def _captions(groups: tuple[tuple[int, ...], ...], labels: Sequence[str]) -> list[str]:
    return [" + ".join(caption_units(group, tuple(labels))) for group in groups]
