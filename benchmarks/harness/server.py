"""Child processes that wait to be asked, side by side.

What a process has for life, such as its cores, its devices or a file that it reads once, can
be compared in turn, run by run, where several processes wait and one at a time is asked.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.child import child_command, child_environment
from benchmarks.harness.paths import ROOT


class Server:
    """A process that answers questions, started when this is made.

    Args:
      module: its name. It runs a task "serve" (`benchmarks.harness.child.run_task`), which
        takes the spec and ends in `answer_lines`.
      spec: what the task needs to know.
      folder: of its own, where its files go; it is made here.
      **more: environment variables to set.
    """

    def __init__(self, module: str, spec: Mapping[str, Any], folder: Path, **more: str) -> None:
        folder.mkdir()
        self.messages = folder / "messages.txt"
        self.processor = 0.0
        with self.messages.open("w") as messages:
            self.process = subprocess.Popen(
                child_command(module, "serve", spec, folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
                env=child_environment(**more),
                cwd=ROOT,
            )

    def ask(self, question: Any) -> Any:
        """Asks, and waits for the answer; `processor` is then what the process has used.

        Args:
          question: values that JSON can hold.

        Raises:
          RuntimeError: if the process has failed; with the end of its messages.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process failed: {self.messages.read_text()[-2000:]}")
        found = json.loads(line)
        self.processor = found["processor"]
        return found["answer"]

    def close(self) -> None:
        """Ends the process, which stops when it is asked nothing more."""
        self.process.communicate()


def answer_lines(answer: Callable[[Any], Any]) -> str:
    """Answers every line of the input, until there are no more.

    Args:
      answer: question -> answer, values that JSON can hold.
    """
    for line in sys.stdin:
        found = answer(json.loads(line))
        print(json.dumps({"answer": found, "processor": time.process_time()}), flush=True)
    return "done"
