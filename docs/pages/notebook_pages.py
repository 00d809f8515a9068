"""A page for every notebook: its words, its code, and what the code printed and drew.

Notebooks are kept without outputs. `python .ci/docs.py notebooks FOLDER` executes them;
where JAXVIS_NOTEBOOKS names that folder, the pages show what they made.
"""

import base64
import os
import re
from pathlib import Path
from typing import Any

import nbformat

TEXT_LINES = 30
"""Lines of an output that a page shows at most."""


def make_pages(root: Path) -> dict[str, str | bytes]:
    """Makes the pages: path in the site -> Markdown, or the bytes of a picture.

    Args:
      root: the repository.
    """
    executed = os.environ.get("JAXVIS_NOTEBOOKS")
    pages: dict[str, str | bytes] = {}
    for path in list_notebooks(root):
        source = Path(executed) / path.name if executed else path
        notebook = nbformat.read(source, as_version=4)
        pages.update(make_page(notebook, path.stem))
    return pages


def list_notebooks(root: Path) -> list[Path]:
    """Lists the notebooks in their order: their names begin with a number."""
    return sorted((root / "docs" / "notebooks").glob("*.ipynb"))


def make_page(notebook: Any, name: str) -> dict[str, str | bytes]:
    """Makes one page and its pictures.

    Args:
      notebook: as nbformat reads it.
      name: of the page, without its ending.
    """
    pages: dict[str, str | bytes] = {}
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            parts.append(_show(output, name, pages))
    link = f"[This page is a notebook: {name}.ipynb]({name}.ipynb)"
    title, _, rest = "\n\n".join(filter(None, parts)).partition("\n")
    return {f"notebooks/{name}.md": f"{title}\n\n{link}\n{rest}\n", **pages}


def _show(output: Any, name: str, pages: dict[str, str | bytes]) -> str:
    """Gives an output as Markdown; its picture, if it is one, is put into `pages`."""
    if output.output_type == "stream":
        return _fence(output.text)
    data = output.get("data", {})
    if "image/png" in data:
        path = f"{name}_{len(pages) + 1}.png"
        pages[f"notebooks/{path}"] = base64.b64decode(data["image/png"])
        return f"![What the code above draws]({path})"
    return _fence(data.get("text/plain", ""))


def _fence(text: str) -> str:
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).rstrip().splitlines()
    if not lines:
        return ""
    if len(lines) > TEXT_LINES:
        lines = [*lines[:TEXT_LINES], "..."]
    return "\n".join(["```text", *lines, "```"])
