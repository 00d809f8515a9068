"""The compilation cache: on in commands, off on import, never an error."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import jax, jax.numpy as jnp
{start}
print(jax.config.jax_compilation_cache_dir)
jax.jit(lambda x: jnp.linalg.svd(x @ x.T)[0])(jnp.ones((60, 60)))
"""
ENABLE = (
    "import jaxvis.cli._setup as setup; setup.SECONDS = 0\n"
    "setup.enable_compilation_cache()"
)


def run(start: str, **env: str) -> subprocess.CompletedProcess:
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX")} | env
    command = [sys.executable, "-c", PROGRAM.format(start=start)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def test_commands_keep_compiled_programs_in_jaxvis_home(tmp_path):
    first = run(ENABLE, JAXVIS_HOME=str(tmp_path))
    assert first.stdout.strip() == str(tmp_path / "xla")
    kept = sorted(tmp_path.glob("xla/*-cache"))
    assert kept, first.stderr
    second = run(ENABLE, JAXVIS_HOME=str(tmp_path))
    assert sorted(tmp_path.glob("xla/*-cache")) == kept
    assert second.returncode == 0 and second.stderr == first.stderr


def test_importing_jaxvis_turns_no_cache_on(tmp_path):
    done = run("import jaxvis, jaxvis.cli", JAXVIS_HOME=str(tmp_path))
    assert done.stdout.strip() == "None" and not list(tmp_path.iterdir())


def test_the_users_own_setting_wins(tmp_path):
    own = str(tmp_path / "own")
    home = str(tmp_path / "home")
    done = run(ENABLE, JAXVIS_HOME=home, JAX_COMPILATION_CACHE_DIR=own)
    assert done.stdout.strip() == own
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("blocked", ["", "/below"])
def test_a_home_that_cannot_be_made_is_no_error(tmp_path, blocked):
    (tmp_path / "file").write_text("in the way")
    done = run(ENABLE, JAXVIS_HOME=str(tmp_path / "file") + blocked)
    assert done.returncode == 0 and done.stdout.strip() == "None"
