"""A sweep that is killed, or told to stop, goes on to the bytes that it would have had."""

import pytest

from tests.faults.harness import Server
from tests.faults.sweeps import prepare_sweep, try_sweep

pytestmark = pytest.mark.slow


def test_a_sweep_that_is_stopped_at_three_moments_loses_nothing(tmp_path):
    server = Server(tmp_path)
    try:
        seconds = prepare_sweep(server)
        for signal, part in (("kill", 0.5), ("term", 0.6), ("kill", 0.9)):
            assert try_sweep(server, signal + str(part), signal, part * seconds) == []
    finally:
        server.close()
