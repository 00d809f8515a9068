"""A command's call from the arguments of its record."""

import json
from pathlib import Path
from typing import Literal

import pytest

from jaxvis.cli import COMMANDS
from jaxvis.cli.flags import NETWORK, OUTPUT, NetworkFlags, OutputFlags, flatten_flags
from jaxvis.cli.rerun_call import NO_RECORD, call_command, convert, find_command, list_flags
from jaxvis.methods.fast_style.train import Schedule
from jaxvis.output.record import to_json

SCHEDULE = Schedule(batch=7)


def pretend(
    net: str,
    styles: tuple[str, ...],
    /,
    *,
    rate: float = 1.0,
    size: int | None = None,
    algorithm: Literal["a", "b"] = "a",
    schedule: Schedule = SCHEDULE,
    network: NetworkFlags = NETWORK,
    output: OutputFlags = OUTPUT,
):
    """Returns its arguments, as a command's record keeps them, and themselves."""
    return flatten_flags(locals()), (net, styles, rate, size, algorithm, schedule, network, output)


def test_arguments_go_into_a_record_and_come_back():
    given = {
        "rate": 0.125,
        "size": 3,
        "algorithm": "b",
        "schedule": Schedule(steps=5, learning_rate=0.25),
        "network": NetworkFlags(weights="random:1", precision="tf32"),
        "output": OutputFlags(out=Path("a/b"), bits=16),
    }
    flat, whole = pretend("demo", ("x.png", "y.png"), **given)
    kept = json.loads(json.dumps(to_json(flat, "arguments")))
    assert call_command(pretend, kept) == (flat, whole)


def test_what_a_record_does_not_say_has_the_commands_default():
    _, (*_, schedule, network, output) = call_command(pretend, {"net": "x", "styles": []})
    assert (schedule, network, output) == (SCHEDULE, NETWORK, OUTPUT)
    _, (*_, schedule, _, _) = call_command(pretend, {"net": "x", "styles": [], "steps": 9})
    assert schedule == Schedule(steps=9, batch=7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"net": "x"}, "lacks styles"),
        ({"net": "x", "styles": [], "glitter": 1, "more_so": 2}, "no --glitter, --more-so"),
        ({"net": 5, "styles": []}, "--net is 5, which is no str"),
        ({"net": "x", "styles": "abc"}, "--styles is 'abc', which is no tuple"),
        ({"net": "x", "styles": [1]}, "--styles is 1"),
        ({"net": "x", "styles": [], "overwrite": 1}, "--overwrite is 1, which is no bool"),
        ({"net": "x", "styles": [], "steps": True}, "--steps is True, which is no int"),
        ({"net": "x", "styles": [], "rate": "fast"}, "--rate is 'fast', which is no float"),
        ({"net": "x", "styles": [], "size": 2.5}, "--size is 2.5"),
        ({"net": "x", "styles": [], "algorithm": "c"}, "--algorithm is 'c'"),
        ({"net": "x", "styles": [], "batch": 0}, "--batch goes from 1 to"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        call_command(pretend, arguments)


def test_a_whole_number_may_stand_for_a_float():
    assert convert(2, float, "x") == 2.0 and convert("-inf", float | None, "x") == float("-inf")
    assert convert(None, Path | None, "x") is None
    assert convert([1, "a"], tuple[int, str], "x") == (1, "a")


@pytest.mark.parametrize("name", sorted({*COMMANDS} - {*NO_RECORD}))
def test_a_rerun_can_choose_where_every_command_writes(name):
    assert {"out", "overwrite"} <= list_flags(find_command(name)).keys()


@pytest.mark.parametrize("name", ["", "paint", *NO_RECORD])
def test_a_command_without_records_is_refused(name):
    with pytest.raises(ValueError, match="no command"):
        find_command(name)
