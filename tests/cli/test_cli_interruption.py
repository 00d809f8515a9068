"""SIGTERM ends a command as Ctrl-C does."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from jaxvis import cli
from jaxvis.cli import COMMANDS, main
from jaxvis.cli.interruption import treat_sigterm_as_ctrl_c


def pretend(monkeypatch, behaviour):
    """Makes `jaxvis wait` a command that does `behaviour`."""

    def wait() -> None:
        """Waits for a signal."""
        behaviour()

    module = type(sys)("jaxvis.cli.wait")
    module.wait = wait
    monkeypatch.setitem(sys.modules, "jaxvis.cli.wait", module)
    monkeypatch.setitem(COMMANDS, "wait", "wait.wait")
    monkeypatch.setattr(cli, "summary", lambda name: "Waits.")
    monkeypatch.setattr("jaxvis.cli._setup.prepare_process", lambda: None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_told_to_stop_exits_130(number, monkeypatch, capsys):
    pretend(monkeypatch, lambda: signal.raise_signal(number))
    before = signal.getsignal(number)
    assert main(["wait"]) == 130
    assert signal.getsignal(number) is before
    assert capsys.readouterr().err == "jaxvis: interrupted\n"


def test_an_interrupt_that_jax_made_an_error_of_is_one(monkeypatch, capsys):
    def compare():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("Exception raised while checking equality") from None

    pretend(monkeypatch, compare)
    assert main(["wait"]) == 130
    assert capsys.readouterr().err == "jaxvis: interrupted\n"


def test_an_interrupt_where_errors_are_forgotten_comes_again(monkeypatch):
    def _xla_gc_callback():
        signal.raise_signal(signal.SIGTERM)

    def wait():
        _xla_gc_callback()
        for _ in range(500):
            time.sleep(0.01)
        raise AssertionError("nothing came")

    pretend(monkeypatch, wait)
    assert main(["wait"]) == 130


def test_a_process_that_ignores_sigterm_goes_on_to_ignore_it():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with treat_sigterm_as_ctrl_c():
            signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_changes_no_handler():
    before, found = signal.getsignal(signal.SIGTERM), []

    def work():
        with treat_sigterm_as_ctrl_c():
            found.append(signal.getsignal(signal.SIGTERM) is before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True]


PROGRAM = """
import threading
import jax, jax.numpy as jnp
from jaxvis import cli

def compile_for_long():
    x = jnp.ones((64, 64))
    long = lambda x: [x := jnp.tanh(jnp.sort(x @ x + i)) for i in range(400)][-1]
    jax.jit(long).lower(x).compile()

def main():
    threading.Thread(target=compile_for_long, daemon=True).start()
    return cli.INTERRUPTED

cli.main = main
cli.run_process()
"""


def test_a_process_that_is_told_to_stop_while_it_compiles_ends_with_130():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, timeout=120)
    assert done.returncode == 130, done.stderr


def test_other_exit_codes_end_the_process_as_usual(monkeypatch):
    monkeypatch.setattr(cli, "main", lambda: 2)
    with pytest.raises(SystemExit) as stop:
        cli.run_process()
    assert stop.value.code == 2
