"""A place to run commands in."""

import pytest


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Runs in an empty folder, with a cache of its own."""
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"
