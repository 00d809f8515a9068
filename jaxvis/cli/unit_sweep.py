"""One maximisation of several units, from its flags to its record."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxvis.cli.checksums import Sums
from jaxvis.cli.flags import ResumeFlags, SeedFlags
from jaxvis.cli.grouped import list_members
from jaxvis.cli.judging import Ranks, judge_by_network
from jaxvis.cli.ledger import open_ledger
from jaxvis.cli.maximize_flags import TOGETHER, TogetherFlags
from jaxvis.cli.opening import describe_network
from jaxvis.cli.parsing import parse_indices, parse_units
from jaxvis.cli.progress import Progress
from jaxvis.cli.saving import end_command
from jaxvis.escape import slug
from jaxvis.loss.algebra import Algebra
from jaxvis.loss.alpha import Alpha
from jaxvis.loss.objectives import Excite
from jaxvis.methods.maximize import plan_maximize
from jaxvis.methods.together import plan_diverse
from jaxvis.nets.wrappers.leaky import with_leaky_relus
from jaxvis.network import Network
from jaxvis.optimize.describe import describe_problem
from jaxvis.optimize.job import Job
from jaxvis.recipes.choose import choose_recipe
from jaxvis.recipes.natural import Natural
from jaxvis.recipes.recipe import Recipe, Size
from jaxvis.recipes.targets import Target, add_objective, choose_target
from jaxvis.recipes.together import Diverse
from jaxvis.types import Key
from jaxvis.weights.load import LoadedNetwork


class UnitSweep:
    """One maximisation of several units: its names, its folder, its end.

    Args:
      command: the command's name.
      opened: the network.
      arguments: the command's flags by name.
      tap: the layer, or None for classes.
      index: which units, as the flag says it.
      what: what messages call one of them.
      flags: seeds and chunk.
      output: where the pictures go.

    Raises:
      ValueError: for units that the network does not have.
    """

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
        together: TogetherFlags = TOGETHER,
        facts: Mapping[str, Any],
    ) -> int:
        """Makes the pictures; gives the exit code.

        Args:
          recipe: how they are made, a name or the settings.
          steps, size: instead of the recipe's; None keeps them.
          position: of a neuron.
          leak: slope of leaky ReLUs in place of the network's.
          together: what else a picture excites, and groups of pictures.
          facts: for the record; "inputs" are the sha256 of files that were read.

        Raises:
          OSError: if the folder cannot be written.
          ValueError: for a flag that does not fit the network.
        """
        net, key = with_leaky_relus(self.opened.net, leak), jax.random.key(self.flags.seed)
        params = self.opened.params
        units = choose_target(net, params, tap=self.tap, index=self.numbers, position=position)
        if together.also is not None:
            units = add_objective(units, read_units(self.opened, together.also))
        target, chosen = choose_recipe(net, params, units, recipe, steps=steps, size=size)
        if together.redirect is not None:
            chosen = replace(chosen, redirect=together.redirect)
        job, members = self._plan(target, chosen, key, together, leaky=net)
        progress = self._open(job, facts["inputs"], members, isinstance(chosen.canvas, Alpha))
        interrupted = progress.make(job, chunk=self.flags.chunk, judge=self._judge(members))
        pictures = progress.finish(
            self._list_rows(members),
            seeds=members or self.flags.seeds,
            captions=self._list_captions(members),
            items=self._items(members),
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

    def _plan(
        self,
        target: Target,
        recipe: Recipe,
        key: Key,
        together: TogetherFlags,
        *,
        leaky: Network,
    ) -> tuple[Job, int]:
        """Plans the pictures; gives how many are a group, too, 0 where each is on its own."""
        params, seeds = self.opened.params, self.flags.seeds
        if together.diverse is None:
            return plan_maximize(leaky, params, target, recipe, seeds=seeds, key=key), 0
        how = Diverse(together.diverse, together.diversity)
        job = plan_diverse(leaky, params, target, recipe, diverse=how, seeds=seeds, key=key)
        return list_members(job, how.count), how.count

    def _judge(self, members: int) -> Callable[[int, np.ndarray], Mapping[str, Any]] | None:
        """Gives what says further facts of a picture: its rank, and its place in its group."""
        ranks = None
        if self.of_class and self.opened.net.scores:
            ranks = Ranks(self.opened, self.numbers, self.flags.seeds * (members or 1))
        if ranks is None and not members:
            return None

        def judge(number: int, image: np.ndarray) -> Mapping[str, Any]:
            place = {"member": number % members} if members else {}
            return place | (ranks.judge(number, image) if ranks else {})

        return judge

    def _open(self, job: Job, inputs: Sums, members: int, alpha: bool) -> Progress:
        each = range(members or self.flags.seeds)
        files = [f"{row}_{place}" for row in self._list_rows(members) for place in each]
        facts = {"weights": self.opened.sha256, "inputs": inputs}
        ledger = open_ledger(self.output, self.command, self.arguments, count=job.count, **facts)
        return Progress(ledger, files, alpha=alpha)

    def _list_rows(self, members: int) -> list[str]:
        """Names what has a row of pictures: a unit, or a group of it."""
        seeds = range(self.flags.seeds)
        return (
            [f"{name}_{seed}" for name in self.names for seed in seeds] if members else self.names
        )

    def _list_captions(self, members: int) -> list[str]:
        captions = caption_units(self.numbers, self.labels)
        return [one for one in captions for _ in range(self.flags.seeds)] if members else captions

    def _items(self, members: int) -> list[dict[str, Any]]:
        labels = self.labels
        items = [{"index": n, **({"label": labels[n]} if labels else {})} for n in self.numbers]
        if not members:
            return items
        return [{**item, "seed": seed} for item in items for seed in range(self.flags.seeds)]


def read_units(opened: LoadedNetwork, text: str) -> Algebra:
    """Reads the sum of channels that a flag names, each with its weight.

    Args:
      opened: the network.
      text: see `jaxvis.cli.parsing.parse_units`.

    Raises:
      ValueError: for a layer or a channel that the network does not have.
    """
    parts = []
    for tap, index, weight in parse_units(text):
        choose_target(opened.net, opened.params, tap=tap, index=index)  # is there such a channel?
        parts.append(weight * Excite(tap, index))
    return sum(parts[1:], parts[0])


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
