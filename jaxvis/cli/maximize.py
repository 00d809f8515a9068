"""jaxvis maximize and jaxvis sweep: pictures of what neurons or classes like best."""

from collections.abc import Mapping
from typing import Any, Literal

import jax

from jaxvis.cli.checksums import Sums, hash_inputs
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
from jaxvis.cli.parsing import parse_indices, parse_position, parse_size, slug
from jaxvis.cli.peaks import find_peaks
from jaxvis.cli.progress import Progress
from jaxvis.cli.recipe_facts import describe_problem
from jaxvis.cli.saving import end_command
from jaxvis.methods.maximize import maximize as maximize_units
from jaxvis.methods.maximize import plan_maximize
from jaxvis.nets.wrappers.leaky import with_leaky_relus
from jaxvis.optimize.job import Job
from jaxvis.output.io import SAMPLES
from jaxvis.recipes.choose import choose_recipe
from jaxvis.recipes.natural import Natural
from jaxvis.recipes.presets import NATURAL
from jaxvis.recipes.recipe import Size
from jaxvis.recipes.targets import choose_target
from jaxvis.weights.load import LoadedNetwork

Recipe = Literal["robust", "lucid", "plain", "maco", "mahendran"]
DEFAULT = default_of(maximize_units, "recipe")


def maximize(
    net: str,
    /,
    *,
    tap: str | None = None,
    index: str = "0",
    position: str | None = None,
    recipe: Recipe = DEFAULT,
    peaks: str | None = None,
    leak: float = 0.0,
    steps: int | None = None,
    size: str | None = None,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: ResumeFlags = RESUMABLE,
) -> int:
    """Makes pictures that neurons, channels or classes of a network like best.

    Each picture is written when its chunk is done; contact sheet and record come last.
    --resume goes on after Ctrl-C or a kill. For example:
    jaxvis maximize googlenet --index flamingo,mosque --seeds 2

    Args:
      net: the network's name, such as googlenet, or a file that describes one (.toml, .py).
      tap: the layer (see jaxvis layers NET); the class scores if left out.
      index: which channels or classes, such as 130 or 0:16 or 1,5,9:12 or goldfish.
      position: the neuron of a channel: centre, or ROW,COLUMN in cells of the layer;
        the channel's mean if left out (with mahendran the centre).
      recipe: how the pictures are made.
      peaks: of mahendran, a folder of images on which the channels' largest activations
        are measured, or a record.json that keeps them; photographs that come with
        jaxvis if left out.
      leak: slope of leaky ReLUs in place of the network's, for units that are dead.
      steps: updates; 256, or 300 of mahendran, if left out.
      size: of the pictures in pixels, 224 or 224x320 (H x W); the network's own if
        left out.

    Raises:
      OSError: if weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    if peaks is not None and recipe != NATURAL:
        raise ValueError(f"--peaks goes with --recipe {NATURAL}, not {recipe!r}")
    opened = open_net(net, network)
    if tap is not None:
        opened.net.check_taps(tap)
    sweep = _Sweep("maximize", opened, arguments, tap, index, "index", run, output)
    how: str | Natural = recipe
    facts: dict[str, Any] = {"inputs": {}}
    if recipe == NATURAL and sweep.shown is not None:
        facts["peaks"] = find_peaks(opened, sweep.shown, peaks)
        facts["inputs"] = hash_inputs(*([peaks] if peaks else SAMPLES))
        how = Natural(peaks=tuple(facts["peaks"]["values"]))
    return sweep.run(
        how,
        steps=steps,
        size=parse_size(size) if size else None,
        position=parse_position(position),
        leak=leak,
        facts=facts,
    )


def sweep(
    net: str,
    /,
    *,
    classes: str = ":",
    recipe: Recipe = DEFAULT,
    steps: int | None = None,
    size: str | None = None,
    run: SeedFlags = SEEDS,
    network: NetworkFlags = NETWORK,
    output: ResumeFlags = RESUMABLE,
) -> int:
    """Makes a picture of every class of a network, many at a time.

    Each picture is written when its chunk is done; contact sheet and record come last.
    Ctrl-C keeps what is finished, and --resume goes on. For example:
    jaxvis sweep squeezenet1_1 --classes 0:100 --out classes

    Args:
      net: the network's name, such as squeezenet1_1, or a file that describes one (.toml, .py).
      classes: which, such as 0:1000 or 1,5,9:12 or goldfish; all if left out.
      recipe: how the pictures are made.
      steps: updates; 256, or 300 of mahendran, if left out.
      size: of the pictures in pixels, 224 or 224x320 (H x W); the network's own if
        left out.

    Raises:
      OSError: if weights or folder cannot be opened.
      ValueError: for a flag that does not fit the network.
    """
    arguments = flatten_flags(locals())
    opened = open_net(net, network)
    if opened.net.classes is None:
        raise ValueError(f"{net} names no class scores: use jaxvis maximize --tap")
    sweep = _Sweep("sweep", opened, arguments, None, classes, "class", run, output)
    pixels = parse_size(size) if size else None
    return sweep.run(recipe, steps=steps, size=pixels, facts={"inputs": {}})


class _Sweep:
    """One maximisation of several units: its names, its folder, its end."""

    def __init__(
        self,
        command: str,
        opened: LoadedNetwork,
        arguments: dict[str, Any],
        tap: str | None,
        index: str,
        what: str,
        flags: SeedFlags,
        output: ResumeFlags,
    ) -> None:
        self.command, self.opened, self.arguments, self.tap = command, opened, arguments, tap
        self.flags, self.output = flags, output
        net = opened.net
        self.shown = tap or net.classes
        self.of_class = self.shown in (net.classes, net.scores)
        self.labels = opened.labels if self.of_class else ()
        count = net.shape(opened.params, self.shown)[-1] if self.shown else None
        self.numbers = parse_indices(index, count=count, what=what, labels=self.labels)
        prefix = f"{slug(self.shown)}_" if self.shown and not self.of_class else ""
        self.names = name_files(self.numbers, self.labels, prefix)

    def run(
        self,
        recipe: str | Natural,
        *,
        steps: int | None,
        size: Size | None,
        position: None | str | tuple[int, int] = None,
        leak: float = 0.0,
        facts: Mapping[str, Any],
    ) -> int:
        """Makes the pictures; gives the exit code."""
        net, key = with_leaky_relus(self.opened.net, leak), jax.random.key(self.flags.seed)
        params = self.opened.params
        units = choose_target(net, params, tap=self.tap, index=self.numbers, position=position)
        target, chosen = choose_recipe(net, params, units, recipe, steps=steps, size=size)
        job = plan_maximize(net, params, target, chosen, seeds=self.flags.seeds, key=key)
        progress = self._open(job, facts["inputs"])
        judge = None
        if self.of_class and net.scores:
            ranks = Ranks(self.opened, self.numbers, self.flags.seeds)
            judge = ranks.judge
        interrupted = progress.make(job, chunk=self.flags.chunk, judge=judge)
        pictures = progress.finish(
            self.names,
            seeds=self.flags.seeds,
            captions=caption_units(self.numbers, self.labels),
            items=self._items(),
            command=self.command,
            arguments=self.arguments,
            **describe_network(self.opened),
            key=key,
            tap=self.shown,
            recipe=describe_problem(job.problem),
            interrupted=interrupted,
            **facts,
        )
        code = end_command(progress.output, pictures, interrupted=interrupted)
        judge_by_network(net.name, pictures)
        return code

    def _open(self, job: Job, inputs: Sums) -> Progress:
        files = [f"{name}_{seed}" for name in self.names for seed in range(self.flags.seeds)]
        facts = {"weights": self.opened.sha256, "inputs": inputs}
        ledger = open_ledger(self.output, self.command, self.arguments, count=job.count, **facts)
        return Progress(ledger, files)

    def _items(self) -> list[dict[str, Any]]:
        labels = self.labels
        return [{"index": n, **({"label": labels[n]} if labels else {})} for n in self.numbers]


def name_files(numbers: tuple[int, ...], labels: tuple[str, ...], prefix: str) -> list[str]:
    """Names a file, without ending, for every index: 0130_flamingo.

    Args:
      numbers: the indices.
      labels: class names by index, or ().
      prefix: put in front, such as "fc8-", or "".
    """
    width = max(3, len(str(max(numbers))))
    tails = [f"_{slug(labels[n])}" if n < len(labels) else "" for n in numbers]
    return [f"{prefix}{n:0{width}d}{tail}" for n, tail in zip(numbers, tails)]


def caption_units(numbers: tuple[int, ...], labels: tuple[str, ...]) -> list[str]:
    """Writes a caption for every index: "130 flamingo".

    Args:
      numbers: the indices.
      labels: class names by index, or ().
    """
    return [f"{n} {labels[n].partition(',')[0]}" if n < len(labels) else str(n) for n in numbers]
