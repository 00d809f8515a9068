"""The checks of what is shown: links, packages, versions, and what is said of them."""

import importlib.util
import io
import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import jaxvis

ROOT = Path(__file__).resolve().parents[2]


def load(name):
    """Returns a script of .ci as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def docs():
    """Returns the script that checks the site and the notebooks."""
    return load("docs")


@pytest.fixture(scope="module")
def packages():
    """Returns the script that checks a release."""
    return load("packages")


def find_broken(docs, site, pages):
    for name, text in pages.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    return docs.find_broken_links(site)


def test_links_that_lead_somewhere_are_fine(docs, tmp_path):
    pages = {
        "index.html": '<a href="a/#here"></a><a href="#x"></a><p id="x"></p><img src="a/b.png">'
        f'<a href="https://elsewhere.org/"></a><a href="{docs.REPOSITORY}blob/main/README.md"></a>'
        f'<a href="{docs.HOME}a/#here"></a><a href="mailto:a@b.c"></a>',
        "a/index.html": '<h1 id="here"></h1><a href=".."></a>',
        "a/b.png": "",
    }
    assert find_broken(docs, tmp_path, pages) == []


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ('<a href="b/"></a>', "index.html links to b/"),
        ('<a href="#no"></a>', "index.html links to #no"),
        ('<img src="no.png">', "index.html links to no.png"),
        ('<script src="https://cdn.org/a.js"></script>', "index.html loads https://cdn.org/a.js"),
        ('<link href="//fonts.org/a" rel="stylesheet">', "index.html loads //fonts.org/a"),
        (
            '<a href="https://github.com/jaxvis/jaxvis/blob/main/no.md"></a>',
            "index.html links to https://github.com/jaxvis/jaxvis/blob/main/no.md",
        ),
    ],
)
def test_broken_links_and_files_of_other_servers_are_found(tag, said, docs, tmp_path):
    assert find_broken(docs, tmp_path, {"index.html": tag}) == [said]


def test_a_wheel_has_the_packages_and_nothing_else(packages, tmp_path):
    files = [
        path.relative_to(ROOT).as_posix()
        for package in ("jaxvis", "weights_convert")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    path = tmp_path / "a.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name in [*files, "jaxvis-0.dist-info/METADATA"]:
            file.writestr(name, "")
    assert packages.check_wheel(path) == []
    with zipfile.ZipFile(path, "w") as file:
        for name in [*files[1:], "docs/a.jpg"]:
            file.writestr(name, "")
    assert packages.check_wheel(path) == [
        f"the wheel lacks {files[0]}",
        "the wheel has docs/a.jpg besides",
    ]


def test_an_sdist_has_the_tests_and_no_data(packages, tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for name in ("README.md", "shared/data/a.pth"):
            file.addfile(tarfile.TarInfo(f"jaxvis-0/{name}"), io.BytesIO())
    wrong = packages.check_sdist(path)
    assert "the sdist has shared/data/a.pth" in wrong and "the sdist lacks CHANGELOG.md" in wrong
    assert "the sdist lacks tests/docs/test_docs_checks.py" in wrong
    assert "the sdist lacks README.md" not in wrong


def test_the_version_is_written_once_and_repeated_truly(packages):
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1]
    assert cited == jaxvis.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "jaxvis.__version__"}
    assert f"version = {{{jaxvis.__version__}}}" in (ROOT / "README.md").read_text()
    assert f"\n## [{jaxvis.__version__}] - " in (ROOT / "CHANGELOG.md").read_text()
    with pytest.raises(SystemExit, match="CITATION.cff has no line 'version: 9.9.9'"):
        packages.check_version("9.9.9")


def test_the_docs_extra_has_upper_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all("<" in wanted for wanted in project["optional-dependencies"]["docs"])


def test_unknown_words_print_the_usage(docs, packages):
    for module, usage in ((docs, "docs.py site FOLDER"), (packages, "packages.py check FOLDER")):
        with pytest.raises(SystemExit, match=f"Usage: {usage}"):
            module.main(["else"])
