"""What every public function and class says of itself, and how long it may be.

Public is what has no leading underscore, in a module that has none. The source is read,
not imported, so that the names of annotations (`Image`, `Key`) count.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path for package in ("jaxvis", "weights_convert") for path in (ROOT / package).rglob("*.py")
)
FILE_LINES, FUNCTION_LINES = 300, 40
ARRAYS = {"Array", "ArrayLike", "Image", "ImageLike", "ndarray"}
"""Annotations of arrays that have a shape worth stating (`Key` has none)."""
ORDER = ("net", "params", "key", "image")
"""First arguments, wherever two of them are given by position."""
WORDS = {"key", "z", "image", "params", "taps", "shared", "learned", "state"}
"""Words of jaxvis.types, which methods need not explain again."""
BY_POSITION = ("main", "jit")
"""Names whose default may be given by position: an entry point's argv, and the function
that a decorator may be given at once."""


class Public(NamedTuple):
    """A public function, method or class and where it is."""

    where: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    method: bool

    @property
    def doc(self) -> str:
        return ast.get_docstring(self.node) or ""


def public_in(path: Path, body: list[ast.stmt], prefix: str) -> Iterator[Public]:
    """Yields the public functions and classes of a body, and the classes' methods."""
    for node in body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if node.name.startswith("_") or is_overload(node):
            continue
        where = f"{path.relative_to(ROOT)}:{node.lineno} {prefix}{node.name}"
        yield Public(where, node, bool(prefix))
        if isinstance(node, ast.ClassDef):
            yield from public_in(path, node.body, f"{node.name}.")


def is_overload(node: ast.AST) -> bool:
    """Says whether a function only types another of its name, which describes both."""
    decorators = getattr(node, "decorator_list", [])
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in decorators)


def everything() -> list[Public]:
    return [
        found
        for path in FILES
        if not any(part.startswith("_") for part in path.stem.split("__") if part)
        for found in public_in(path, ast.parse(path.read_text()).body, "")
    ]


EVERYTHING = everything()
FUNCTIONS = [one for one in EVERYTHING if not isinstance(one.node, ast.ClassDef)]


def parameters(one: Public) -> tuple[list[ast.arg], list[ast.arg]]:
    """Returns the parameters by position and by keyword, without self and cls."""
    arguments = one.node.args
    by_position = [*arguments.posonlyargs, *arguments.args]
    if one.method and by_position and by_position[0].arg in ("self", "cls"):
        by_position = by_position[1:]
    return by_position, arguments.kwonlyargs


def section(doc: str, name: str) -> str:
    """Returns the indented text under `name:` in a docstring."""
    found = re.search(rf"^{name}:\n((?:[ \t]+[^\n]*\n?|\n)*)", doc, re.MULTILINE)
    return found[1] if found else ""


def names_in(annotation: ast.expr | None) -> set[str]:
    """Returns every name in an annotation: {"Array", "None"}."""
    if annotation is None:
        return set()
    nodes = [*ast.walk(annotation)]
    text = [n.value for n in nodes if isinstance(n, ast.Constant)]
    words = {w for t in text if isinstance(t, str) for w in re.findall(r"\w+", t)}
    words |= {n.id for n in nodes if isinstance(n, ast.Name)}
    return words | {n.attr for n in nodes if isinstance(n, ast.Attribute)}


def report(offenders: list[str], rule: str) -> None:
    listed = "\n  ".join(offenders)
    assert not offenders, f"{len(offenders)} break the rule: {rule}\n  {listed}"


def test_every_package_was_read():
    assert len(FILES) > 10 and len(FUNCTIONS) > 30
    assert any("jaxvis/types.py" in one.where for one in EVERYTHING)


def test_everything_public_has_a_docstring():
    report([one.where for one in EVERYTHING if len(one.doc) < 10], "has a docstring")


def test_options_are_keyword_only():
    offenders = []
    for one in FUNCTIONS:
        by_position, _ = parameters(one)
        defaults = len(one.node.args.defaults)
        optional = by_position[-defaults:] if defaults else []
        offenders += [
            f"{one.where}: {option.arg}"
            for option in optional
            # What an attack is given: images and their labels, as everywhere in that field.
            if one.node.name not in BY_POSITION and option.arg != "labels"
        ]
    report(offenders, "a parameter with a default is keyword-only (after *)")


def test_every_argument_is_described():
    offenders = []
    for one in FUNCTIONS:
        text = section(one.doc, "Args")
        heads = re.findall(r"^[ \t]+\**([\w, *]+)(?: \([^)]*\))?:", text, re.MULTILINE)
        known = {name.strip(" *") for head in heads for name in head.split(",")}
        known |= set(re.findall(r"`(\w+)`", one.doc)) | (WORDS if one.method else set())
        by_position, by_keyword = parameters(one)
        extra = [one.node.args.vararg, one.node.args.kwarg]
        given = [*by_position, *by_keyword, *filter(None, extra)]
        # Shared flags describe themselves, in the docstrings of their fields.
        given = [a for a in given if not {n for n in names_in(a.annotation) if n.endswith("Flags")}]
        missing = [a.arg for a in given if a.arg not in known and a.arg[0] != "_"]
        if missing:
            offenders.append(f"{one.where}: {', '.join(missing)}")
    report(offenders, "every parameter is in the Args section, or named in `backticks`")


def is_property(one: Public) -> bool:
    """Says whether a method is a property, whose docstring is a noun."""
    decorators = {name for node in one.node.decorator_list for name in names_in(node)}
    return not {"property", "cached_property"}.isdisjoint(decorators)


def test_a_functions_docstring_begins_with_a_verb():
    offenders = [
        f"{one.where}: {one.doc.split()[0]}"
        for one in FUNCTIONS
        if not is_property(one) and not re.match(r"[A-Z][a-z]+s\b", one.doc)
    ]
    report(offenders, "a function's docstring says what it does: 'Computes...', 'Gives...'")


def test_a_class_docstring_is_a_noun():
    offenders = [
        one.where
        for one in EVERYTHING
        if isinstance(one.node, ast.ClassDef) and re.match("Returns|Gives|Makes", one.doc)
    ]
    report(offenders, "a class's docstring says what it is: 'A network that...'")


IRREGULAR = (
    "begun broken built chosen drawn found given heard held hidden known kept left lost made "
    "said seen shown spoken sent taken told written"
)
PAST = re.compile(rf"^(\w{{2,}}ed|{'|'.join(IRREGULAR.split())})$")
NOT_PAST = {"embed", "feed", "need", "seed", "speed"}
NAMES_OF_THEIR_OWN = {
    "certified_accuracy",
    "clipped_sgd",
    "expected_gradients",
    "guided",
    "guided_backpropagation",
    "guided_grad_cam",
    "integrated_gradients",
    "normalized_sgd",
}
"""Optimizers and heatmaps, which the field calls so."""


def is_participle(name: str) -> bool:
    """Says whether a function's name begins with a past participle, or is one."""
    first = name.strip("_").split("_")[0]
    return bool(PAST.match(first)) and first not in NOT_PAST and name not in NAMES_OF_THEIR_OWN


def test_functions_are_verbs():
    offenders = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and not any("property" in names_in(one) for one in node.decorator_list)
        and is_participle(node.name)
    ]
    report(offenders, "a function's name says what it does, not what was done")


def test_every_public_signature_is_annotated():
    offenders = []
    for one in FUNCTIONS:
        by_position, by_keyword = parameters(one)
        bare = [a.arg for a in [*by_position, *by_keyword] if a.annotation is None]
        if bare or one.node.returns is None:
            offenders.append(f"{one.where}: {', '.join(bare) or 'its return'}")
    report(offenders, "parameters and return are annotated")


def test_shapes_of_arrays_are_said():
    offenders = []
    for one in FUNCTIONS:
        by_position, by_keyword = parameters(one)
        hints = [a.annotation for a in [*by_position, *by_keyword]] + [one.node.returns]
        arrays = [hint for hint in hints if names_in(hint) & ARRAYS]
        if arrays and not re.search(r"\[[^\]]*\]|shape|scalar", one.doc):
            offenders.append(one.where)
    report(offenders, "the docstring of what takes or returns arrays states shapes")


def test_errors_that_are_raised_are_said():
    offenders = []
    for one in FUNCTIONS:
        inner = [
            child
            for node in ast.walk(one.node)
            if isinstance(node, (ast.FunctionDef, ast.Lambda)) and node is not one.node
            for child in ast.walk(node)
        ]
        raised = {
            name
            for node in ast.walk(one.node)
            if isinstance(node, ast.Raise) and node not in inner and isinstance(node.exc, ast.Call)
            for name in names_in(node.exc.func)
        }
        text = section(one.doc, "Raises")
        missing = [n for n in raised if n.endswith("Error") and n not in text]
        # A subclass may be announced by its parent.
        if missing and not ("OSError" in text and all(n in OS for n in missing)):
            offenders.append(f"{one.where}: {', '.join(sorted(missing))}")
    report(offenders, "the docstring's Raises section names what is raised")


OS = {
    "FileNotFoundError",
    "FileExistsError",
    "PermissionError",
    "TimeoutError",
    "ConnectionError",
    "IsADirectoryError",
}


def test_first_arguments_come_in_one_order():
    offenders = []
    for one in FUNCTIONS:
        names = [a.arg for a in parameters(one)[0] if a.arg in ORDER]
        if names != sorted(names, key=ORDER.index):
            offenders.append(f"{one.where}: {', '.join(names)}")
    report(offenders, f"by position, {', '.join(ORDER)} come in this order")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_short_and_says_what_it_is(path):
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= FILE_LINES, f"{lines} lines, {FILE_LINES} are allowed: split it"
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "the module has no docstring"


def test_functions_are_short():
    offenders = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            has_doc = ast.get_docstring(node) is not None
            body = node.body[1:] if has_doc else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if lines > FUNCTION_LINES:
                where = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                offenders.append(f"{where}: {lines} lines")
    report(offenders, f"a function's body has at most {FUNCTION_LINES} lines")


def test_only_commands_print():
    offenders = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if "cli" not in path.parts and path.stem not in ("__main__", "command")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and names_in(node.func) == {"print"}
    ]
    report(offenders, "the library does not print; commands do")


def test_nothing_is_left_to_do():
    word = re.compile(r"\b(TODO|FIXME|XXX)\b")
    offenders = [
        f"{path.relative_to(ROOT)}:{i}"
        for path in FILES
        for i, line in enumerate(path.read_text().splitlines(), 1)
        if word.search(line)
    ]
    report(offenders, "nothing is left to do")
