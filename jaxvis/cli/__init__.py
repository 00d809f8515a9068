"""The command line: a name -> a function whose signature is its flags.

What a function takes by position is given by position; its keyword-only parameters are
the flags, named, typed and described by its signature and docstring. A command prints
what it did and raises ValueError or OSError for what the user can mend; `main` turns
these into one line and exit code 2 (JAXVIS_DEBUG=1 shows the traceback instead).
"""

import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jaxvis
from jaxvis.cli.interruption import treat_sigterm_as_ctrl_c
from jaxvis.cli.locking import hold_locks
from jaxvis.escape import escape_characters

COMMANDS = {
    "demo": "demo.demo",
    "layers": "layers.layers",
    "check": "check.check",
    "maximize": "maximize.maximize",
    "sweep": "maximize.sweep",
    "sweep run": "sweep_run.run",
    "sweep resume": "sweep_run.resume",
    "sweep status": "sweep_status.status",
    "sweep verify": "sweep_verify.verify",
    "sweep export": "sweep_export.export",
    "sweep merge": "sweep_merge.merge",
    "sweep manifest": "sweep_manifest.manifest",
    "sweep measure": "measure.measure",
    "site": "site.site",
    "serve": "serve.serve",
    "microscope": "microscope.microscope",
    "interpolate": "interpolate.interpolate",
    "vital": "vital.vital",
    "accentuate": "accentuate.accentuate",
    "invert": "preimage.invert",
    "caricature": "preimage.caricature",
    "dream": "dream.dream",
    "generate": "generate.generate",
    "facets": "facets.facets",
    "bias": "facets.bias",
    "classical-texture": "classical.classical_texture",
    "texture": "texture.texture",
    "style": "style.style",
    "stylize": "stylize.stylize",
    "augment": "stylize.augment",
    "export": "stylize.export",
    "train style": "train_style.style",
    "feature-maps": "feature_maps.feature_maps",
    "explain": "explain.explain",
    "saliency": "explain.saliency",
    "guided": "explain.guided",
    "cam": "explain.cam",
    "occlude": "explain.occlude",
    "compare": "compare.compare",
    "filters": "filters.filters",
    "activations": "activations.activations",
    "patches": "patches.patches",
    "neighbours": "neighbours.neighbours",
    "embed": "embed.embed",
    "concepts": "concepts.concepts",
    "atlas": "atlas.atlas",
    "attack": "attack.attack",
    "robustness": "robustness.robustness",
    "ranvgg stack": "ranvgg.stack",
    "ranvgg invert": "ranvgg_invert.invert",
    "train autoencoder": "train_autoencoder.autoencoder",
    "train robust": "train_robust.robust",
    "rerun": "rerun.rerun",
    "gallery": "gallery.gallery",
    "weights get": "weights.get",
    "weights list": "weights.show",
    "convert": "weights.convert",
}
"""Command -> file and function in this folder; imported only when it is called."""

INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM, as shells have it."""

ABOUT = """See what a convolutional network has learned.

`jaxvis COMMAND --help` lists a command's flags. JAXVIS_HOME is the folder for weights
and compiled programs (else the platform's cache folder); JAXVIS_TUNING is a file of
numbers that were measured on this machine (docs/devices.md); JAXVIS_DEBUG=1 shows the
traceback of an error, and at the end how many programs were compiled, and how many were
found in the cache; `jaxvis --version` prints the version."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Args:
      argv: the words after `jaxvis`; None takes the process's own.

    Returns:
      int: the exit code: 0; 1 where a picture failed or is dead; 2 for a mistake in the
      command line or in what it names, told in one line on stderr; 130 after Ctrl-C or
      SIGTERM.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before the command began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot print a file's name must not turn success into failure.
            stream.reconfigure(errors="backslashreplace")
    came: Callable[[], bool] = bool
    try:
        with treat_sigterm_as_ctrl_c() as came, hold_locks():
            result = _dispatch(list(sys.argv[1:] if argv is None else argv))
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except SystemExit as stop:  # tyro has said why
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        print("jaxvis: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter's last flush would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, MemoryError, RuntimeError) as error:
        if came():
            print("jaxvis: interrupted", file=sys.stderr)
            return INTERRUPTED
        line = _describe_error(error)
        if os.environ.get("JAXVIS_DEBUG") or line is None:
            raise
        print(f"jaxvis: error: {escape_characters(line)}", file=sys.stderr)
        return 2


def run_process() -> NoReturn:
    """Runs the command line of this process, and ends the process.

    Raises:
      SystemExit: with the exit code.
    """
    code = main()
    if code != INTERRUPTED:
        sys.exit(code)
    # A program may be compiling in another thread, and would crash while Python ends.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _describe_error(error: Exception) -> str | None:
    """Gives an error as one line, or None if it is a fault of the program."""
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "out of memory: ask for fewer at once (--chunk) or a smaller image"
    if isinstance(error, RuntimeError):
        known = str(error).startswith("Unable to initialize backend")
        return f"{error}".splitlines()[0] if known else None
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def _dispatch(words: list[str]) -> Any:
    if words == ["--version"]:
        print(f"jaxvis {jaxvis.__version__}")
        return 0
    from jaxvis.cli.calling import list_commands, run_command

    command, own = split_command(words)
    if command:
        return run_command(command, COMMANDS[command], own)
    group = f"{words[0]} " if words else ""
    if not any(name.startswith(group) for name in COMMANDS):
        group = ""
    names = [name for name in COMMANDS if name.startswith(group)]
    summaries = {name.removeprefix(group): summary(name) for name in names}
    rest = words[1:] if group.strip() else words
    return list_commands(summaries, f"jaxvis {group}".rstrip(), ABOUT, rest)


def split_command(words: Sequence[str]) -> tuple[str, list[str]]:
    """Splits words into a command, "" where they begin with none, and those that follow.

    Args:
      words: after `jaxvis`.
    """
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name, [*words[length:]]
    return "", [*words]


def summary(name: str) -> str:
    """Gives the first line of a command's docstring, without importing the command.

    Args:
      name: one of `COMMANDS`.

    Raises:
      LookupError: if the table names a function that is not there.
    """
    module, function = COMMANDS[name].rsplit(".", 1)
    source = (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    # Found in the text: parsing all the files would take a fifth of the time of help.
    _, found, rest = source.partition(f"\ndef {function}(")
    if not found:
        raise LookupError(f"{module}.py has no function {function}")
    return rest.partition('"""')[2].partition("\n")[0]
