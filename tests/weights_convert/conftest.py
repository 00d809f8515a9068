"""What tests of the readers share."""

import time
import tracemalloc

import pytest

MEGABYTES, SECONDS = 40, 10


@pytest.fixture
def frugal():
    """Fails a test that allocates more than a few megabytes, or takes long."""
    start = time.process_time()  # others may use the processor too
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    took = time.process_time() - start
    assert peak < MEGABYTES, f"{peak:.0f} MB were allocated"
    assert took < SECONDS, f"it took {took:.0f} seconds"
