"""The examples of docstrings use only names that they define: a reader can paste them."""

import ast
import builtins
import doctest
import inspect
from pathlib import Path

import pytest

import jaxvis

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


@pytest.mark.parametrize(
    "name", [*jaxvis.__all__, *(f"attacks.{name}" for name in jaxvis.attacks.__all__)]
)
def test_every_public_name_has_an_example(name):
    found = jaxvis
    for part in name.split("."):
        found = getattr(found, part)
    things = [found]
    if inspect.ismodule(found):
        things = [vars(found)[each] for each in getattr(found, "__all__", ())]
    lacking = [
        each.__name__
        for each in things
        if inspect.isclass(each) or inspect.isfunction(each)
        if ">>>" not in (each.__doc__ or "")
    ]
    assert not lacking, f"these have no example: {', '.join(lacking)}"
