"""The checks of a release: the wheel, the sdist and the version.

Usage: packages.py check FOLDER     builds both there, checks what is in them, tries the wheel
       packages.py version VERSION  checks that this is the version that is released
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST_WHEEL = 6e6
"""Bytes: more would mean that data or the pictures of docs/ have come in."""


def build_packages(folder: Path) -> None:
    """Builds the wheel and the sdist, and checks what is in them.

    Args:
      folder: where they go; it must be empty or not exist.
    """
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)], check=True
    )
    wrong = check_wheel(wheel) + check_sdist(sdist)
    if wrong:
        raise SystemExit("\n".join(wrong))
    try_wheel(wheel)
    for path in (wheel, sdist):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


def check_wheel(wheel: Path) -> list[str]:
    """Finds what is wrong with a wheel: every module and data file of the packages, no more.

    Args:
      wheel: the file.
    """
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in ("jaxvis", "weights_convert")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }
    wrong = [f"the wheel lacks {name}" for name in sorted(wanted - names)]
    wrong += [f"the wheel has {name} besides" for name in sorted(names - wanted)]
    if wheel.stat().st_size > LARGEST_WHEEL:
        wrong.append(f"the wheel has {wheel.stat().st_size} bytes")
    return wrong


def check_sdist(sdist: Path) -> list[str]:
    """Finds what is wrong with an sdist: it has tests, pages and words, and no built files.

    Args:
      sdist: the file.
    """
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    wanted = [
        "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE", "mkdocs.yml",
        "pyproject.toml", ".ci/run", ".ci/readme.py", ".ci/docs.py",
    ]  # fmt: skip
    for folder, pattern in (("tests", "*.py"), ("benchmarks", "*"), ("docs", "*")):
        wanted += [
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob(pattern)
            if path.is_file() and "__pycache__" not in path.parts
        ]
    wrong = [f"the sdist lacks {name}" for name in sorted(set(wanted) - names)]
    strange = ("build/", "shared/", ".git/", "__pycache__", ".pyc")
    return wrong + [f"the sdist has {n}" for n in sorted(names) if any(s in n for s in strange)]


def check_version(version: str) -> None:
    """Checks that a version is the package's, and that the changelog and citation name it.

    Args:
      version: what a tag says, without its v.
    """
    places = {
        "jaxvis/__init__.py": f'__version__ = "{version}"',
        "CITATION.cff": f"version: {version}",
        "CHANGELOG.md": f"## [{version}] - 2",
    }
    wrong = [
        f"{path} has no line {line!r}"
        for path, line in places.items()
        if f"\n{line}" not in (ROOT / path).read_text(encoding="utf-8")
    ]
    if wrong:
        raise SystemExit("\n".join(wrong))


def try_wheel(wheel: Path) -> None:
    """Runs a command from the wheel, with the dependencies of this environment.

    Args:
      wheel: the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = ["pip", "install", "--quiet", "--no-deps", "--target", folder, str(wheel)]
        subprocess.run([sys.executable, "-m", *words], check=True)
        env = {**os.environ, "PYTHONPATH": folder}
        where = "import jaxvis; print(jaxvis.__file__)"
        done = subprocess.run(
            [sys.executable, "-c", where], cwd=folder, env=env, check=True, stdout=subprocess.PIPE
        )
        if not Path(done.stdout.decode().strip()).is_relative_to(folder):
            raise SystemExit(f"{done.stdout.decode()} was imported, and not what the wheel holds")
        layers = [sys.executable, "-m", "jaxvis", "layers", "demo"]
        subprocess.run(layers, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)


def main(words: list[str]) -> None:
    """Runs one of the checks.

    Args:
      words: of the command line.
    """
    match words:
        case ["check", folder]:
            build_packages(Path(folder).resolve())
        case ["version", version]:
            check_version(version)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
