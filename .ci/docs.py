"""The checks of the documentation: the site, the notebooks, the examples of docstrings.

Usage: docs.py site FOLDER [NOTEBOOKS]  builds the site into FOLDER, warnings as errors, and
                                        follows every link; with the notebooks as executed
       docs.py notebooks FOLDER         executes the notebooks, and writes them there
       docs.py doctests [PART]          runs the examples of docstrings, all or a part: 1/4,
                                        but for those whose optional packages are missing
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
HOME = "https://jaxvis.github.io/jaxvis/"
REPOSITORY = "https://github.com/jaxvis/jaxvis/"
NOTEBOOK_SECONDS = 120
"""How long one cell of a notebook may take."""
NEEDS = {
    "jaxvis.analysis.embed.tsne": ("openTSNE", "sklearn"),
    "jaxvis.analysis.embed.umap": ("umap",),
    "jaxvis.analysis.segment.grab_cut": ("cv2",),
    "jaxvis.nets.frameworks.equinox.from_equinox": ("equinox",),
    "jaxvis.nets.frameworks.keras.from_keras": ("keras",),
    "jaxvis.nets.frameworks.onnx_file.from_onnx": ("onnx",),
    "jaxvis.nets.frameworks.torch_export.from_torch": ("torch",),
}
"""Name -> the optional packages, one of which its example needs."""


class Links(HTMLParser):
    """The links, and the places that links may name, of one page."""

    def __init__(self, page: Path) -> None:
        """Reads a page."""
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.loaded: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps what a tag links to, loads, or is called."""
        found = dict(attrs)
        self.places |= {name for key in ("id", "name") if (name := found.get(key))}
        for key in ("href", "src"):
            link = found.get(key)
            if not link or (tag == "link" and found.get("rel") == "canonical"):
                continue
            self.links.append(link)
            if tag not in ("a",):
                self.loaded.append(link)


def find_broken_links(site: Path) -> list[str]:
    """Finds links of a built site that lead nowhere, and files of other servers it loads.

    Args:
      site: the folder of the built site.
    """
    pages = {page: Links(page) for page in sorted(site.rglob("*.html"))}
    broken = []
    for page, found in pages.items():
        where = page.relative_to(site).as_posix()
        if page.name == "404.html":
            continue  # its links are absolute, since it is shown anywhere
        broken += [f"{where} loads {link}" for link in found.loaded if urlsplit(link).netloc]
        lost = [link for link in found.links if not _leads(link, page, site, pages)]
        broken += [f"{where} links to {link}" for link in lost]
    return broken


def _leads(link: str, page: Path, site: Path, pages: dict[Path, Links]) -> bool:
    """Says whether a link leads to something; of other servers only this repository's files."""
    if link.startswith(f"{REPOSITORY}blob/main/"):
        return (ROOT / unquote(urlsplit(link).path.split("/blob/main/", 1)[1])).exists()
    if link.startswith(HOME):
        link, page = link.removeprefix(HOME) or ".", site / "index.html"
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target = target / "index.html"
    if not target.exists():
        return False
    named = unquote(parts.fragment)
    return not named or target not in pages or named in pages[target].places or named == "__top"


def build_site(folder: Path, notebooks: Path | None) -> None:
    """Builds the site, and checks its links.

    Args:
      folder: where the site goes.
      notebooks: a folder of executed notebooks, or None.
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    if notebooks is not None:
        env["JAXVIS_NOTEBOOKS"] = str(notebooks)
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "-d", str(folder)]
    subprocess.run(words, cwd=ROOT, env=env, check=True)
    broken = find_broken_links(folder)
    count = len(list(folder.rglob("*.html")))
    if broken:
        raise SystemExit("\n".join([*broken, f"{len(broken)} broken links"]))
    print(f"{count} pages, every link leads somewhere")


def execute_notebooks(folder: Path) -> None:
    """Executes the notebooks, two at a time, each in a process of its own.

    Args:
      folder: where the executed ones are written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: _start_notebook(path, folder), paths))


def _start_notebook(path: Path, folder: Path) -> None:
    words = [sys.executable, __file__, "notebook", str(path), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{path.name} failed:\n{done.stderr}")
    print(done.stdout, end="", flush=True)


def execute_notebook(path: Path, folder: Path) -> None:
    """Executes one notebook in an empty folder.

    Args:
      path: the notebook.
      folder: where the executed one is written.
    """
    import nbformat
    from nbclient import NotebookClient

    began = time.perf_counter()
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as place:
        where = {"metadata": {"path": place}}
        NotebookClient(notebook, timeout=NOTEBOOK_SECONDS, resources=where).execute()
    nbformat.write(notebook, folder / path.name)
    print(f"{path.name} ran in {time.perf_counter() - began:.1f} s")


def run_doctests(part: str | None) -> None:
    """Runs the examples of the docstrings of jaxvis and weights_convert.

    Args:
      part: "2/4" takes every fourth file, from the second; None takes all.
    """
    files = sorted(
        path
        for package in ("jaxvis", "weights_convert")
        for path in (ROOT / package).rglob("*.py")
        if ">>> " in path.read_text(encoding="utf-8")
    )
    if part is not None:
        which, count = (int(word) for word in part.split("/"))
        files = files[which - 1 :: count]
    spread = ["-n", "2"] if importlib.util.find_spec("xdist") else []
    # UMAP warns of a TensorFlow that it has no use for.
    quiet = ["-W", "ignore:Tensorflow not installed:ImportWarning"]
    words = [sys.executable, "-m", "pytest", "-q", "--doctest-modules", *spread, *quiet]
    done = subprocess.run([*words, *leave_out(), *map(str, files)], cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.returncode)


def leave_out() -> list[str]:
    """Gives the options of pytest that leave out examples whose packages are not installed."""
    missing = [
        name for name, packages in NEEDS.items() if not any(map(importlib.util.find_spec, packages))
    ]
    files = [name.rpartition(".")[0].replace(".", "/") for name in missing]
    return [f"--deselect={file}.py::{name}" for file, name in zip(files, missing)]


def main(words: list[str]) -> None:
    """Runs one of the checks.

    Args:
      words: of the command line.
    """
    match words:
        case ["site", folder, *rest] if len(rest) < 2:
            build_site(Path(folder).resolve(), Path(rest[0]).resolve() if rest else None)
        case ["notebooks", folder]:
            execute_notebooks(Path(folder).resolve())
        case ["notebook", path, folder]:
            execute_notebook(Path(path).resolve(), Path(folder).resolve())
        case ["doctests", *rest] if len(rest) < 2:
            run_doctests(*(rest or [None]))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
