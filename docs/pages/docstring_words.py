"""How the site reads docstrings: as plain text with examples, not as Markdown.

Docstrings are written for a terminal. An asterisk there is an asterisk, an angle bracket
is an angle bracket, and an example begins with `>>>`.
"""

import re
from typing import Any

import griffe


class PlainDocstrings(griffe.Extension):
    """The extension of mkdocstrings that rewrites every docstring of a package."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Rewrites the docstrings of a package that has just been read."""
        del kwargs
        _visit(pkg)


def _visit(thing: Any) -> None:
    if thing.docstring is not None:
        thing.docstring.value = to_markdown(thing.docstring.value)
    for member in thing.members.values():
        if not member.is_alias:
            _visit(member)


def to_markdown(text: str) -> str:
    """Turns a docstring into Markdown that looks as it was written.

    Args:
      text: the docstring, without the indentation of its function.
    """
    out = []
    lines = text.splitlines()
    while lines:
        line = lines.pop(0)
        if not line.lstrip().startswith(">>> "):
            out.append(_escape(line))
            continue
        block = [line]
        while lines and lines[0].strip():
            block.append(lines.pop(0))
        indent = line[: len(line) - len(line.lstrip())]
        if out and out[-1].strip():
            out.append("")
        out += [f"{indent}```pycon", *block, f"{indent}```"]
    return "\n".join(out)


def _escape(line: str) -> str:
    """Escapes what Markdown would read as its own, but for code and names of arguments."""
    name = re.match(r" *\*{0,2}\w[\w, ]*: ", line)
    start = name.group() if name else ""
    parts = re.split(r"(`[^`]*`)", line.removeprefix(start))
    for i in range(0, len(parts), 2):
        part = parts[i].replace("<", "&lt;").replace("*", r"\*")
        parts[i] = re.sub(r"\](?=[\[(])", r"\\]", part)
    return start + "".join(parts)
