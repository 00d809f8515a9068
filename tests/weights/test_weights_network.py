"""All that is known of a network and its file, together; and where weights may come from."""

import hashlib
import os

import checkpoint_writers as write
import chex
import jax
import numpy as np
import pytest

from jaxvis.nets.random import random_params
from jaxvis.weights import file as weights_file
from jaxvis.weights import load as weights
from jaxvis.weights.source import find_weights

FACTS = {"labels": '["a", "b, c"]', "source": '["x.pth"]', "preprocess": "unit"}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Puts the cache folder into the test's own."""
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def net():
    return write.tiny_net()


@pytest.fixture
def file(net, tmp_path):
    """Returns a converted file of a small network."""
    path = tmp_path / "net.safetensors"
    weights_file.save(path, net, random_params(net, jax.random.key(0)), facts=FACTS)
    return path


def test_a_file_gives_all_it_has_together(net, file):
    found = weights_file.read_file(file, net)
    chex.assert_trees_all_equal(found.params, weights_file.read(file, net))
    assert found.labels == weights_file.read_labels(file) == ("a", "b, c")
    assert found.metadata == weights_file.read_metadata(file)
    assert found.metadata["source"] == '["x.pth"]'
    assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert weights_file.read_file(file, net, with_sha256=False).sha256 is None


def test_the_demo_network_is_loaded_with_its_facts():
    found = weights.load_network("demo")
    net, params = weights.load("demo")
    assert found.net == net and found.weights == "embedded"
    chex.assert_trees_all_equal(found.params, params)
    assert found.labels == weights.labels_of("demo")
    with find_weights("demo", None) as found_file:
        path = found_file.path
        assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert found.metadata == weights_file.read_metadata(path)


def test_where_weights_came_from_is_said(tmp_path):
    with find_weights("demo", None) as found_file:
        copy = tmp_path / "copy.safetensors"
        copy.write_bytes(found_file.path.read_bytes())
    assert weights.load_network("demo", weights=copy).weights == str(copy)
    assert weights.load_network("hog").weights == "none"
    drawn = weights.load_network("demo", weights="random:3")
    assert (drawn.weights, drawn.sha256, drawn.labels, drawn.metadata) == ("random:3", None, (), {})
    assert weights.load_network("demo", weights=jax.random.key(3)).weights == "random"


def test_random_and_a_seed_is_the_key_of_the_seed():
    _, params = weights.load("demo", weights="random:3")
    _, same = weights.load("demo", weights=jax.random.key(3))
    chex.assert_trees_all_equal(params, same)
    assert weights.labels_of("demo", weights="random:3") == ()


@pytest.mark.parametrize(
    "text", ["random", "random:", "random:x", "random:-1", "random:9999999999"]
)
def test_another_seed_is_refused_with_how_to_write_it(text):
    with pytest.raises(ValueError, match=f"'{text}': write random:SEED, such as random:0"):
        weights.load("demo", weights=text)


@pytest.mark.parametrize("value", [0, 1.5, np.arange(3), jax.random.PRNGKey(0), ["a"]], ids=str)
def test_what_is_neither_a_path_nor_a_key_is_refused(value):
    with pytest.raises(ValueError, match='a path, "random:0", None or a typed key: jax.random.key'):
        weights.load("demo", weights=value)


def test_numbers_that_changed_after_writing_are_refused_by_name(net, file):
    body = file.read_bytes()
    kernel = np.asarray(weights_file.read(file, net)["conv2"]["kernel"]).tobytes()
    at = body.index(kernel) + 17
    file.write_bytes(body[:at] + bytes([body[at] ^ 4]) + body[at + 1 :])
    with pytest.raises(ValueError, match="net.safetensors is damaged: the numbers of conv2/kernel"):
        weights_file.read(file, net)
    assert "conv1" in weights_file.read(file, net, stop="pool1")


@pytest.mark.parametrize("old, new", [(b"b, c", b"b; c"), (b"x.pth", b"y.pth"), (b"unit", b"unix")])
def test_words_that_changed_after_writing_are_refused(net, file, old, new):
    body = file.read_bytes()
    assert body.count(old) == 1
    file.write_bytes(body.replace(old, new))
    for read in (weights_file.read_metadata, weights_file.read_labels):
        with pytest.raises(ValueError, match="net.safetensors is damaged: what it says of itself"):
            read(file)
    with pytest.raises(ValueError, match="net.safetensors is damaged: what it says of itself"):
        weights_file.read(file, net)


def test_every_flipped_bit_of_a_file_is_seen_or_harmless(net, file):
    body, good = file.read_bytes(), weights_file.read_file(file, net, with_sha256=False)
    draw, seen = np.random.default_rng(0), 0
    for at in draw.choice(len(body), 300, replace=False):
        file.write_bytes(body[:at] + bytes([body[at] ^ 1 << at % 8]) + body[at + 1 :])
        try:
            found = weights_file.read_file(file, net, with_sha256=False)
        except ValueError:
            seen += 1
            continue
        # Only what the file is not read for may differ, such as the name of a checksum.
        assert jax.tree.all(jax.tree.map(np.array_equal, found.params, good.params))
        assert found.labels == good.labels
    assert seen > 250


def test_files_without_checksums_are_read(net, file):
    from safetensors.numpy import load_file, save_file

    facts = weights_file.read_metadata(file)
    del facts["crc32"]
    save_file(load_file(file), file, metadata=facts)
    assert weights_file.read_labels(file) == ("a", "b, c")


@pytest.mark.parametrize("kind", [np.float32, np.float16, "bfloat16"])
def test_every_precision_has_its_checksum(net, tmp_path, kind):
    params = jax.tree.map(lambda leaf: leaf.astype(kind), random_params(net, jax.random.key(0)))
    path = tmp_path / "half.safetensors"
    weights_file.save(path, net, params)
    weights_file.read(path, net)
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(bytes(body))
    with pytest.raises(ValueError, match="damaged: the numbers of"):
        weights_file.read(path, net)


def test_equal_parameters_give_equal_bytes(net, tmp_path):
    params = random_params(net, jax.random.key(0))
    for name, facts in (("a", FACTS), ("b", dict(reversed(FACTS.items())))):
        weights_file.save(tmp_path / name, net, dict(reversed(params.items())), facts=facts)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "key, text",
    [
        *(("labels", text) for text in ("5", "[1, 2, 3]", '{"a": 1}', "null", "[" * 100_000, "x")),
        *(("crc32", text) for text in ("[]", "null", "x")),
        ("stop", "pool9"),
    ],
)
def test_malformed_metadata_are_told_with_the_files_name(net, file, key, text):
    from safetensors.numpy import load_file, save_file

    facts = weights_file.read_metadata(file)
    del facts["crc32"]  # it holds the sum of the others
    facts |= {key: text}
    save_file(load_file(file), file, metadata=facts)
    with pytest.raises(ValueError, match="net.safetensors"):
        weights_file.read_file(file, net)


def test_names_in_a_file_are_shown_escaped_and_cut(net, file):
    from safetensors.numpy import load_file, save_file

    evil = "\x1b[31m\nerror: forged" + "x" * 100
    save_file({evil: np.zeros(2, np.float32), **load_file(file)}, file, metadata={"net": "tiny"})
    with pytest.raises(
        ValueError, match=r"extra \\x1b\[31m\\nerror: forgedx+\.\.\. \(2,\)"
    ) as caught:
        weights_file.read(file, net)
    assert "\x1b" not in str(caught.value)
    save_file({"a": np.zeros(2, np.float32)}, file, metadata={"net": evil})
    with pytest.raises(ValueError, match=r"holds weights of \\x1b\[31m") as caught:
        weights_file.read(file, net)
    assert "\x1b" not in str(caught.value)


def test_a_pipe_is_not_waited_for(net, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is a pipe or a device"):
        weights_file.read(tmp_path / "pipe", net)


def test_a_folder_that_is_not_there_is_named(net, tmp_path):
    path = tmp_path / "nowhere" / "net.safetensors"
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere to write net.safetensors"):
        weights_file.save(path, net, random_params(net, jax.random.key(0)))


def test_complex_numbers_are_not_written(net, tmp_path):
    params = jax.tree.map(lambda leaf: leaf.astype(complex), random_params(net, jax.random.key(0)))
    with pytest.raises(ValueError, match="only real numbers are written"):
        weights_file.save(tmp_path / "net.safetensors", net, params)
    assert list(tmp_path.iterdir()) == []
