"""Whether a number that was found is worth keeping: whole steps with and without it."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.harness.timing import BUSY, Measured, interleave
from benchmarks.harness.verdicts import SCORES, Verdict, judge, relative_difference
from benchmarks.speed.tune_child import Stepper
from benchmarks.speed.tune_choice import Case, ItemTimes, LayerTimes, foretell
from benchmarks.speed.tune_forms import find_layers
from jaxvis.tuning import Tuning

UNMEASURED = {"tile4_weights": "not measured: it limits what memory the transforms take"}
"""Numbers that are not measured, and why."""


class Check(NamedTuple):
    """What the whole steps of a network say of a number.

    Attributes:
      case: the network.
      saving: the share of the processor time that the number saves, a median.
      spread: what lies between the quartiles of that share.
      others: the share of the cores that other processes took meanwhile.
      verdict: on the scores of both.
    """

    case: Case
    saving: float
    spread: float
    others: float | None
    verdict: Verdict

    def describe(self) -> str:
        """Describes the check: "demo, 32 px: saves 3.1 %, +-0.4 %"."""
        name, side = self.case
        return f"{name}, {side} px: saves {100 * self.saving:.1f} %, +-{50 * self.spread:.1f} %"


class Finding(NamedTuple):
    """A number after it was measured and checked.

    Attributes:
      number: its name.
      default: what it is by default.
      found: what single measurements speak for.
      kept: whether whole steps agree.
      evidence: why, in words.
      checks: what whole steps said.
    """

    number: str
    default: int
    found: int
    kept: bool
    evidence: str
    checks: tuple[Check, ...] = ()


class Plan(NamedTuple):
    """How numbers are checked.

    Attributes:
      cases: networks that may be checked with.
      times: what was measured of items and of layers.
      items: pictures that every core has in all.
      pairs: interleaved runs.
      most: networks that one number is checked with.
    """

    cases: tuple[Case, ...]
    times: tuple[ItemTimes, LayerTimes]
    items: int
    pairs: int
    most: int

    def choose_cases(self, before: Tuning, after: Tuning) -> list[Case]:
        """Chooses the networks that a change should save most in, of those that it changes.

        Args:
          before, after: the numbers.
        """
        savings = [
            foretell(case, find_layers(case), self.times, before, after) for case in self.cases
        ]
        changed = sorted((one for one in savings if one.changes), key=lambda one: -one.seconds)
        return [one.case for one in changed[: self.most]]


def check_numbers(found: Tuning, plan: Plan, folder: Path) -> Iterator[Finding]:
    """Checks every number that was found; those that are kept stay while the next is checked.

    Args:
      found: the numbers that single measurements speak for.
      plan: how they are checked.
      folder: where files of the processes go.
    """
    kept, changes = Tuning(), found.changes()
    with Steppers(plan.items, folder) as steppers:
        for name, usual in vars(Tuning()).items():
            if name not in changes:
                evidence = UNMEASURED.get(name, "measured: no other is better")
                yield Finding(name, usual, usual, False, evidence)
                continue
            trial = replace(kept, **{name: changes[name]})
            checks = compare_numbers(kept, trial, plan, steppers)
            keep, evidence = judge_checks(checks)
            yield Finding(name, usual, changes[name], keep, evidence, tuple(checks))
            kept = trial if keep else kept
            steppers.close_others(kept)


def judge_checks(checks: Sequence[Check]) -> tuple[bool, str]:
    """Judges whether a number is kept, and why.

    Args:
      checks: of several networks, the one first that it should save most in.
    """
    if not checks:
        return False, "no step that was measured depends on it alone"
    said = "; ".join(check.describe() for check in checks)
    if any(check.others is not None and check.others > BUSY for check in checks):
        return False, f"other processes took more than a tenth of the cores ({said})"
    first, *rest = checks
    if not first.saving > first.spread:
        return False, f"the whole step is no faster than its runs vary ({said})"
    if any(-check.saving > check.spread for check in rest):
        return False, f"another step is slower ({said})"
    return True, f"the whole step is faster ({said})"


class Steppers(contextlib.AbstractContextManager):
    """The processes that take steps, one for each set of numbers; all end with the block.

    Args:
      items: pictures that every core has in all.
      folder: where their files go.
    """

    def __init__(self, items: int, folder: Path) -> None:
        self.items, self.folder = items, folder
        self.started = 0
        self.running: dict[Tuning, Stepper] = {}

    def find(self, tuning: Tuning) -> Stepper:
        """Finds the process of some numbers, or starts it.

        Args:
          tuning: its numbers.
        """
        if tuning not in self.running:
            self.started += 1
            self.running[tuning] = Stepper(tuning, self.items, self.folder / str(self.started))
        return self.running[tuning]

    def close_others(self, tuning: Tuning | None) -> None:
        """Ends all processes but that of some numbers.

        Args:
          tuning: those numbers; None ends every process.
        """
        for other in [one for one in self.running if one != tuning]:
            self.running.pop(other).close()

    def __exit__(self, *reason: object) -> None:
        """Ends every process."""
        self.close_others(None)


def compare_numbers(before: Tuning, after: Tuning, plan: Plan, steppers: Steppers) -> list[Check]:
    """Compares whole steps with two sets of numbers, in two processes that take turns.

    Args:
      before, after: the numbers.
      plan: how they are compared.
      steppers: the processes.
    """
    cases = plan.choose_cases(before, after)
    if not cases:
        return []
    both = steppers.find(before), steppers.find(after)
    return [_compare_case(case, *both, plan.pairs) for case in cases]


def _compare_case(case: Case, before: Stepper, after: Stepper, pairs: int) -> Check:
    """Compares the steps of one network."""
    old, new = (np.array(stepper.step(*case)) for stepper in (before, after))
    verdict = judge(scores=(relative_difference(new, old), SCORES))
    found = interleave(
        {"before": lambda: before.step(*case), "after": lambda: after.step(*case)},
        pairs,
        again=False,
        clock=lambda: before.processor + after.processor,
    )
    return summarise(case, found, verdict)


def summarise(case: Case, found: Measured, verdict: Verdict) -> Check:
    """Summarises interleaved runs: what "after" saves of the processor time of "before".

    Args:
      case: the network.
      found: the runs.
      verdict: on their scores.
    """
    shares = 1 - found.spent["after"] / found.spent["before"]
    low, high = np.quantile(shares, (0.25, 0.75))
    return Check(case, float(np.median(shares)), float(high - low), found.others, verdict)
