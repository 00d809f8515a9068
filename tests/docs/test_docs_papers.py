"""The pages about the five documents: their commands, links, pictures and sections."""

import importlib.util
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from benchmarks.harness.registry import NAMES
from jaxvis.cli import split_command
from jaxvis.nets.registry import NETS
from jaxvis.output.io import SAMPLES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "papers").glob("*.md"))
DOCUMENTS = [page for page in PAGES if page.stem != "index"]


def load_command_pages():
    """Returns the file that prints the help of commands, as a module."""
    path = ROOT / "docs" / "pages" / "command_pages.py"
    spec = importlib.util.spec_from_file_location("command_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def find_flags(command):
    """Returns the flags of a command -> its choices, none where anything goes."""
    text = load_command_pages().print_help(command)
    rows = re.findall(r"│ (--[\w-]+)(?: \{([^}]+)\})?", text)
    return {flag: set(choices.split(",")) - {""} for flag, choices in rows}


def read_commands(page):
    """Returns the command lines of a page, from its blocks and its code in backticks."""
    text = page.read_text()
    shell = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in shell for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    found = [shlex.split(line, comments=True) for line in lines if "'" not in line]
    return [words for words in found if len(words) > 2 and words[0] in ("jaxvis", "python")]


def test_there_is_a_page_for_each_document():
    index = (ROOT / "docs" / "papers" / "index.md").read_text()
    assert len(DOCUMENTS) == 5
    assert all(f"({page.name})" in index for page in DOCUMENTS)


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.stem)
def test_a_page_lists_claims_and_departures_from_print(page):
    text = page.read_text()
    assert re.search(r"^## Where we differ from print$", text, re.MULTILINE)
    tables = re.findall(r"^\| (?:claim|statement) \| holds\? \| our number \| command", text, re.M)
    assert len(tables) == 1
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {line.count("|") for line in table.splitlines()}
        assert len(widths) == 1, f"rows of different lengths: {table[:80]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_has_the_flags_that_are_written(page):
    commands = read_commands(page)
    assert commands or page.stem == "index"
    for words in commands:
        if words[0] == "jaxvis":
            check_jaxvis(words)
        else:
            check_python(words)


def check_jaxvis(words):
    """Checks a command, its flags and their choices, and the network's name."""
    name, _ = split_command(words[1:])
    assert name, f"no command: {shlex.join(words)}"
    flags = find_flags(name)
    for flag, value in zip(words, [*words[1:], ""]):
        if flag.startswith("--"):
            assert flag in flags, f"{name} has no {flag}"
            assert not flags[flag] or value in flags[flag], f"{flag} {value} of {name}"
    for first in words[1 + len(name.split()) :][:1]:
        known = first in NETS or first in SAMPLES or first.isupper() or "." in first
        assert known or first.startswith("--"), f"{first} of {name}"


def check_python(words):
    """Checks that a benchmark, or a module, is there."""
    if words[1] != "-m":
        return
    if words[2] == "benchmarks":
        named = [word for word in words[3:] if not word.startswith("--")]
        assert set(named) <= set(NAMES), named
    else:
        assert importlib.util.find_spec(words[2]) is not None, words[2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_and_pictures_lead_to_files(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    for link in links:
        target = link.partition("#")[0]
        assert "://" in link or (page.parent / target).exists(), link


def test_the_pictures_are_shown_and_small():
    pictures = [path for path in (ROOT / "docs" / "papers").iterdir() if path.suffix == ".jpg"]
    text = "\n".join(page.read_text() for page in PAGES)
    assert pictures and all(f"({path.name})" in text for path in pictures)
    assert sum(path.stat().st_size for path in pictures) < 1_500_000
