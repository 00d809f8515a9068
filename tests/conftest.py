"""Fixtures for all tests: where the real data is, one random key, JAX as it was found."""

import ctypes
import gc
import os
import signal
import sys
import zlib
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("JAXVIS_TEST_DATA", ROOT.parent / "shared" / "data"))

SET_BY_COMMANDS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)

jax.devices()
"""JAX starts here, with the devices that the environment gives it: a command that starts
first in a process makes every core a device, and all later tests would meet them."""

AT_START = {name: getattr(jax.config, name) for name in SET_BY_COMMANDS}
"""JAX's settings when the tests began. A fixture of a whole file may run a command before
the fixtures of a test begin, so the settings before a test are not to be trusted."""


def pytest_collection_modifyitems(config, items):
    """Keeps one part of the test files, where JAXVIS_TEST_PART says "3/8": the third of 8."""
    part = os.environ.get("JAXVIS_TEST_PART")
    if not part:
        return
    number, count = map(int, part.split("/"))
    others = [item for item in items if not _is_in_part(item, number, count)]
    config.hook.pytest_deselected(items=others)
    left = set(others)
    items[:] = [item for item in items if item not in left]


def _is_in_part(item, number, count):
    name = item.path.relative_to(ROOT).as_posix()
    return zlib.crc32(name.encode()) % count == number - 1


@pytest.fixture
def key():
    """Returns one fixed random key."""
    return jax.random.key(0)


@pytest.fixture(scope="session")
def data_file():
    """Returns a function from a path inside the data folder to the file, or skips."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"needs {name} under {DATA} (JAXVIS_TEST_DATA), not here")
        return path

    return find


@pytest.fixture(autouse=True, scope="session")
def hear_interrupts():
    """Makes Ctrl-C heard, also by programs that tests start.

    A shell that starts tests in the background makes them, and all that they start, deaf
    to SIGINT.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def jax_as_before():
    """Puts the compilation cache back, so that no test sees the folder of another."""
    restore_settings()
    yield
    restore_settings()


def restore_settings():
    """Gives JAX the settings with which the tests began."""
    if AT_START == {name: getattr(jax.config, name) for name in SET_BY_COMMANDS}:
        return
    for name, value in AT_START.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture(autouse=True, scope="module")
def drop_programs():
    """Drops compiled programs after every file, so that a worker's memory stays small."""
    yield
    free_memory()


@pytest.fixture(autouse=True)
def bound_memory(request):
    """Drops them after a test too, where its worker has come to take much."""
    yield
    least = request.config.stash.get(LEAST, 0)
    if read_resident_bytes() > max(MUCH, least + STEP):
        free_memory()
        request.config.stash[LEAST] = read_resident_bytes()


MUCH, STEP = 900 * 2**20, 200 * 2**20
"""Bytes that a worker may take before programs are dropped, and how many more it must
have taken since: what is not a program cannot be dropped, and compiling takes time."""
LEAST = pytest.StashKey[int]()
"""Bytes that were left when programs were last dropped."""


def free_memory():
    """Drops compiled programs, and hands freed memory back to the system."""
    jax.clear_caches()
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def read_resident_bytes():
    """Reads the memory that this process takes; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
