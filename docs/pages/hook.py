"""The hook of mkdocs: pages that are made from the code, each time the site is built.

Commands come from their own help, the reference from the public names, and notebooks from
their files: none can be stale.
"""

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).resolve().parent))
import command_pages
import notebook_pages
import reference_pages

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/jaxvis/jaxvis/blob/main"


def make_pages() -> dict[str, dict[str, str | bytes]]:
    """Makes all pages that come from the code: section -> {path in the site: content}."""
    return {
        "Notebooks": notebook_pages.make_pages(ROOT),
        "Commands": command_pages.make_pages(),
        "Reference": reference_pages.make_pages(),
        "Contributing": {
            "contributing.md": _read_root("CONTRIBUTING.md"),
            "changelog.md": _read_root("CHANGELOG.md"),
        },
    }


def _read_root(name: str) -> str:
    """Reads a page of the repository's root, whose links lead into docs/."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return text.replace("](docs/", "](").replace("](LICENSE)", f"]({REPOSITORY}/LICENSE)")


def on_config(config: Any) -> Any:
    """Makes the pages, and fills the lists that the navigation leaves empty."""
    config["made"] = made = make_pages()
    listed = {section: list(pages) for section, pages in made.items()}
    for entry in config["nav"]:
        for section, pages in entry.items():
            if not pages:
                entry[section] = [page for page in listed[section] if page.endswith(".md")]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages to those that are files."""
    for pages in config["made"].values():
        for path, content in pages.items():
            files.append(File.generated(config, path, content=content))
    return files
