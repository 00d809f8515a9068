"""Numbers of flags, of all commands: what means nothing is refused before any work."""

import importlib
import inspect
import math
import types
import typing
from dataclasses import fields, is_dataclass

import pytest

from jaxvis.cli import COMMANDS, main
from jaxvis.cli.limits import LIMITS, Limit, check_numbers

BAD = (math.nan, math.inf, -math.inf, -1, 0, 10**20, -(10**20), 1e300)


def flags_of(name):
    """Returns flag -> (type hint, whether it must be given), dataclasses of flags flattened."""
    module, function = COMMANDS[name].rsplit(".", 1)
    command = getattr(importlib.import_module(f"jaxvis.cli.{module}"), function)
    hints, found = typing.get_type_hints(command), {}
    for parameter in inspect.signature(command).parameters.values():
        hint = hints[parameter.name]
        if is_dataclass(hint):
            own = typing.get_type_hints(hint)
            found |= {field.name: (own[field.name], False) for field in fields(hint)}
        elif parameter.kind is parameter.KEYWORD_ONLY:
            found[parameter.name] = (hint, parameter.default is parameter.empty)
    return found


def is_number(hint):
    """Returns int or float where a flag is such a number, perhaps left out; else None."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next((kind for kind in kinds if kind in (int, float)), None)


NUMBERS = [
    (name, flag, is_number(hint))
    for name in COMMANDS
    for flag, (hint, _) in flags_of(name).items()
    if is_number(hint)
]


def call(name, flag, value, capsys):
    """Returns (exit code, error) of a command with one flag, and nothing that exists."""
    module, function = COMMANDS[name].rsplit(".", 1)
    command = getattr(importlib.import_module(f"jaxvis.cli.{module}"), function)
    words = name.split()
    for parameter in inspect.signature(command).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            words.append("nowhere")
    for other, (_, needed) in flags_of(name).items():
        if needed:
            words += [f"--{other.replace('_', '-')}", "nowhere"]
    code = main([*words, f"--{flag.replace('_', '-')}", str(value)])
    return code, capsys.readouterr().err


def test_there_are_many_numbers_and_each_has_its_limits():
    assert len(NUMBERS) > 90
    missing = {flag for _, flag, _ in NUMBERS} - LIMITS.keys()
    assert not missing, f"give them a row in jaxvis.cli.limits: {missing}"
    unused = LIMITS.keys() - {flag for _, flag, _ in NUMBERS}
    assert not unused, f"no command has these flags: {unused}"


@pytest.mark.parametrize(("name", "flag", "kind"), NUMBERS)
def test_numbers_that_mean_nothing_are_refused(name, flag, kind):
    limit = LIMITS[flag]
    refused = 0
    for value in BAD:
        if limit.holds(value):
            continue
        refused += 1
        with pytest.raises(ValueError, match=f"--{flag.replace('_', '-')} goes ") as caught:
            check_numbers({flag: value})
        assert len(str(caught.value)) < 120
    assert refused >= 5  # NaN, both infinities and both huge numbers, whatever the flag
    default = next(iter(k for k in (limit.low + 1, limit.high, 0.5) if limit.holds(k)))
    check_numbers({flag: default})


@pytest.mark.parametrize("name", sorted({name for name, _, _ in NUMBERS}))
def test_every_command_refuses_before_it_looks_at_anything(name, capsys, monkeypatch):
    """Once by a flag of its own, and once by one in a group of flags, where it has both."""
    monkeypatch.setattr("jaxvis.cli._setup.prepare_process", lambda: pytest.fail("it began"))
    numbers = {flag: kind for command, flag, kind in NUMBERS if command == name}
    for flag in dict.fromkeys([next(iter(numbers)), list(numbers)[-1]]):
        bad = "nan" if numbers[flag] is float else "99999999999999999999"
        code, error = call(name, flag, bad, capsys)
        assert code == 2 and error.count("\n") == 1
        assert error.startswith(f"jaxvis: error: --{flag.replace('_', '-')} goes "), error


@pytest.mark.parametrize(
    "words",
    [
        "invert demo astronaut --tap relu2_1 --beta nan",
        "style demo astronaut astronaut --beta nan",
        "train style nowhere --style nowhere --learning-rate nan",
        "train style nowhere --style nowhere --learning-rate -1",
        "train autoencoder nowhere --learning-rate -1",
        "train autoencoder nowhere --validate-every 0",
        "generate demo --steps 0",
        "generate demo --seed 99999999999999999999",
        "maximize demo --seed -1",
        "maximize demo --bits 12",
        "maximize demo --seeds 100000000",
        "maximize demo --seeds 0",
        "maximize demo --chunk 0",
        "dream demo astronaut --tap relu2_1 --octaves 100",
        "dream demo astronaut --tap relu2_1 --octave-scale 1",
    ],
)
def test_what_was_once_accepted_is_refused(words, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jaxvis.cli._setup.prepare_process", lambda: pytest.fail("it began"))
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    # The dataclasses of trainings check themselves, and name the field.
    flag = words.split()[-2].removeprefix("--")
    assert flag in error or flag.replace("-", "_") in error
    assert "Traceback" not in error and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("limit", "inside", "outside", "words"),
    [
        (Limit(1, 10), (1, 10, 2.5), (0, 11, math.nan), "from 1 to 10"),
        (Limit(0, 1, open=True), (1e-30, 1), (0, -0.0, 1.1, math.inf), "above 0 to 1"),
        (Limit(0, 2**32 - 1), (0, 2**32 - 1), (2**32,), "from 0 to 4294967295"),
    ],
)
def test_limits_hold_what_lies_between(limit, inside, outside, words):
    assert all(map(limit.holds, inside)) and not any(map(limit.holds, outside))
    assert str(limit) == words


def test_words_and_switches_are_no_numbers():
    check_numbers({"steps": None, "resume": True, "size": "nan", "tap": "relu"})
    with pytest.raises(ValueError, match="--other goes from -1000000000 to 1000000000, not nan"):
        check_numbers({"other": math.nan})
