"""The code blocks of README and docs: marked, parsed, and found by the check script."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = "https://github.com/jaxvis/jaxvis/blob/main/"
PICTURES = "https://raw.githubusercontent.com/jaxvis/jaxvis/main/"
EXECUTED = [
    "README.md",
    "docs/coming_from.md",
    "docs/concepts.md",
    "docs/gallery.md",
    "docs/howto/notebook.md",
    "docs/howto/sweep.md",
    "docs/start.md",
]


@pytest.fixture(scope="module")
def readme():
    """Returns the check script's reader of README blocks, as a module."""
    spec = importlib.util.spec_from_file_location("readme", ROOT / ".ci" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_two_commands_are_the_readmes(readme):
    assert readme.find_command("command-one") == "pip install . && jaxvis demo"
    words = 'pip install -e ".[test]" && pytest -n auto -m "not slow"'
    assert readme.find_command("command-two") == words


def test_readme_and_docs_are_read(readme):
    pages = [page.relative_to(ROOT).as_posix() for page in readme.list_pages()]
    assert set(EXECUTED) <= set(pages)


@pytest.mark.parametrize("page", EXECUTED)
def test_every_python_block_is_executed_or_says_why_not(page, readme):
    blocks = [block for block in readme.read_blocks(ROOT / page) if block.language == "python"]
    fences = re.findall(r"^```python$", (ROOT / page).read_text(), re.MULTILINE)
    assert len(blocks) == len(fences) > 0
    for block in blocks:
        ast.parse(block.text)
        assert not block.comment or re.match(r"skip: \w+", block.comment)


def test_blocks_are_read_with_their_line_and_comment(readme, tmp_path):
    text = "a\n\n```python\nx = 1\n```\n<!-- skip: big -->\n```bash\nls\n```\n"
    (tmp_path / "R.md").write_text(text)
    first, second = readme.read_blocks(tmp_path / "R.md")
    assert first == ("python", "x = 1\n", 4, "")
    assert second == ("bash", "ls\n", 8, "skip: big")


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_every_block_of_every_page_is_found(page, readme):
    blocks = [block for block in readme.read_blocks(page) if block.language == "python"]
    assert len(blocks) == len(re.findall(r"^```python$", page.read_text(), re.MULTILINE))
    for block in blocks:
        ast.parse(block.text)
        assert not block.comment or re.match(r"skip: \w+", block.comment)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_the_readmes_links_are_absolute_and_lead_to_files():
    """A package index shows the README alone: links of the repository would lead nowhere."""
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(links) > 15
    for link in links:
        assert link.startswith("https://"), f"{link} is not absolute"
        for start in (HOME, PICTURES):
            if link.startswith(start):
                assert (ROOT / link.removeprefix(start)).exists(), link


def test_the_readme_shows_a_picture_of_the_docs():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert pictures and all(link.startswith(f"{PICTURES}docs/") for link in pictures)
