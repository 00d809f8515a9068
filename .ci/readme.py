"""Reads the code blocks of the README and of docs/, so that the checks run what they say.

A block may have a comment on the line before it:

    <!-- run: NAME -->     a shell command that .ci/run runs under that name
    <!-- skip: REASON -->  a Python block that is not executed

Usage: readme.py command NAME   prints that block
       readme.py python FOLDER  executes every Python block, those of a page in order and
                                in one namespace
"""

import os
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"


def list_pages() -> list[Path]:
    """Lists the README and the pages of docs/, those in its folders too."""
    return [README, *sorted((ROOT / "docs").rglob("*.md"))]


class Block(NamedTuple):
    """One fenced block: its language, text, first line's number and comment."""

    language: str
    text: str
    line: int
    comment: str


def read_blocks(page: Path = README) -> list[Block]:
    """Reads the fenced code blocks of a page."""
    source = page.read_text(encoding="utf-8")
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


def execute(page: Path, folder: Path) -> None:
    """Executes the Python blocks of a page in one namespace, in `folder`."""
    os.chdir(folder)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in read_blocks(page):
        if block.language != "python":
            continue
        place = f"{page.relative_to(ROOT)}:{block.line}"
        if block.comment.startswith("skip:"):
            print(f"{place} not executed: {block.comment[5:].strip()}")
            continue
        start = time.perf_counter()
        # Blank lines in front make a traceback name the page's own line.
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, str(page), "exec"), namespace)
        print(f"{place} ran in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "command":
        print(find_command(sys.argv[2]))
    elif len(sys.argv) == 3 and sys.argv[1] == "python":
        for page in list_pages():
            execute(page, Path(sys.argv[2]).resolve())
    else:
        raise SystemExit(__doc__)
