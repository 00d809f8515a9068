"""Inputs and weights that are no longer what a record says."""

from hashlib import sha256

import pytest

from jaxvis.cli.checksums import hash_inputs
from jaxvis.cli.flags import NetworkFlags
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.rerun_check import list_changes_of_inputs


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    """Runs in a folder with a file and a folder of two."""
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("x.png", "photos/a.png", "photos/b.png"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_nothing_has_changed():
    kept = {"inputs": hash_inputs("x.png", "photos", "chelsea")}
    assert list_changes_of_inputs(kept) == [] == list_changes_of_inputs({})


def test_every_change_is_named(work):
    kept = {"inputs": hash_inputs("x.png", "photos", "chelsea")}
    (work / "x.png").unlink()
    (work / "photos/a.png").rename(work / "photos/c.png")
    (work / "photos/b.png").write_bytes(b"other")
    (work / "chelsea").write_bytes(b"mine")
    assert list_changes_of_inputs(kept) == [
        "x.png is not here",
        "photos/a.png is not here",
        "photos/c.png is new",
        "photos/b.png has changed",
        "chelsea has changed",
    ]


def test_a_folder_that_is_gone_or_empty_is_named(work):
    kept = {"inputs": hash_inputs("photos")}
    for path in (work / "photos").iterdir():
        path.unlink()
    assert list_changes_of_inputs(kept) == ["photos cannot be read"]
    (work / "photos").rmdir()
    assert list_changes_of_inputs(kept) == ["photos is not here"]


def test_weights_are_those_of_the_record(work):
    (work / "w.safetensors").write_bytes(b"weights")
    network = {
        "name": "vgg19",
        "weights": "w.safetensors",
        "sha256": sha256(b"weights").hexdigest(),
    }
    assert list_changes_of_inputs({"network": network}) == []
    (work / "w.safetensors").write_bytes(b"others")
    assert list_changes_of_inputs({"network": network}) == ["w.safetensors have changed"]
    (work / "w.safetensors").unlink()
    assert list_changes_of_inputs({"network": network}) == ["w.safetensors are not here"]
    network["weights"] = "cached"
    assert list_changes_of_inputs({"network": network}) == ["the weights of vgg19 are not here"]


def test_the_embedded_and_drawn_weights_need_no_file():
    for weights in (None, "random:0"):
        found = describe_network(open_net("demo", NetworkFlags(weights=weights)))
        network = {"name": found["net"], **found}
        assert list_changes_of_inputs({"network": network}) == []
        network["sha256"] = network["sha256"] and "00"
        wanted = ["the weights of demo have changed"] if weights is None else []
        assert list_changes_of_inputs({"network": network}) == wanted
