"""What several comparisons with torch, torchvision and foolbox need."""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import types
from pathlib import Path

import pytest

# Whichever package imports Keras first, it computes with JAX, as `jaxvis.from_keras` needs.
os.environ["KERAS_BACKEND"] = "jax"

OPERATORS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
"""Operators of torchvision's compiled extension, without which it cannot be imported."""


@pytest.fixture(scope="session")
def models():
    """Returns torchvision.models, or skips where torch or torchvision is missing."""
    torch = pytest.importorskip("torch")
    package = importlib.util.find_spec("torchvision")
    if package is None:
        pytest.skip("torchvision is not installed")
    # Kept as long as the models are: the operators go with it.
    operators = None
    if not _load_extension(torch, Path(package.origin).parent):
        operators = _declare_operators()
    yield importlib.import_module("torchvision").models
    del operators


@pytest.fixture(scope="session")
def foolbox():
    """Returns foolbox, or skips. It asks for Git's package, for data that nobody fetches here."""
    if "git" not in sys.modules:
        git = types.ModuleType("git")
        git.Repo, git.exc = None, types.ModuleType("git.exc")
        git.exc.GitCommandError = OSError
        sys.modules |= {"git": git, "git.exc": git.exc}
    return pytest.importorskip("foolbox")


def _load_extension(torch, folder):
    """Loads torchvision's extension; returns whether that was possible.

    The wheel of the package index is linked against CUDA, so it cannot be loaded beside
    a torch for CPUs.
    """
    for suffix in (*importlib.machinery.EXTENSION_SUFFIXES, ".so", ".pyd"):
        path = folder / f"_C{suffix}"
        if path.exists():
            try:
                torch.ops.load_library(str(path))
            except OSError:
                return False
            return True
    return False


def _declare_operators():
    """Declares the operators, without any code: the networks do not call them."""
    from torch import library  # torch is there: the caller has looked for it

    operators = library.Library("torchvision", "FRAGMENT")
    for schema in OPERATORS.values():
        operators.define(schema)
    return operators
