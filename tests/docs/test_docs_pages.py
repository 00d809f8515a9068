"""The pages that are made from the code: commands, the reference, docstrings, notebooks."""

import importlib.util
import inspect
import json
import re
import sys
from pathlib import Path

import pytest

import jaxvis
from jaxvis.cli import COMMANDS
from jaxvis.exports import MODULES

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "pages"
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def load(name):
    """Returns a file of docs/pages as a module."""
    spec = importlib.util.spec_from_file_location(name, PAGES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def commands():
    return load("command_pages")


def test_every_command_is_listed_once(commands):
    listed = [name for names in commands.list_groups().values() for name in names]
    assert sorted(listed) == sorted(COMMANDS)
    named = {name for names in commands.GROUPS.values() for name in names}
    assert not named - set(COMMANDS), "these commands are no more"


@pytest.mark.parametrize("name", ["demo", "layers", "style", "texture", "explain"])
def test_a_commands_page_has_all_its_flags(name, commands):
    page = commands.make_page(name, commands.print_help(name))
    # A narrow help has one column of boxes, a wide one of many flags has two.
    narrow = commands.print_help(name, columns="100")
    flags = set(re.findall(r"^│ (--[\w-]+)", narrow, re.MULTILINE))
    assert flags and flags <= set(re.findall(r"^\| `(--[\w-]+)", page, re.MULTILINE))
    assert page.startswith(f"# jaxvis {name}\n\n") and f"jaxvis {name}" in page.split("```bash")[1]
    assert "│" not in page and "╭" not in page


def test_a_page_is_made_of_the_words_of_the_help(commands):
    box = "│ -h, --help  show this │\n│ --size STR │\n│             a [H] *x* | y. │\n"
    text = (
        f"usage: jaxvis do [-h]\n\nDoes it. For example: jaxvis do\n\n╭─ options ──╮\n{box}╰──╯\n"
    )
    page = commands.make_page("do", text)
    assert page.startswith("# jaxvis do\n\nDoes it.\n\n```bash\njaxvis do\n```\n\n## Options\n")
    assert page.rstrip().endswith(r"| `--size STR` | a \[H\] \*x\* &#124; y. |")
    with pytest.raises(ValueError, match="does not begin with its usage"):
        commands.make_page("do", "something else")


def test_every_public_name_is_on_the_page_of_its_family():
    reference = load("reference_pages")
    pages = reference.make_pages()
    text = "\n".join(pages.values())
    for name in jaxvis.__all__:
        sought = f"^## jaxvis.{name} " if name in MODULES else f"^::: jaxvis.{name}$"
        assert len(re.findall(sought, text, re.MULTILINE)) == 1, name
    for name in jaxvis.attacks.__all__:
        assert text.count(f"heading: attacks.{name}\n") == 1, name
    assert all(f"({family.page}.md)" in pages["reference/index.md"] for family in
               reference.FAMILIES if f"reference/{family.page}.md" in pages)  # fmt: skip
    with pytest.raises(LookupError, match="has no page"):
        reference.find_family("nothing")


def test_docstrings_are_shown_as_they_are_written():
    pytest.importorskip("griffe")
    words = load("docstring_words")
    text = inspect.cleandoc("""Does a*b to <x> of `[a][b] < *c*`.

    Args:
      net, params: the network, 2*3.
      **changes: fields [0][1].

    >>> 1 * 2
    2

    The end.""")
    shown = words.to_markdown(text).splitlines()
    assert shown[0] == r"Does a\*b to &lt;x> of `[a][b] < *c*`."
    assert shown[3:5] == [r"  net, params: the network, 2\*3.", r"  **changes: fields [0\][1]."]
    assert shown[6:11] == ["```pycon", ">>> 1 * 2", "2", "```", ""]


def test_there_are_notebooks_in_order():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    assert path.stat().st_size < 20_000
    notebook = json.loads(path.read_text(encoding="utf-8"))
    first, *_ = cells = notebook["cells"]
    assert first["cell_type"] == "markdown" and "".join(first["source"]).startswith("# ")
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 3 and not any(cell["outputs"] or cell["execution_count"] for cell in code)


def test_a_notebooks_page_has_its_outputs(monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setitem(sys.modules, "nbformat", nbformat)
    v4 = nbformat.v4
    shown = [
        v4.new_output("stream", text="1\n" * 40),
        v4.new_output("execute_result", data={"image/png": "iVBORw==", "text/plain": "<a>"}),
        v4.new_output("execute_result", data={"text/plain": "\x1b[31m(2,)\x1b[0m"}),
    ]
    cells = [v4.new_markdown_cell("# Title\n\nWords."), v4.new_code_cell("x", outputs=shown)]
    pages = load("notebook_pages").make_page(v4.new_notebook(cells=cells), "01_a")
    text = pages["notebooks/01_a.md"]
    assert text.startswith("# Title\n\n[This page is a notebook: 01_a.ipynb](01_a.ipynb)\n")
    assert "```python\nx\n```\n\n```text\n1\n" in text and "\n...\n```" in text
    assert "](01_a_1.png)" in text and pages["notebooks/01_a_1.png"] == b"\x89PNG"
    assert text.rstrip().endswith("```text\n(2,)\n```")
