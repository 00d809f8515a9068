"""Who may import what, beyond the layers that import-linter knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path for package in ("jaxvis", "weights_convert") for path in (ROOT / package).rglob("*.py")
)
ONLY = {
    "PIL": {f"jaxvis/output/{name}.py" for name in ("io", "decode", "encode", "resample", "text")}
    | {"jaxvis/display.py", "jaxvis/defences/filters/jpeg_file.py"},
    "matplotlib": {"jaxvis/output/plot.py", "jaxvis/output/comparisons.py"},
}
"""Package -> the files that may import it."""
TESTS_ONLY = {"torch", "torchvision", "skimage", "pytest", "hypothesis", "tests", "benchmarks"}


def imported(path: Path) -> set[str]:
    """Returns the top-level packages that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", ONLY)
def test_a_package_with_one_door_is_imported_there_alone(package):
    users = {str(p.relative_to(ROOT)) for p in FILES if package in imported(p)}
    assert users <= ONLY[package], f"{package} is imported by {users - ONLY[package]}"


COMPILING = {"jaxvis/compiler.py", "jaxvis/methods/fast_style/export.py"}
"""Files that may call jax.jit or jax.pmap: the one door, and what jax.export compiles."""


def test_every_program_goes_through_the_one_compiler():
    users = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("jit", "pmap"):
                if isinstance(node.value, ast.Name) and node.value.id == "jax":
                    users.add(str(path.relative_to(ROOT)))
    assert users == COMPILING


def test_the_library_imports_nothing_of_the_tests():
    for path in FILES:
        assert not imported(path) & TESTS_ONLY, path


def test_the_import_contracts_are_kept():
    # In a process of its own: the linter keeps hold of the terminal it starts with.
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: " in done.stdout


def test_imports_are_absolute():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path
