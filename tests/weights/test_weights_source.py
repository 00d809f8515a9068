"""What people have as weights -> a converted file, made once and kept in the cache."""

import dataclasses
import hashlib
import json
import threading

import checkpoint_writers as write
import file_server
import numpy as np
import pytest

from jaxvis.nets import registry
from jaxvis.weights import load as weights
from jaxvis.weights.source import find_weights, hash_weights
from weights_convert import published, torchvision_files

NET = registry.build("demo")
STATE = write.random_state(NET)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Puts the cache folder into the test's own, and takes proxies away."""
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return tmp_path / "home"


@pytest.fixture
def checkpoint(tmp_path):
    """Returns a checkpoint of the demo network as torch writes it."""
    path = tmp_path / "model.pth"
    write.write_torch_zip(path, write.outer_first(NET, STATE))
    return path


@pytest.fixture
def known(checkpoint, monkeypatch):
    """Returns a published file: the checkpoint, entered into the table under its sha256."""
    file = f"demo-{hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:8]}.pth"
    source = dataclasses.replace(torchvision_files.SOURCES["alexnet"], net="demo", file=file)
    monkeypatch.setitem(torchvision_files.SOURCES, "demo_v1", source)
    return source


def assert_loaded(params, state=STATE):
    for row, leaves in state.items():
        for leaf, array in leaves.items():
            np.testing.assert_array_equal(params[row][leaf], array)


def list_kept(home):
    return sorted(path.name for path in (home / "converted").iterdir())


def test_a_checkpoint_is_converted_once_and_kept(checkpoint, home, monkeypatch):
    sha256 = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    first = weights.load_network("demo", weights=checkpoint)
    assert_loaded(first.params)
    (kept,) = list_kept(home)
    assert (first.weights, first.sha256) == (str(checkpoint), sha256)
    assert first.notes == (
        f"{checkpoint} was converted to demo; kept as {home / 'converted' / kept}",
    )
    monkeypatch.setattr("weights_convert.convert", None)  # it is not called again
    again = weights.load_network("demo", weights=str(checkpoint))
    assert_loaded(again.params)
    assert (again.weights, again.sha256, again.notes) == (str(checkpoint), sha256, ())
    assert list_kept(home) == [kept]


def test_a_file_that_changes_is_converted_again(checkpoint, home):
    weights.load("demo", weights=checkpoint)
    other = write.random_state(NET, seed=1)
    write.write_torch_stream(checkpoint, write.outer_first(NET, other))
    assert_loaded(weights.load("demo", weights=checkpoint)[1], other)
    assert len(list_kept(home)) == 2


def test_the_same_content_elsewhere_is_the_same_weights(checkpoint, home, tmp_path):
    weights.load("demo", weights=checkpoint)
    copy = tmp_path / "copy.ckpt"
    copy.write_bytes(checkpoint.read_bytes())
    assert weights.load_network("demo", weights=copy).notes == ()
    assert len(list_kept(home)) == 1


def test_a_safetensors_file_is_told_apart_by_what_it_says(tmp_path, home):
    from safetensors.numpy import save_file

    path = tmp_path / "model.safetensors"
    save_file(write.outer_first(NET, STATE), path)
    found = weights.load_network("demo", weights=path)
    assert_loaded(found.params)
    kept = home / "converted" / list_kept(home)[0]
    direct = weights.load_network("demo", weights=kept)
    assert direct.notes == () and direct.sha256 == hashlib.sha256(kept.read_bytes()).hexdigest()


def test_a_cache_that_cannot_be_written_is_said(checkpoint, home):
    home.write_text("a file where the folder should be")
    found = weights.load_network("demo", weights=checkpoint)
    assert_loaded(found.params)
    (note,) = found.notes
    assert note.endswith(f"not kept: {home / 'converted'} cannot be written")


def test_those_who_convert_at_once_do_not_spoil_each_other(checkpoint, home):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(weights.load("demo", weights=checkpoint)[1]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for params in found:
        assert_loaded(params)
    assert len(list_kept(home)) == 1


def test_what_is_no_checkpoint_leaves_nothing_in_the_cache(tmp_path, home):
    path = tmp_path / "notes.txt"
    path.write_text("this is no checkpoint at all")
    with pytest.raises(ValueError, match="notes.txt is of no format"):
        weights.load("demo", weights=path)
    assert list_kept(home) == []


def test_a_checkpoint_of_another_network_lists_what_differs(checkpoint, home):
    with pytest.raises(ValueError, match="model.pth is not squeezenet1_1"):
        weights.load("squeezenet1_1", weights=checkpoint)
    assert list_kept(home) == []


def test_a_checkpoint_without_the_last_layers_does_for_earlier_taps(tmp_path, home):
    path = tmp_path / "features.pth"
    state = {row: leaves for row, leaves in STATE.items() if row != "fc8"}
    write.write_torch_zip(path, write.outer_first(NET, state))
    for _ in range(2):
        assert_loaded(weights.load("demo", weights=path, stop="relu4_2")[1], state)
    assert len(list_kept(home)) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere.pth", "there is no file nowhere.pth"),
        ("timm/resnet50.a1_in1k", "no file .*is written hf:timm/resnet50.a1_in1k"),
        ("torchvision:IMAGENET1K_V1", "no weights torchvision:IMAGENET1K_V1 of demo: name a file"),
    ],
)
def test_what_is_not_there_says_what_to_write(given, message):
    with pytest.raises((OSError, ValueError), match=message):
        weights.load("demo", weights=given)


def test_a_known_file_of_another_network_is_named(checkpoint, known):
    with pytest.raises(ValueError, match="model.pth is torchvision's demo, not squeezenet1_1"):
        weights.load("squeezenet1_1", weights=checkpoint)


def test_a_known_file_is_converted_as_its_publisher_says(checkpoint, known, monkeypatch):
    other = dataclasses.replace(known, preprocess="symmetric", stop="relu4_2")
    monkeypatch.setitem(torchvision_files.SOURCES, "demo_v1", other)
    net, params = weights.load("demo", weights=checkpoint)
    np.testing.assert_allclose(params["input"]["scale"], [2, 2, 2])
    np.testing.assert_allclose(params["input"]["shift"], [-1, -1, -1])
    assert "fc8" not in params and "conv4_2" in params


@pytest.mark.parametrize("tag", ["IMAGENET1K_V1", "DEFAULT", "Demo_Weights.IMAGENET1K_V1"])
def test_a_tag_is_downloaded_and_converted_once(checkpoint, known, tag, home, monkeypatch):
    body = checkpoint.read_bytes()
    checkpoint.unlink()
    with file_server.serve({f"/{known.file}": (body, "whole")}) as server:
        monkeypatch.setenv(published.MIRROR, server.url)
        first = weights.load_network("demo", weights=f"torchvision:{tag}")
    assert_loaded(first.params)
    assert "was downloaded and converted" in first.notes[0]
    again = weights.load_network("demo", weights=f"torchvision:{tag}")  # the server is gone
    assert again.notes == () and again.sha256 == hashlib.sha256(body).hexdigest()
    assert hash_weights("demo", f"torchvision:{tag}") == again.sha256
    assert list((home / "downloads").iterdir()) == []


def test_a_record_keeps_the_sha256_of_what_was_given(checkpoint, tmp_path):
    found = weights.load_network("demo", weights=checkpoint)
    assert hash_weights("demo", checkpoint) == found.sha256
    with find_weights("demo", None) as own:
        assert hash_weights("demo", None) == hashlib.sha256(own.path.read_bytes()).hexdigest()


def test_the_sha256_of_a_folder_is_that_of_what_a_network_is_made_of(tmp_path):
    folder = tmp_path / "model"
    (folder / ".git").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    before = hash_weights("demo", folder)
    for name in (".git/index", "optimizer.pt", "trainer_state.json"):
        (folder / name).write_text("something else")
        assert hash_weights("demo", folder) == before
    (folder / "config.json").write_text("[]")
    changed = hash_weights("demo", folder)
    (folder / "config.json").rename(folder / "other.json")
    assert len({before, changed, hash_weights("demo", folder)}) == 3


def test_a_folder_of_hugging_faces_is_converted_with_its_labels(tmp_path, home):
    from safetensors.numpy import save_file

    folder = tmp_path / "model"
    folder.mkdir()
    save_file(write.outer_first(NET, STATE), folder / "model.safetensors")
    names = {str(number): f"kind {number}" for number in range(20)}
    (folder / "config.json").write_text(json.dumps({"id2label": names}))
    found = weights.load_network("demo", weights=folder)
    assert_loaded(found.params)
    assert found.labels == tuple(names.values())
    assert (found.weights, found.sha256) == (str(folder), hash_weights("demo", folder))
    assert weights.load_network("demo", weights=folder).notes == ()
    assert len(list_kept(home)) == 1
