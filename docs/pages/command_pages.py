"""A page for every command, made from the help that the command itself prints."""

import contextlib
import html
import io
import os
import re
from collections.abc import Iterator
from unittest import mock

from jaxvis.cli import COMMANDS, main, summary

WIDE = "3000"
"""Columns of the terminal that help is printed for: no line of it is broken."""
GROUPS = {
    "First steps": ("demo", "layers", "check", "weights get", "weights list", "convert", "rerun"),
    "Pictures of units": (
        "maximize", "sweep", "interpolate", "vital", "accentuate", "dream", "generate",
        "train autoencoder", "facets", "bias",
    ),
    "Codes turned back into pictures": (
        "invert", "caricature", "feature-maps", "ranvgg stack", "ranvgg invert",
    ),
    "Texture and style": (
        "texture", "classical-texture", "style", "train style", "stylize", "augment", "export",
    ),
    "What a network looks at": ("explain", "saliency", "guided", "cam", "occlude", "compare"),
    "What a layer holds": (
        "filters", "activations", "patches", "neighbours", "embed", "concepts", "atlas",
    ),
    "How robust it is": ("attack", "robustness", "train robust"),
}  # fmt: skip
"""Heading -> commands; what is named nowhere stands at the end, under "Others"."""


def print_help(name: str, *, columns: str = WIDE) -> str:
    """Prints a command's help, as a terminal of any width would show it.

    Args:
      name: one of the commands, such as "train style".
      columns: of the terminal that it is printed for.
    """
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with mock.patch.dict(os.environ, {"COLUMNS": columns, "NO_COLOR": "1"}):
        with contextlib.redirect_stdout(out):
            code = main([*name.split(), "--help"])
    if code != 0:
        raise RuntimeError(f"jaxvis {name} --help ended with {code}")
    out.seek(0)
    return _stack_boxes(out.read())


def _stack_boxes(text: str) -> str:
    """Puts boxes that stand side by side, as long helps have them, below each other."""
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith("╭")), len(lines))
    corners = [i for i, sign in enumerate(lines[first]) if sign == "╭"] if lines[first:] else [0]
    ends = [*corners[1:], None]
    columns = [
        line[start:end].rstrip() for start, end in zip(corners, ends) for line in lines[first:]
    ]
    return "\n".join([*lines[:first], *filter(None, columns)]) + "\n"


def make_pages() -> dict[str, str]:
    """Makes the pages: path in the site -> Markdown; the list of commands is the first."""
    pages = {"commands/index.md": _make_index()}
    for names in list_groups().values():
        for name in names:
            pages[f"commands/{slug(name)}.md"] = make_page(name, print_help(name))
    return pages


def slug(name: str) -> str:
    """Gives the name of a command's page."""
    return name.replace(" ", "-")


def list_groups() -> dict[str, list[str]]:
    """Lists the commands under their headings, each once."""
    known = {name for names in GROUPS.values() for name in names}
    found = {head: [n for n in names if n in COMMANDS] for head, names in GROUPS.items()}
    for name in COMMANDS:
        if name not in known:  # beside the command that it belongs to, or at the end
            first = name.split()[0]
            head = next((h for h, names in GROUPS.items() if first in names), "Others")
            found.setdefault(head, []).append(name)
    return found


def _make_index() -> str:
    lines = [
        "# Commands",
        "",
        "`jaxvis COMMAND --help` shows what these pages show. Wherever a command takes a network",
        "it takes the name of one, or a `.toml` or `.py` file that describes it, and `--weights`.",
    ]
    for head, names in list_groups().items():
        lines += ["", f"## {head}", "", "| command | what it does |", "|---|---|"]
        for name in names:
            lines.append(f"| [`{name}`]({slug(name)}.md) | {escape_cell(summary(name))} |")
    return "\n".join(lines) + "\n"


def make_page(name: str, text: str) -> str:
    """Makes a command's page.

    Args:
      name: of the command.
      text: its help, printed without broken lines.

    Raises:
      ValueError: where the help has another form than expected.
    """
    head, *boxes = re.split(r"^╭─ (.+?) ─*╮$", text, flags=re.MULTILINE)
    usage, _, about = head.strip().partition("\n\n")
    if not usage.startswith("usage: jaxvis ") or not boxes:
        raise ValueError(f"the help of {name} does not begin with its usage")
    about, _, examples = about.partition("For example: ")
    lines = [f"# jaxvis {name}", "", _escape_text(about.strip()), ""]
    calls = re.split(r" (?=jaxvis )", " ".join(examples.split()))
    lines += ["```bash", *(calls if examples else [usage.removeprefix("usage: ")]), "```", ""]
    for title, box in zip(boxes[::2], boxes[1::2]):
        lines += [f"## {title.capitalize()}", "", *_make_table(name, box), ""]
    return "\n".join(lines)


def _make_table(name: str, box: str) -> list[str]:
    """Makes the table of one box of the help, under the words that explain the box."""
    inner = [line[1:-1].rstrip() for line in box.splitlines() if line.startswith("│")]
    rules = [i for i, line in enumerate(inner) if set(line.strip()) == {"─"}]
    words = [line.strip() for line in inner[: rules[0]]] if rules else []
    rows = [f"| `{flag}` | {escape_cell(what)} |" for flag, what in _read_flags(name, inner, rules)]
    return [*map(_escape_text, words), "", "| | what it means |", "|---|---|", *rows]


def _read_flags(name: str, inner: list[str], rules: list[int]) -> Iterator[tuple[str, str]]:
    """Yields (flag with its kind, what it says) of the lines of a box."""
    flag, said = "", list[str]()
    for line in inner[rules[0] + 1 if rules else 0 :]:
        if line.startswith("  "):
            said.append(line.strip())
            continue
        if flag:
            yield flag, " ".join(said).strip()
        flag, _, what = line.strip().partition("  ")
        said = [what.strip()]
    if not flag:
        raise ValueError(f"the help of {name} has a box without flags")
    yield flag, " ".join(said).strip()


def escape_cell(text: str) -> str:
    """Escapes a text for a cell of a table."""
    return _escape_text(text).replace("|", "&#124;")


def _escape_text(text: str) -> str:
    """Escapes what Markdown would read as its own, but for code in backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*_\[\]])", r"\\\1", html.escape(parts[i], quote=False))
    return "".join(parts)
