"""A command's signature, read from its file without importing what the command needs.

Help and mistakes in flags come at once this way: importing a command imports JAX and the
methods behind it, which takes seconds. Of the file only those statements are run that the
signature needs. A default that belongs to a method, `default_of(method, "steps")`, is read
in the method's own file.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
LIGHT = (
    "jaxvis.cli.choices",
    "jaxvis.cli.drawing_flags",
    "jaxvis.cli.flags",
    "jaxvis.cli.maximize_flags",
    "jaxvis.cli.style_flags",
    "jaxvis.cli.sweep_flags",
    "jaxvis.cli.target_flags",
)
"""Modules of jaxvis that signatures may import: they import neither JAX nor NumPy."""


def read_outline(place: str) -> Callable[..., Any] | None:
    """Reads the outline of a command: a function with its signature that does nothing.

    Args:
      place: file and function in this folder, such as "maximize.sweep".

    Returns:
      The function; None where the signature needs what only an import can give.
    """
    file, name = place.rsplit(".", 1)
    try:
        return _Source(f"jaxvis.cli.{file}").outline(name)
    except (OSError, LookupError, NameError):
        return None


class _Source:
    """The source of a module of jaxvis: its statements, by the names that they bind."""

    def __init__(self, module: str) -> None:
        self.module = module
        path = PACKAGE.joinpath(*module.split(".")[1:])
        self.path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        tree = ast.parse(self.path.read_text(encoding="utf-8"))
        self.statements = {name: one for one in tree.body for name in _list_names(one)}

    def outline(self, name: str) -> Callable[..., Any]:
        """Makes a function of the module anew, of its signature and docstring alone."""
        function = self.statements[name]
        if not isinstance(function, ast.FunctionDef):
            raise LookupError(name)
        words = ast.Constant(ast.get_docstring(function, clean=False))
        function.body, function.decorator_list = [ast.Expr(words)], []
        module = ast.Module([*self.gather(function), function], type_ignores=[])
        names: dict[str, Any] = {"__name__": self.module}
        exec(compile(ast.fix_missing_locations(module), str(self.path), "exec"), names)
        made: Callable[..., Any] = names[name]
        return made

    def gather(self, node: ast.AST) -> list[ast.stmt]:
        """Gathers the statements that a node needs, defaults of methods filled in."""
        found: list[ast.stmt] = []
        pending = [node]
        while pending:
            node = _Defaults(self).visit(pending.pop())
            for one in ast.walk(node):
                statement = self.statements.get(one.id) if isinstance(one, ast.Name) else None
                if statement is not None and statement not in found:
                    _refuse_heavy(statement)
                    found.append(statement)
                    pending.append(statement)
        return sorted(found, key=lambda statement: statement.lineno)

    def find_default(self, name: str, option: str) -> ast.expr:
        """Finds the default of an option of a function or a dataclass, as a literal."""
        statement = self.statements.get(name)
        if isinstance(statement, ast.ImportFrom):
            source = _Source(_check_own(statement.module))
            return source.find_default(_find_original(statement, name), option)
        if isinstance(statement, ast.FunctionDef):
            defaults = dict(_list_defaults(statement.args))
        elif isinstance(statement, ast.ClassDef):
            defaults = dict(_list_fields(statement))
        else:
            raise LookupError(name)
        return self._read_literal(defaults.get(option))

    def _read_literal(self, value: ast.expr | None) -> ast.expr:
        """Returns a value that is a literal, or a constant of the module that is one."""
        if isinstance(value, ast.Name):
            statement = self.statements.get(value.id)
            value = statement.value if isinstance(statement, ast.Assign) else None
        if value is None:
            raise LookupError
        try:
            ast.literal_eval(value)
        except ValueError as error:
            raise LookupError from error
        return value


class _Defaults(ast.NodeTransformer):
    """Puts the values in the places of calls of `jaxvis.cli.flags.default_of`."""

    def __init__(self, source: _Source) -> None:
        self.source = source

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(ast.Name("default_of"), [ast.Name(name), ast.Constant(str(option))], []):
                return ast.copy_location(self.source.find_default(name, option), node)
        return self.generic_visit(node)


def _list_names(statement: ast.stmt) -> Iterator[str]:
    """Lists the names that a statement at the top of a module binds."""
    match statement:
        case ast.Import(names) | ast.ImportFrom(names=names):
            yield from (one.asname or one.name for one in names)
        case ast.FunctionDef(name) | ast.ClassDef(name):
            yield name
        case ast.Assign(targets):
            for target in targets:
                yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))


def _list_defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    """Lists the parameters of a function that have defaults, with these."""
    by_position = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(by_position), reversed(arguments.defaults))]
    for parameter, value in [*pairs, *zip(arguments.kwonlyargs, arguments.kw_defaults)]:
        if value is not None:
            yield parameter.arg, value


def _list_fields(kind: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Lists the fields of a dataclass that have defaults, with these."""
    for one in kind.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value:
            yield one.target.id, one.value


def _find_original(statement: ast.ImportFrom, name: str) -> str:
    """Finds what an imported name is called where it comes from."""
    return next(one.name for one in statement.names if (one.asname or one.name) == name)


def _check_own(module: str | None) -> str:
    """Returns the name of a module of jaxvis; others are not read."""
    if module is None or not module.startswith("jaxvis."):
        raise LookupError(module)
    return module


def _refuse_heavy(statement: ast.stmt) -> None:
    """Refuses a statement that imports more than it may, or that is no constant."""
    match statement:
        case ast.Assign():
            return
        case ast.ImportFrom(module=str(module)):
            if module in LIGHT or module.split(".")[0] in sys.stdlib_module_names:
                return
    raise LookupError
