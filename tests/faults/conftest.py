"""What the tests of stopped commands share."""

import pytest

from tests.faults.harness import Server, prepare


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Returns a server of commands in a folder with all that they read."""
    found = Server(tmp_path_factory.mktemp("faults"))
    prepare(found)
    yield found
    found.close()
