"""Fixtures for all tests: where the real data is, one random key, a bound on memory."""

import ctypes
import gc
import os
import sys
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("JAXVIS_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture
def key():
    """Returns one fixed random key."""
    return jax.random.key(0)


@pytest.fixture(scope="session")
def data_file():
    """Returns a function from a path inside the data folder to the file, or skips."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"needs {name} under {DATA} (JAXVIS_TEST_DATA), not here")
        return path

    return find


@pytest.fixture(autouse=True, scope="module")
def drop_programs():
    """Drops compiled programs after every file, so that a worker's memory stays small."""
    yield
    jax.clear_caches()
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # hands freed memory back to the system
