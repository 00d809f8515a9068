"""Downloads from a server on this machine that breaks in every way."""

import hashlib
import logging
import socket

import file_server
import numpy as np
import pytest

from weights_convert.download import fetch

BODY = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()[:8]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server():
    """Yields a server with one good file."""
    with file_server.serve({"/net.pth": (BODY, "whole")}) as running:
        yield running


@pytest.fixture
def path(tmp_path):
    """Returns where a download goes, in a folder that is not there yet."""
    return tmp_path / "downloads" / "net.pth"


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(server, path):
    assert fetch(f"{server.url}/net.pth", path, sha256=SHA) == path
    assert path.read_bytes() == BODY
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_there_and_good_is_not_fetched_again(server, path):
    for _ in range(2):
        fetch(f"{server.url}/net.pth", path, sha256=SHA)
    assert len(server.requests) == 1


def test_a_file_that_is_there_but_damaged_is_fetched_again(server, path):
    path.parent.mkdir()
    path.write_bytes(BODY[:-1])
    fetch(f"{server.url}/net.pth", path, sha256=SHA)
    assert path.read_bytes() == BODY


def test_a_download_that_broke_off_is_resumed_where_it_was(server, path):
    server.files["/net.pth"] = (BODY, "breaks off")
    with pytest.raises(ConnectionError, match="broke off.*run it again to resume"):
        fetch(f"{server.url}/net.pth", path, sha256=SHA)
    assert not path.exists()
    part = path.with_name("net.pth.part")
    kept = part.read_bytes()
    assert BODY.startswith(kept) and 130_000 < len(kept) <= 150_000

    server.files["/net.pth"] = (BODY, "whole")
    fetch(f"{server.url}/net.pth", path, sha256=SHA)
    assert path.read_bytes() == BODY and not part.exists()
    assert server.requests[-1] == ("/net.pth", f"bytes={len(kept)}-")


def test_a_server_without_ranges_is_asked_for_the_whole_file(server, path):
    path.parent.mkdir()
    path.with_name("net.pth.part").write_bytes(BODY[:1000])
    server.files["/net.pth"] = (BODY, "no ranges")
    fetch(f"{server.url}/net.pth", path, sha256=SHA)
    assert path.read_bytes() == BODY


def test_a_part_of_another_file_is_thrown_away_and_begun_again(server, path):
    path.parent.mkdir()
    path.with_name("net.pth.part").write_bytes(b"x" * 1000)
    fetch(f"{server.url}/net.pth", path, sha256=SHA)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in server.requests] == ["bytes=1000-", None]


@pytest.mark.parametrize("part", [BODY, BODY + b"more"], ids=["complete", "too long"])
def test_a_part_as_long_as_the_file_is_checked_or_begun_again(server, path, part):
    path.parent.mkdir()
    path.with_name("net.pth.part").write_bytes(part)
    fetch(f"{server.url}/net.pth", path, sha256=SHA)
    assert path.read_bytes() == BODY


def test_a_wrong_hash_is_refused_and_thrown_away(server, path):
    with pytest.raises(ValueError, match=f"begins {SHA}, not 01234567.*thrown away"):
        fetch(f"{server.url}/net.pth", path, sha256="01234567")
    assert list(path.parent.iterdir()) == []


def test_an_absent_file_is_told(server, path):
    with pytest.raises(FileNotFoundError, match="other.pth does not exist.*404"):
        fetch(f"{server.url}/other.pth", path)


def test_a_broken_server_is_told(server, path):
    server.files["/net.pth"] = (BODY, "broken server")
    with pytest.raises(ConnectionError, match="answers 503; try again later"):
        fetch(f"{server.url}/net.pth", path)


def test_a_stall_is_given_up_and_what_came_is_kept(server, path):
    server.files["/net.pth"] = (BODY, "stalls")
    with pytest.raises(TimeoutError, match="no data for 1 seconds.*to resume"):
        fetch(f"{server.url}/net.pth", path, sha256=SHA, timeout=1)
    server.files["/net.pth"] = (BODY, "whole")
    fetch(f"{server.url}/net.pth", path, sha256=SHA)
    assert path.read_bytes() == BODY
    assert server.requests[-1][1] is not None


def _closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_machine_without_a_network_is_told(path):
    with pytest.raises(ConnectionError, match="is this machine offline"):
        fetch(f"http://127.0.0.1:{_closed_port()}/net.pth", path)


def test_an_unknown_host_is_told(path):
    with pytest.raises(ConnectionError, match="is this machine offline"):
        fetch("http://no-such-host.invalid/net.pth", path)


def test_a_broken_proxy_is_told(monkeypatch, path):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{_closed_port()}")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ConnectionError, match="through the proxy: check HTTPS_PROXY"):
        fetch("http://example.invalid/net.pth", path)


def test_the_loggers_of_other_libraries_are_left_alone(server, path):
    import pooch

    level = pooch.get_logger().level
    pooch.get_logger().setLevel(logging.DEBUG)
    try:
        fetch(f"{server.url}/net.pth", path, sha256=SHA)
        assert pooch.get_logger().level == logging.DEBUG
    finally:
        pooch.get_logger().setLevel(level)


def test_the_progress_bar_counts_the_bytes(server, path, capsys):
    fetch(f"{server.url}/net.pth", path)
    assert "net.pth: 100%" in capsys.readouterr().err
