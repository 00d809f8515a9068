"""Whoever asks for it is told how many programs a command compiled, and found compiled."""

import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import pytest
from jax import monitoring

from jaxvis.cli.programs import FOUND, READY, report_programs

PROGRAM = """
import jax, jax.numpy as jnp
from jaxvis.cli import _setup
from jaxvis.cli.programs import report_programs
_setup.SECONDS = 0
_setup.enable_compilation_cache()
with report_programs():
    jax.jit(lambda x: jnp.linalg.svd(x @ x.T)[0]).lower(jnp.ones((60, 60))).compile()
"""


def finish(seconds, *, of_cache=False):
    """Says what JAX says when a program is ready."""
    if of_cache:
        monitoring.record_event(FOUND)
    monitoring.record_event_duration_secs(READY, seconds, fun_name="step")


def test_what_was_compiled_and_what_was_found_are_counted_apart(monkeypatch, capsys):
    monkeypatch.setenv("JAXVIS_DEBUG", "1")
    with report_programs():
        finish(2.0)
        finish(0.5, of_cache=True)
        finish(1.5)
        monitoring.record_event("/another/event")
        monitoring.record_event_duration_secs("/another/duration", 100.0)
    said = "jaxvis: 2 programs compiled in 3.5 s, 1 found in the cache in 0.5 s\n"
    assert capsys.readouterr().err == said
    finish(9.0)
    assert capsys.readouterr().err == ""


def test_a_program_of_another_thread_is_its_own(monkeypatch, capsys):
    monkeypatch.setenv("JAXVIS_DEBUG", "1")
    with report_programs():
        monitoring.record_event(FOUND)
        other = threading.Thread(target=finish, args=(3.0,))
        other.start()
        other.join()
        finish(0.0)
    assert "1 program compiled in 3.0 s, 1 found" in capsys.readouterr().err


def test_jax_announces_what_it_compiles(monkeypatch, capsys):
    monkeypatch.setenv("JAXVIS_DEBUG", "1")
    x = jnp.ones(3)
    with pytest.raises(ValueError, match="of the command"), report_programs():
        jax.jit(lambda x: x * 3.25 + 1).lower(x).compile()
        raise ValueError("of the command")
    assert "jaxvis: 1 program compiled in " in capsys.readouterr().err


def test_nothing_is_said_to_those_who_did_not_ask(monkeypatch, capsys):
    monkeypatch.delenv("JAXVIS_DEBUG", raising=False)
    with report_programs():
        finish(2.0)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_second_run_finds_what_the_first_one_compiled(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX")}
    env |= {"JAXVIS_HOME": str(tmp_path), "JAXVIS_DEBUG": "1"}
    command = [sys.executable, "-c", PROGRAM]
    said = [subprocess.run(command, env=env, capture_output=True, text=True) for _ in range(2)]
    assert ", 0 found in the cache" in said[0].stderr
    assert "jaxvis: 0 programs compiled" in said[1].stderr
