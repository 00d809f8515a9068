"""The names of JAX that may go: where they are, and what is said when one is missing."""

import ast
import importlib
import re
import sys
import tomllib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis import jax_internals

ROOT = Path(__file__).resolve().parents[1]
PRIVATE = re.compile(r"jax\.(experimental|extend|core|interpreters|_src)\b")


def names_of_jax(path):
    """Returns the modules of JAX that a file imports or reads an attribute of."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def test_no_other_file_uses_private_or_experimental_names():
    for package in ("jaxvis", "weights_convert"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "jax_internals.py":
                assert not [name for name in names_of_jax(path) if PRIVATE.match(name)], path


def test_a_version_without_a_name_is_refused_with_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax.experimental.xla_metadata", None)
    monkeypatch.setattr(jax, "__version__", "0.99.0")
    monkeypatch.delitem(sys.modules, "jaxvis.jax_internals")
    with pytest.raises(ImportError) as caught:
        importlib.import_module("jaxvis.jax_internals")
    words = str(caught.value)
    assert f"works with JAX {jax_internals.TESTED}, and this is JAX 0.99.0" in words
    assert f"pip install 'jax{jax_internals.TESTED}'" in words


def test_the_versions_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in ("jax", "jaxlib"):
        assert f"{name}{jax_internals.TESTED}" in project["dependencies"]


def test_what_is_traced_is_told_from_what_is_not():
    assert not jax_internals.is_traced(jnp.ones(2)) and not jax_internals.is_traced(np.ones(2))
    seen = []
    jax.eval_shape(lambda x: seen.append(jax_internals.is_traced(x)), jnp.ones(2))
    assert seen == [True]
