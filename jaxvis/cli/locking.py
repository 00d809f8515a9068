"""One command at a time writes into a folder.

A command locks the folder, or the one file, that it writes to. The lock belongs to the
process: the system releases it when the process ends, however it ends. The file that
carries the lock is hidden, and removed when the command ends. One that a killed process
left behind is nothing but an empty file.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import FileLock

NAME = ".jaxvis.lock"
"""The file that carries the lock of a folder; that of a.png is .a.png.lock."""
PART = re.compile(r"\.(.+)\.\d+\.part")
"""Names of files that `jaxvis.output.files.write_atomically` had not finished."""

_locks: ContextVar[ExitStack | None] = ContextVar("locks", default=None)


@contextmanager
def hold_locks() -> Iterator[None]:
    """Holds the locks that are taken inside the block until the block ends."""
    with ExitStack() as stack:
        token = _locks.set(stack)
        try:
            yield
        finally:
            _locks.reset(token)


def lock_folder(folder: Path) -> None:
    """Locks a folder for this command, and removes what a killed one had half written.

    Outside of `hold_locks` there is no command, and nothing is locked.

    Args:
      folder: exists.

    Raises:
      OSError: if the folder cannot be written.
      ValueError: if another command writes into it.
    """
    _lock(folder / NAME, folder)
    remove_parts(folder)


def lock_file(path: Path) -> None:
    """Locks one file of a folder, so that others may write other files there.

    Args:
      path: the file; it need not exist, its folder does.

    Raises:
      OSError: if its folder cannot be written.
      ValueError: if another command writes it.
    """
    _lock(path.with_name(f".{path.name}.lock"), path)
    remove_parts(path.parent, stem=path.stem)


def is_leftover(path: Path) -> bool:
    """Says whether a file is a lock, or half of a file, which count as nothing.

    Args:
      path: of the file.
    """
    is_lock = path.name.startswith(".") and path.suffix == ".lock"
    return is_lock or PART.fullmatch(path.name) is not None


def remove_parts(folder: Path, *, stem: str | None = None) -> None:
    """Removes files that a killed command had half written.

    Args:
      folder: it, but not its subfolders; locked.
      stem: of the only files that count, without their ending; None for all.

    Raises:
      OSError: if one cannot be removed.
    """
    for path in folder.glob(".*.part"):
        found = PART.fullmatch(path.name)
        if found and stem in (None, Path(found[1]).stem):
            path.unlink(missing_ok=True)


def _lock(path: Path, what: Path) -> None:
    stack = _locks.get()
    if stack is None:
        return
    from filelock import FileLock, Timeout  # slow to import, and not needed for help

    lock = FileLock(path, blocking=False)
    while True:
        try:
            lock.acquire()
        except Timeout:
            raise ValueError(
                f"another jaxvis command is writing into {what}: wait for it, or name "
                "another folder with --out"
            ) from None
        except NotImplementedError:
            return  # a file system without locks
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(what)) from None
        if path.exists():
            break
        lock.release()  # whoever had the lock removed its file in this moment
    stack.callback(_release, lock, path)


def _release(lock: "FileLock", path: Path) -> None:
    """Removes the file, then lets the lock go: nobody can lock a file about to vanish."""
    if os.name != "nt":
        path.unlink(missing_ok=True)
        lock.release()
        return
    lock.release()
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass  # another command has locked it meanwhile
