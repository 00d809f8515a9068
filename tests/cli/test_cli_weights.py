"""jaxvis weights get, weights list and convert, through the command line."""

import dataclasses
import hashlib
import shlex
import subprocess
import sys

import checkpoint_writers as write
import file_server
import numpy as np
import pytest

from jaxvis.cli import main
from jaxvis.nets import registry
from jaxvis.weights import file as weights_file
from jaxvis.weights import load as weights
from jaxvis.weights.cache import cache_path
from weights_convert.published import MIRROR
from weights_convert.torchvision_files import SOURCES

NAME = "squeezenet1_1"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Puts the cache folder into the test's own, and takes proxies away."""
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return tmp_path / "home"


@pytest.fixture(scope="module")
def state():
    """Returns random parameters of the smallest network that torchvision has."""
    return write.random_state(registry.build(NAME))


def torch_names(state):
    """Returns the state with torchvision's names and arrangement."""
    net = registry.build(NAME)
    flat = write.outer_first(net, state)
    table = {"conv1": "features.0", "conv10": "classifier.1"}
    for number, index in zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12)):
        for part in ("squeeze1x1", "expand1x1", "expand3x3"):
            theirs = part.replace("squeeze1x1", "squeeze")
            table[f"fire{number}/{part}"] = f"features.{index}.{theirs}"
    named = {}
    for name, array in flat.items():
        row, _, leaf = name.rpartition(".")
        named[f"{table[row]}.{leaf}"] = array
    return named


@pytest.fixture(scope="module")
def body(state, tmp_path_factory):
    """Returns the bytes of torchvision's file."""
    path = tmp_path_factory.mktemp("torch") / "net.pth"
    write.write_torch_zip(path, torch_names(state))
    return path.read_bytes()


@pytest.fixture
def server(body, monkeypatch):
    """Yields a mirror that has the file, under a name with its own sha256."""
    file = f"{NAME}-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    source = dataclasses.replace(SOURCES[NAME], file=file)
    monkeypatch.setitem(SOURCES, NAME, source)
    with file_server.serve({f"/models/{file}": (body, "whole")}) as running:
        running.path = f"/models/{file}"
        running.folder = f"{running.url}/models"
        yield running


def run(*words):
    return main([str(word) for word in words])


def test_get_downloads_and_converts_so_that_load_finds_it(server, state, home, capsys):
    assert run("weights", "get", NAME, "--url", server.folder) == 0
    assert f"{cache_path(NAME)} (4.9 MB)" in capsys.readouterr().out
    _, params = weights.load(NAME)
    for row, leaves in state.items():
        np.testing.assert_array_equal(params[row]["kernel"], leaves["kernel"])
    facts = weights_file.read_metadata(cache_path(NAME))
    assert facts["preprocess"].startswith("rgb:1:0.485,0.456,0.406:0.229")
    assert list((home / "downloads").iterdir()) == []


def test_get_says_how_another_version_is_used(server, monkeypatch, capsys):
    other = dataclasses.replace(SOURCES[NAME], tag="torchvision:OTHER")
    monkeypatch.setitem(SOURCES, "other", other)
    assert run("weights", "get", "other", "--url", server.folder) == 0
    message = f"these are weights of {NAME}: use them with --weights torchvision:OTHER"
    assert message in capsys.readouterr().out
    assert weights.load(NAME, weights=cache_path("other"))[0].name == NAME
    assert weights.load_network(NAME, weights="torchvision:OTHER").notes == ()


def test_get_takes_the_mirror_from_the_environment_too(server, monkeypatch, home):
    monkeypatch.setenv(MIRROR, server.folder + "/")
    assert run("weights", "get", NAME, "--keep") == 0
    assert cache_path(NAME).exists()
    assert [file.suffix for file in (home / "downloads").iterdir()] == [".pth"]


def test_get_does_nothing_twice_unless_it_is_told_to(server, capsys):
    for _ in range(2):
        assert run("weights", "get", NAME, "--url", server.folder) == 0
    assert "is there already" in capsys.readouterr().out
    assert len(server.requests) == 1
    words = ("weights", "get", NAME, "--url", server.folder, "--overwrite")
    assert run(*words) == 0
    assert len(server.requests) == 2


def test_a_truncated_download_is_told_and_resumed(server, body, capsys):
    server.files[server.path] = (body, "breaks off")
    assert run("weights", "get", NAME, "--url", server.folder) == 2
    error = capsys.readouterr().err
    assert "broke off" in error and "run it again to resume" in error
    assert not cache_path(NAME).exists()
    server.files[server.path] = (body, "whole")
    assert run("weights", "get", NAME, "--url", server.folder) == 0
    assert server.requests[-1][1].startswith("bytes=")
    assert cache_path(NAME).exists()


def test_a_wrong_hash_is_told_and_nothing_is_kept(server, body, home, capsys):
    server.files[server.path] = (body[:-1] + b"x", "whole")
    assert run("weights", "get", NAME, "--url", server.folder) == 2
    assert "the sha256 begins" in capsys.readouterr().err
    assert not cache_path(NAME).exists()
    assert list((home / "downloads").iterdir()) == []


@pytest.mark.parametrize(
    "how, message",
    [
        ("absent", "does not exist on the server (404)"),
        ("broken server", "answers 503"),
        ("stalls", "no data for 1 seconds"),
    ],
)
def test_a_failing_server_is_told_in_one_line(server, body, capsys, how, message):
    server.files[server.path] = (body, how)
    if how == "absent":
        server.files.clear()
    words = ("weights", "get", NAME, "--url", server.folder, "--timeout", "1")
    assert run(*words) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("jaxvis: error: ") and message in last


def test_a_machine_without_a_network_is_told(server, capsys):
    server.server_close()
    url = "http://127.0.0.1:9/models"
    assert run("weights", "get", NAME, "--url", url) == 2
    assert "is this machine offline?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, message",
    [
        ("googlenet", "torchvision's GoogLeNet is another network"),
        ("googlenet", "jaxvis convert bvlc_googlenet.caffemodel --net googlenet"),
        ("caffenet", "convert bvlc_reference_caffenet.caffemodel --net caffenet"),
        ("demo", "is part of the package"),
        ("vgg99", "no weights called 'vgg99'; there are alexnet, vgg11"),
    ],
)
def test_what_cannot_be_got_is_told_with_the_way_out(name, message, capsys):
    assert run("weights", "get", name) == 2
    assert message in capsys.readouterr().err


def test_list_shows_what_can_be_got_and_what_is_here(server, capsys):
    assert run("weights", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line.split() for line in lines if line.startswith("resnet50_v2"))
    assert row == [
        *("resnet50_v2", "resnet50", "torchvision:IMAGENET1K_V2", "80.9", "95.4"),
        *("resnet50-11ad3fa6.pth", "-"),
    ]
    assert len(lines) > len(SOURCES)
    assert run("weights", "get", NAME, "--url", server.folder) == 0
    capsys.readouterr()
    run("weights", "list")
    row = next(r for r in capsys.readouterr().out.splitlines() if r.startswith(NAME))
    assert row.endswith(str(cache_path(NAME)))


def test_convert_writes_the_file_that_is_asked_for(state, tmp_path, capsys):
    path, out = tmp_path / "net.npz", tmp_path / "net.safetensors"
    np.savez(path, **write.caffe_flat(registry.build(NAME), state))
    assert run("convert", path, "--net", NAME, "--out", out) == 0
    assert f"{out} (4.9 MB)" in capsys.readouterr().out
    _, params = weights.load(NAME, weights=out)
    wanted = state["conv1"]["kernel"][:, :, ::-1]
    np.testing.assert_array_equal(params["conv1"]["kernel"], wanted)


def test_convert_writes_into_the_cache_and_replaces_only_when_told(state, tmp_path, capsys):
    half = {True: {}, False: {}}
    for name, array in write.caffe_flat(registry.build(NAME), state).items():
        half["fire" in name][name] = array
    for which, part in half.items():
        np.savez(tmp_path / f"{which}.npz", **part)
    words = (tmp_path / "True.npz", tmp_path / "False.npz", "--net", NAME)
    assert run("convert", *words) == 0
    assert weights.load(NAME)[0].name == NAME
    assert run("convert", *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{cache_path(NAME)} exists already" in line and "--overwrite" in line
    assert run("convert", *words, "--overwrite") == 0


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere.pth", "--net", NAME], "nowhere.pth: No such file or directory"),
        (["{file}", "--net", "vgg99"], "no network is called 'vgg99'"),
        (["{file}", "--net", NAME], "is of no format that is read here"),
    ],
)
def test_convert_tells_mistakes_in_one_line(tmp_path, capsys, words, message):
    (tmp_path / "text.txt").write_text("this is no checkpoint at all")
    words = [word.format(file=tmp_path / "text.txt") for word in words]
    assert run("convert", *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_closed_output_is_no_fault_of_the_program():
    command = f"exec {shlex.quote(sys.executable)} -m jaxvis weights list >&-"
    ran = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_names_of_files_reach_the_terminal_escaped(tmp_path, capsys):
    path = tmp_path / "\x1b[31mred\nerror: forged.pth"
    for make in (lambda: None, lambda: path.write_bytes(b"no checkpoint")):
        make()
        words = ["convert", str(path), "--net", NAME, "--out", str(tmp_path / "out.safetensors")]
        assert main(words) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and error.strip().isprintable()
