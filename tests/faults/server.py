"""Starts commands quickly: a process that has imported everything forks one for each.

It reads a line of JSON for every command, {"words", "folder", "out", "err", "limit"},
answers with the id of the process, and with its exit code when it has ended. JAX has not computed
anything before the fork, so a forked process is like one that was started afresh.
"""

import importlib
import json
import os
import resource
import signal
import sys
import warnings

from jaxvis import cli


def run(words: list[str], folder: str, out: str, err: str, limit: int = 0) -> int:
    """Runs a command with its own folder, output and standard handlers of signals.

    No file gets longer than `limit` bytes, which is as if the disk were full; 0 is none.
    """
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    for name, number in ((out, 1), (err, 2)):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, number)
    code = cli.main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def serve() -> None:
    """Serves until the end of the input."""
    for place in cli.COMMANDS.values():
        importlib.import_module(f"jaxvis.cli.{place.rsplit('.', 1)[0]}")
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            os._exit(run(**json.loads(line)) & 255)
        print(pid, file=answers, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


if __name__ == "__main__":
    serve()
