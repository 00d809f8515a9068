"""Reads the README's code blocks, so that the checks run exactly what it says.

A block may have a comment on the line before it:

    <!-- run: NAME -->     a shell command that .ci/run runs under that name
    <!-- skip: REASON -->  a Python block that is not executed

Usage: readme.py command NAME   prints that block
       readme.py python FOLDER  executes every Python block, in order, in one namespace
"""

import os
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

README = Path(__file__).resolve().parent.parent / "README.md"


class Block(NamedTuple):
    """One fenced block: its language, text, first line's number and comment."""

    language: str
    text: str
    line: int
    comment: str


def read_blocks(readme: Path = README) -> list[Block]:
    """Reads the fenced code blocks of a README."""
    source = readme.read_text(encoding="utf-8")
    fence = re.compile(r"(?:^<!-- ([^\n]*) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        Block(m[2], m[3], source.count("\n", 0, m.start(3)) + 1, (m[1] or "").strip())
        for m in fence.finditer(source)
    ]


def find_command(name: str) -> str:
    """Finds the shell command marked `run: name`; there must be exactly one."""
    found = [block.text for block in read_blocks() if block.comment == f"run: {name}"]
    if len(found) != 1:
        raise SystemExit(
            f"README.md has {len(found)} blocks marked 'run: {name}': mark exactly one"
        )
    return found[0].strip()


def execute(folder: Path) -> None:
    """Executes the Python blocks in one namespace, in `folder`."""
    os.chdir(folder)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in read_blocks():
        if block.language != "python":
            continue
        if block.comment.startswith("skip:"):
            print(f"README.md:{block.line} not executed: {block.comment[5:].strip()}")
            continue
        start = time.perf_counter()
        # Blank lines in front make a traceback name the README's own line.
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, str(README), "exec"), namespace)
        print(f"README.md:{block.line} ran in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "command":
        print(find_command(sys.argv[2]))
    elif len(sys.argv) == 3 and sys.argv[1] == "python":
        execute(Path(sys.argv[2]))
    else:
        raise SystemExit(__doc__)
