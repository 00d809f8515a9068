"""One writer at a time in the folder of a sweep, and who it is.

The lock belongs to a process: the system releases it when the process ends, however it
ends. Parts of a sweep (`--part 2/8`) have locks of their own, and keep out a writer of the
whole, as it keeps out them. A store elsewhere has no locks: there, do not run a part twice.
"""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from jaxvis.escape import escape, escape_path
from jaxvis.output.files import write_atomically

WHOLE = ".jaxvis-sweep.lock"
PART = ".jaxvis-sweep-{number}-of-{count}.lock"


@contextmanager
def hold_sweep(folder: Path | None, *, part: tuple[int, int] = (1, 1)) -> Iterator[None]:
    """Holds the folder of a sweep, or one part of it, until the block ends.

    Args:
      folder: the folder; None for a store without locks.
      part: (i, n); (1, 1) is the whole.

    Yields:
      Nothing.

    Raises:
      OSError: if the folder cannot be made or written.
      ValueError: if another process writes; says which one.
    """
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    whole = part == (1, 1)
    name = WHOLE if whole else PART.format(number=part[0], count=part[1])
    # Checked before and after: two that begin together both see the other.
    own = _acquire(folder / name)
    try:
        others = sorted(folder.glob(".jaxvis-sweep-*-of-*.lock")) if whole else [folder / WHOLE]
        for other in others:
            if other.exists() and is_held(other):
                raise _refuse(other)
        yield
    finally:
        _release(own, folder / name)


def is_held(path: Path) -> bool:
    """Says whether a process holds a lock.

    Args:
      path: the file that carries it.
    """
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        return True
    except NotImplementedError:
        return False  # a file system without locks
    lock.release()
    return False


def find_holder(folder: Path | None) -> str | None:
    """Says who writes into the folder of a sweep; None where nobody does.

    Args:
      folder: the folder; None for a store without locks.
    """
    if folder is None:
        return None
    held = [path for path in sorted(folder.glob(".jaxvis-sweep*.lock")) if is_held(path)]
    return ", ".join(map(_describe, held)) or None


def _acquire(path: Path) -> FileLock:
    # Whoever only looks whether it is held holds it for a moment.
    lock = FileLock(path, timeout=0.3)
    try:
        lock.acquire()
    except Timeout:
        raise _refuse(path) from None
    except NotImplementedError:
        return lock  # a file system without locks
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path.parent)) from None
    facts = {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%F %T %Z")}
    write_atomically(_owner_of(path), (json.dumps(facts) + "\n").encode())
    return lock


def _release(lock: FileLock, path: Path) -> None:
    _owner_of(path).unlink(missing_ok=True)
    if os.name != "nt":
        path.unlink(missing_ok=True)
    lock.release()


def _owner_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _refuse(path: Path) -> ValueError:
    return ValueError(
        f"{_describe(path)} is writing into {escape_path(path.parent)}: wait for it, or name "
        "another folder; jaxvis sweep status shows how far it is"
    )


def _describe(path: Path) -> str:
    try:
        found = json.loads(_owner_of(path).read_text(encoding="utf-8"))
        who = f"process {found['pid']} on {found['host']} (since {found['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return escape(who)
