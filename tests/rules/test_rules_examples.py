"""Examples of docstrings: every public name has one, which a reader can paste as it is."""

import ast
import builtins
import doctest
import importlib.util
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for folder in ("jaxvis", "weights_convert")
    for path in (ROOT / folder).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def find_examples(path):
    """Yields (name, examples as one program, names of the module) of a file's docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = {name for node in tree.body for name in bound(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found = doctest.DocTestParser().get_examples(ast.get_docstring(node) or "")
            if found:
                name = getattr(node, "name", path.stem)
                yield name, "".join(example.source for example in found), known


def bound(node):
    """Returns the names that a statement of a module binds where it defines something."""
    own = isinstance(node, ast.FunctionDef | ast.ClassDef)
    return {node.name} if own else set()


def find_unknown(program, known):
    """Returns the names that a program reads and neither it, `known` nor Python binds."""
    read, written = set(), set(known) | set(dir(builtins))
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else written).add(node.id)
        elif isinstance(node, ast.alias):
            written.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.arg):
            written.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            written.add(node.name)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            written.add(node.name)
    return read - written


def test_a_name_that_nobody_binds_is_found():
    assert find_unknown("import jaxvis\nx = jax.random.key(0)\n", set()) == {"jax"}
    assert find_unknown("from a import b as c\nf = lambda d: c(d)\nf(own)\n", {"own"}) == set()


def test_there_are_many_files_with_examples():
    assert len(FILES) > 50


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_define_what_they_use(path):
    unknown = {
        name: missing
        for name, program, known in find_examples(path)
        if (missing := find_unknown(program, known))
    }
    assert not unknown, f"these examples import too little: {unknown}"


SHOWN_TOGETHER = ("jaxvis.loss.views",)
"""Modules of many small words, whose own docstring has one example of all of them."""


def load(path):
    """Returns a file that is in no package as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def list_places():
    """Lists the names that the reference describes, such as "jaxvis.attacks.pgd.pgd"."""
    pages = "\n".join(load("docs/pages/reference_pages.py").make_pages().values())
    return re.findall(r"^::: (\S+)$", pages, re.MULTILINE)


def find_example(place):
    """Returns the program of a public name's example; "" for none."""
    value = pkgutil.resolve_name(place)
    if inspect.ismodule(value):  # a function that has the name of its file
        value = getattr(value, place.rpartition(".")[2])
    parse = doctest.DocTestParser().get_examples
    program = "".join(one.source for one in parse(inspect.getdoc(value) or ""))
    if not program and value.__module__ in SHOWN_TOGETHER:
        shared = parse(sys.modules[value.__module__].__doc__)
        program = "".join(
            one.source for one in shared if re.search(rf"\b{value.__name__}\(", one.source)
        )
    return program


def test_every_public_name_has_an_example():
    places = list_places()
    assert len(places) > 200 and "jaxvis.maximize" in places
    missing = [place for place in places if not find_example(place)]
    assert not missing, f"{len(missing)} public names have no example (>>>): {missing}"


def test_examples_that_need_a_package_are_known_where_they_are_run():
    known = load(".ci/docs.py").NEEDS
    assert all(pkgutil.resolve_name(name).__name__ == name.rpartition(".")[2] for name in known)
    assert all(find_example(name) for name in known)
