"""The code blocks of README and docs: marked, parsed, and found by the check script."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


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
    assert {"README.md", "docs/coming_from.md", "docs/gallery.md"} <= set(pages)


@pytest.mark.parametrize("page", ["README.md", "docs/coming_from.md", "docs/gallery.md"])
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
