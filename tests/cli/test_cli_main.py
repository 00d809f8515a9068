"""The command line's frame: what it lists, how it fails, which code it returns."""

import io
import os
import subprocess
import sys

import pytest

from jaxvis import __version__, cli
from jaxvis.cli import COMMANDS, main, summary


def pretend(monkeypatch, behaviour):
    """Makes `jaxvis pretend NET --size N` a command that does `behaviour`."""

    def pretend(net: str, /, *, size: int = 3, weights: str | None = None) -> int | None:
        """Pretends to work.

        Args:
          net: the network's name.
          size: in pixels.
          weights: a converted file, whose name is long enough to need
            two lines.
        """
        return behaviour(net, size, weights)

    module = type(sys)("jaxvis.cli.pretend")
    module.pretend = pretend
    monkeypatch.setitem(sys.modules, "jaxvis.cli.pretend", module)
    monkeypatch.setitem(COMMANDS, "pretend", "pretend.pretend")
    monkeypatch.setattr(cli, "summary", lambda name: "Pretends to work.")


def fail_with(error):
    def behaviour(*_):
        raise error

    return behaviour


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Leaves JAX's settings alone: other tests run in this process."""
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)
    monkeypatch.delenv("JAXVIS_DEBUG", raising=False)


def test_help_lists_every_command_with_its_first_line(capsys):
    assert main(["--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    for name in COMMANDS:
        assert f"• {name} " in words
        assert len(summary(name)) > 10 and summary(name).endswith(".")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_its_flags(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert f"usage: jaxvis {name}" in out
    assert " ".join(summary(name).split())[:40] in " ".join(out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    assert f"For example: jaxvis {name}" in " ".join(capsys.readouterr().out.split())


def test_a_signature_is_its_flags(monkeypatch, capsys):
    seen = []
    pretend(monkeypatch, lambda *given: seen.append(given))
    assert main(["pretend", "vgg19", "--size", "8", "--weights", "a.b"]) == 0
    assert main(["pretend", "vgg19"]) == 0
    assert seen == [("vgg19", 8, "a.b"), ("vgg19", 3, None)]
    assert main(["pretend", "--help"]) == 0
    out = capsys.readouterr().out
    assert "NET" in out and "the network's name." in out and "--size INT" in out
    assert "--weights STR  a converted file, whose name is long enough to need" in out
    assert "None" not in out and "--no-" not in out


def test_an_error_in_a_flags_value_names_the_flag(monkeypatch, capsys):
    pretend(monkeypatch, lambda *given: None)
    assert main(["pretend", "vgg19", "--size", "large"]) == 2
    assert "--size" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["no-such-command"],
        ["pretend"],
        ["pretend", "vgg19", "--sizes", "3"],
        ["pretend", "vgg19", "--size", "large"],
        ["--no-such-flag"],
    ],
    ids=" ".join,
)
def test_a_usage_error_exits_2_and_says_how_to_get_help(words, monkeypatch, capsys):
    pretend(monkeypatch, fail_with(AssertionError("it ran")))
    assert main(words) == 2
    out = capsys.readouterr()
    assert "--help" in out.err and "Traceback" not in out.err + out.out


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("tap 'x' is\nnot one of:\n  a\n  b"), "tap 'x' is not one of: a b"),
        (FileNotFoundError("get it with: jaxvis weights get"), "get it with: jaxvis"),
        (
            FileNotFoundError(2, "No such file or directory", "a.png"),
            "a.png: No such file or directory",
        ),
        (PermissionError(13, "Permission denied", "out"), "out: Permission denied"),
        (OSError("odd"), "odd"),
        (ValueError(), "ValueError"),
        (MemoryError(), "out of memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"), "out of memory"),
        (
            RuntimeError("Unable to initialize backend 'abacus': none\nframes"),
            "Unable to initialize backend 'abacus': none",
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_mistake_is_one_line_and_exits_2(error, line, monkeypatch, capsys):
    pretend(monkeypatch, fail_with(error))
    assert main(["pretend", "vgg19"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"jaxvis: error: {line}") and err.count("\n") == 1


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    pretend(monkeypatch, fail_with(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        main(["pretend", "vgg19"])


def test_debug_keeps_every_traceback(monkeypatch):
    pretend(monkeypatch, fail_with(ValueError("a mistake")))
    monkeypatch.setenv("JAXVIS_DEBUG", "1")
    with pytest.raises(ValueError, match="a mistake"):
        main(["pretend", "vgg19"])


def test_an_interrupt_exits_130_with_a_word(monkeypatch, capsys):
    pretend(monkeypatch, fail_with(KeyboardInterrupt()))
    assert main(["pretend", "vgg19"]) == 130
    assert capsys.readouterr().err == "jaxvis: interrupted\n"


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (3, 3), ("x", 0)])
def test_a_command_may_choose_its_exit_code(result, code, monkeypatch):
    pretend(monkeypatch, lambda *_: result)
    assert main(["pretend", "vgg19"]) == code


def test_a_terminal_that_cannot_print_a_name_still_means_success(monkeypatch):
    pretend(monkeypatch, lambda *_: print("été"))
    page = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(page, encoding="ascii"))
    assert main(["pretend", "vgg19"]) == 0
    assert page.getvalue() == b"\\xe9t\\xe9\n"


def test_a_group_of_commands_lists_its_own(monkeypatch, capsys):
    monkeypatch.setattr(cli, "COMMANDS", {**COMMANDS, "zoo list": "layers.layers"})
    assert main(["zoo", "--help"]) == 0
    out = capsys.readouterr().out
    assert "usage: jaxvis zoo" in out and "list" in out and "• layers" not in out
    assert main(["zoo", "feed"]) == 2


def test_the_module_runs_as_a_program_and_reports_the_mistake():
    command = [sys.executable, "-m", "jaxvis", "layers", "vgg20"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("jaxvis: error: ") and done.stderr.count("\n") == 1


def test_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxvis {__version__}\n"


def test_help_imports_no_command():
    code = (
        "import sys; from jaxvis.cli import COMMANDS, main; main(['--help']); "
        "files = {place.partition('.')[0] for place in COMMANDS.values()}; "
        "print([name for name in files if f'jaxvis.cli.{name}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.rstrip().endswith("[]"), done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "--version",
        "--help",
        "train --help",
        "maximize --help",
        "texture --help",
        "maximize demo --no-such-flag",
        "maximize demo --steps 0",
    ],
)
def test_help_and_mistakes_import_nothing_that_computes(words):
    code = "import sys; from jaxvis.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-c", code, *words.split()]
    modules = subprocess.run(command, capture_output=True, text=True).stdout.split()
    assert "jaxvis.cli" in modules
    heavy = ("jax", "jaxlib", "numpy", "flax", "optax", "PIL", "matplotlib", "filelock")
    assert not [name for name in modules if name.startswith("jaxvis.methods")]
    assert not set(heavy) & set(modules)


def test_a_reader_that_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "jaxvis", "layers", "vgg19"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
