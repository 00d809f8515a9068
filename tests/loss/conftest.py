"""Compiled programs are dropped after every file: a worker's memory stays small."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def _drop_programs():
    yield
    jax.clear_caches()
