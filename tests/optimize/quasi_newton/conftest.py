"""A fixture that every test of L-BFGS uses."""

import pytest

from jaxvis.optimize import stepping


@pytest.fixture(autouse=True)
def whole_batches(monkeypatch):
    """Compiles no program for what is left of a batch: other tests are about that."""
    monkeypatch.setattr(stepping, "SHRINK", 10**6)
