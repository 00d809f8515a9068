"""How the words of a command line become the call of a function.

The function's signature is its flags, and its docstring says what they mean. Words are
read by the function's outline, so that help and mistakes need no import of what the
function itself imports.
"""

import importlib
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from jaxvis.cli.flags import flatten_flags
from jaxvis.cli.limits import check_numbers
from jaxvis.cli.outline import read_outline


def list_commands(summaries: Mapping[str, str], prog: str, about: str, words: list[str]) -> Any:
    """Lists commands, where the words ask for that or name no command.

    Args:
      summaries: command -> what it does in a line.
      prog: what was called, such as "jaxvis train".
      about: a text that stands above the list.
      words: that follow what was called.

    Raises:
      SystemExit: always, with the exit code.
    """
    stubs: dict[str, Callable[..., Any]] = {
        name: _make_stub(line) for name, line in summaries.items()
    }
    return tyro.extras.subcommand_cli_from_dict(stubs, prog=prog, description=about, args=words)


def run_command(name: str, place: str, words: list[str]) -> Any:
    """Parses the flags of one command and runs it.

    Args:
      name: such as "train style".
      place: its file and function in this folder.
      words: that follow its name.

    Returns:
      What the command returns.

    Raises:
      SystemExit: where the words ask for help, or do not fit.
      ValueError: for a number out of range, and what the command raises.
    """

    def run(*args: Any, **flags: Any) -> Any:
        check_numbers(flatten_flags(flags))
        command = import_command(place)
        from jaxvis.cli._setup import prepare_process
        from jaxvis.cli.autotuning import repeat_choices
        from jaxvis.cli.programs import report_programs

        prepare_process()
        given = inspect.signature(command).bind(*args, **flags).arguments
        repeat_choices(name, flatten_flags(given))
        with report_programs():
            return command(*args, **flags)

    return tyro.cli(
        _dress_for_tyro(run, read_outline(place) or import_command(place)),
        prog=f"jaxvis {name}",
        args=words,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )


def import_command(place: str) -> Callable[..., Any]:
    """Imports the function of a command.

    Args:
      place: its file and function in this folder, such as "maximize.sweep".
    """
    module, function = place.rsplit(".", 1)
    found: Callable[..., Any] = getattr(importlib.import_module(f"jaxvis.cli.{module}"), function)
    return found


def _dress_for_tyro(run: Callable[..., Any], command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a function the signature that tyro wants: what goes by position stays so."""
    hints = typing.get_type_hints(command, include_extras=True)
    parameters = []
    for parameter in inspect.signature(command).parameters.values():
        hint = hints.get(parameter.name, parameter.annotation)
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            parameter = parameter.replace(kind=inspect.Parameter.POSITIONAL_ONLY)
        parameters.append(parameter.replace(annotation=_annotate(parameter, hint)))
    # Not functools.wraps: tyro would look through it, at the command's own signature.
    run.__name__ = command.__name__
    # Continuation lines joined: tyro keeps line breaks inside an argument's text.
    run.__doc__ = re.sub(r"\n {4,}(?=\S)", " ", inspect.getdoc(command) or "")
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _annotate(parameter: inspect.Parameter, hint: Any) -> Any:
    """Makes an annotation that shows NET for STR, and PATH for {None}|PATH."""
    if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        name = parameter.name.upper()
        if typing.get_origin(hint) in (list, tuple):
            name = f"{name}..."
        name = name if parameter.default is parameter.empty else f"[{name}]"
        if typing.get_origin(hint) is tuple:  # tyro would show an empty default
            return Annotated[hint, tyro.conf.arg(metavar=name, help_behavior_hint="(required)")]
        return Annotated[hint, tyro.conf.arg(metavar=name)]
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    if parameter.default is None and len(kinds) == 1 and isinstance(kinds[0], type):
        name = kinds[0].__name__.upper()
        return Annotated[hint, tyro.conf.arg(metavar=name, help_behavior_hint="")]
    if parameter.default is None and len(kinds) == 1 and typing.get_origin(kinds[0]) is Literal:
        name = f"{{{','.join(map(str, typing.get_args(kinds[0])))}}}"
        return Annotated[hint, tyro.conf.arg(metavar=name, help_behavior_hint="")]
    return hint


def _make_stub(line: str) -> type:
    """Makes a class that stands for a command in the list of commands.

    It is no function, since tyro imports a slow package to look at those.
    """

    @dataclass
    class Stub:
        def __post_init__(self) -> None:
            raise SystemExit(2)

    Stub.__doc__ = line
    return Stub
