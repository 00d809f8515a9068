"""Repositories of the Hugging Face hub, from a server on this machine."""

import hashlib
import http.server
import json
import sys
import threading

import pytest

from weights_convert.hub import fetch_repository

constants = pytest.importorskip("huggingface_hub.constants")

COMMITS = {"main": "1" * 40, "v2": "2" * 40}
FILES = {
    "config.json": b'{"architecture": "resnet50"}',
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"the same, and twice the download",
    "README.md": b"words",
    "onnx/model.safetensors": b"of another program",
}


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does for one repository, OWNER/net."""

    def do_HEAD(self):
        """Answers without the content."""
        self.do_GET()

    def do_GET(self):
        """Answers one request."""
        self.server.requests.append(self.path)
        words = self.path.partition("?")[0].strip("/").split("/")
        files = self.server.files
        if words[:2] == ["api", "models"] and words[2:4] != ["OWNER", "net"]:
            return self.fail("RepoNotFound")
        if words[4:5] == ["revision"]:
            commit = COMMITS.get(words[5], words[5])
            if commit not in COMMITS.values():
                return self.fail("RevisionNotFound")
            siblings = [{"rfilename": name} for name in files]
            return self.answer({"id": "OWNER/net", "sha": commit, "siblings": siblings})
        if words[4:5] == ["tree"]:
            return self.answer(
                [
                    {"type": "file", "path": name, "size": len(body), "oid": name}
                    for name, body in files.items()
                ]
            )
        return self.send(files["/".join(words[4:])], words[3])

    def answer(self, value):
        """Sends JSON."""
        self.send(json.dumps(value).encode(), "")

    def send(self, body, commit):
        """Sends a file of a commit."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def fail(self, code):
        """Says that there is no such thing."""
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        """Says nothing: the tests look at `server.requests`."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Yields a hub with one repository; the cache folder is the test's own."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    running.files, running.requests = dict(FILES), []
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{running.server_port}")

    def stop():
        running.shutdown()
        thread.join()
        running.server_close()

    running.stop = stop
    yield running
    if thread.is_alive():
        stop()


def list_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_only_what_a_network_is_made_of_is_downloaded(server):
    folder = fetch_repository("hf:OWNER/net")
    assert list_files(folder) == ["config.json", "model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == b"weights"


def test_a_repository_of_torchs_files_alone_is_taken_too(server):
    del server.files["model.safetensors"]
    assert list_files(fetch_repository("hf:OWNER/net")) == ["config.json", "pytorch_model.bin"]


def test_a_revision_is_a_branch_or_tag(server):
    assert fetch_repository("hf:OWNER/net@v2").name == COMMITS["v2"]
    assert fetch_repository("hf:OWNER/net").name == COMMITS["main"]


def test_what_was_downloaded_is_found_without_a_network(server):
    folder = fetch_repository("hf:OWNER/net")
    server.stop()
    assert fetch_repository("hf:OWNER/net") == folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hf:OWNER/other", "no repository hf:OWNER/other"),
        ("hf:OWNER/net@v3", "no revision hf:OWNER/net@v3"),
        ("hf:", "is no repository: write hf:OWNER/NAME"),
        ("hf:a/b/c", "hf:a/b/c is no repository"),
        ("hf:../..", "hf:"),
    ],
)
def test_a_mistake_is_told_in_one_line(server, text, message):
    with pytest.raises((OSError, ValueError), match=message) as caught:
        fetch_repository(text)
    assert "\n" not in str(caught.value)


def test_a_repository_without_weights_is_told(server):
    server.files = {"README.md": b"words", "config.json": b"{}"}
    with pytest.raises(FileNotFoundError, match="hf:OWNER/net has no weights"):
        fetch_repository("hf:OWNER/net")


def test_a_machine_without_a_network_is_told(server):
    server.stop()
    with pytest.raises(ConnectionError, match="is this machine offline"):
        fetch_repository("hf:OWNER/net")


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", None)
    with pytest.raises(ValueError, match=r'pip install "jaxvis\[hub\]"'):
        fetch_repository("hf:OWNER/net")
