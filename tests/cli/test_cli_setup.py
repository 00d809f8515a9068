"""The compilation cache: on in commands, off on import, never an error."""

import os
import subprocess
import sys

import jax
import pytest

from jaxvis.cli import _setup

PROGRAM = """
import jax, jax.numpy as jnp
import jaxvis, jaxvis.cli._setup as setup
print(jax.config.jax_compilation_cache_dir)
setup.SECONDS = 0
setup.enable_compilation_cache()
jax.jit(lambda x: jnp.linalg.svd(x @ x.T)[0])(jnp.ones((60, 60)))
"""


@pytest.fixture
def settings(monkeypatch):
    """Returns the list that settings made in the test land in, JAX's own untouched."""
    made = []
    assert jax.config.jax_compilation_cache_dir is None
    monkeypatch.setattr(jax.config, "update", lambda *pair: made.append(pair))
    return made


@pytest.mark.slow
def test_commands_keep_compiled_programs_and_imports_keep_none(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX")}
    env |= {"JAXVIS_HOME": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.stdout == "None\n" and done.returncode == 0, done.stderr
    assert list(tmp_path.glob("xla/*-cache"))


def test_the_folder_is_in_jaxvis_home(tmp_path, monkeypatch, settings):
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    _setup.enable_compilation_cache()
    folder = tmp_path / "home" / "xla"
    assert folder.is_dir()
    assert ("jax_compilation_cache_dir", str(folder)) in settings


def test_the_users_own_folder_wins(tmp_path, monkeypatch, settings):
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    jax.config.__class__.update(jax.config, "jax_compilation_cache_dir", str(tmp_path))
    try:
        _setup.enable_compilation_cache()
    finally:
        jax.config.__class__.update(jax.config, "jax_compilation_cache_dir", None)
    assert settings == [] and not (tmp_path / "home").exists()


@pytest.mark.parametrize("below", ["", "/below"])
def test_a_home_that_cannot_be_made_is_no_error(tmp_path, monkeypatch, settings, below):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "file") + below)
    _setup.enable_compilation_cache()
    assert settings == []
