"""A command's outline says what the command says, and nothing is imported for it."""

import importlib
import inspect
import typing

import pytest

from jaxvis.cli import COMMANDS, outline, summary
from jaxvis.cli.outline import read_outline

OF_METHODS = ("train style", "train autoencoder")
"""Commands whose flags are dataclasses of methods, so that these have to be imported."""


def command_of(place):
    module, function = place.rsplit(".", 1)
    return getattr(importlib.import_module(f"jaxvis.cli.{module}"), function)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in OF_METHODS])
def test_an_outline_has_the_commands_signature_types_and_words(name):
    found, command = read_outline(COMMANDS[name]), command_of(COMMANDS[name])
    assert inspect.signature(found) == inspect.signature(command)
    hints = [typing.get_type_hints(one, include_extras=True) for one in (found, command)]
    assert hints[0] == hints[1]
    assert (found.__name__, found.__doc__) == (command.__name__, command.__doc__)


@pytest.mark.parametrize("name", OF_METHODS)
def test_flags_that_belong_to_a_method_need_an_import(name):
    assert read_outline(COMMANDS[name]) is None


@pytest.mark.parametrize("name", COMMANDS)
def test_a_summary_is_the_first_line_of_the_docstring(name):
    assert summary(name) == inspect.getdoc(command_of(COMMANDS[name])).splitlines()[0]


FILES = {
    "methods/blur.py": (
        "from dataclasses import dataclass\n"
        "import no_such_package\n"
        "WIDTHS = (1, 2)\n"
        "@no_such_package.fast\n"
        "def blur(image, /, sigma=-0.5, *, widths=WIDTHS, name, edge=no_such_package.edge()): ...\n"
        "@dataclass\n"
        "class Recipe:\n"
        "    steps: int = 7\n"
        "    rate: float\n"
    ),
    "methods/__init__.py": "from jaxvis.methods.blur import Recipe\n",
    "cli/blur.py": (
        "import no_such_package\n"
        "from typing import Literal\n"
        "from jaxvis.methods import Recipe as Settings\n"
        "from jaxvis.methods.blur import blur as smooth\n"
        "Edge = Literal['same', 'wrap']\n"
        "WIDTHS = ','.join(str(one) for one in default_of(smooth, 'widths'))\n"
        "def read(sigma: float = default_of(smooth, 'sigma'), *, widths: str = WIDTHS,\n"
        "         steps: int = default_of(Settings, 'steps'), edge: Edge = 'same') -> int:\n"
        "    '''Blurs.'''\n"
        "    return no_such_package.blur()\n"
        "def computed(*, edge=default_of(smooth, 'edge')): ...\n"
        "def missing(*, name=default_of(smooth, 'name')): ...\n"
        "def lacking(*, rate=default_of(Settings, 'rate')): ...\n"
        "def heavy(*, edge=no_such_package.EDGE): ...\n"
        "def unknown(*, edge=never_bound): ...\n"
        "def foreign(*, edge=default_of(Literal, 'edge')): ...\n"
    ),
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Puts a small package in the place of jaxvis, where outlines are read."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(outline, "PACKAGE", tmp_path)


def test_defaults_are_read_in_the_methods_own_files(package):
    found = read_outline("blur.read")
    defaults = {one.name: one.default for one in inspect.signature(found).parameters.values()}
    assert defaults == {"sigma": -0.5, "widths": "1,2", "steps": 7, "edge": "same"}
    assert typing.get_type_hints(found)["edge"] == typing.Literal["same", "wrap"]
    assert found.__doc__ == "Blurs." and found() is None


@pytest.mark.parametrize(
    "name",
    ["computed", "missing", "lacking", "heavy", "unknown", "foreign", "no_such_function", "WIDTHS"],
)
def test_what_cannot_be_read_has_no_outline(name, package):
    assert read_outline(f"blur.{name}") is None


def test_a_file_that_is_not_there_has_no_outline(package):
    assert read_outline("sharpen.sharpen") is None
