"""The network that a command was asked for, and where its weights came from."""

import hashlib

import checkpoint_writers as write
import chex
import jax
import pytest

from jaxvis.cli.flags import NetworkFlags
from jaxvis.cli.opening import describe_network, open_net
from jaxvis.cli.rerun_check import list_changes_of_inputs
from jaxvis.nets import build
from jaxvis.weights import file as weights_file
from jaxvis.weights import load as weights


def test_open_net_draws_random_parameters_from_the_seed():
    opened = open_net("demo", NetworkFlags(weights="random:3"))
    net, params = weights.load("demo", weights=jax.random.key(3))
    assert opened.net == net and opened.weights == "random:3"
    assert opened.sha256 is None and opened.labels == ()
    chex.assert_trees_all_equal(opened.params, params)


def test_open_net_says_which_file_the_parameters_came_from(tmp_path):
    net, params = weights.load("demo", weights=jax.random.key(3))
    file = tmp_path / "demo.safetensors"
    weights_file.save(file, net, params, facts={"labels": '["a", "b"]'})
    opened = open_net("demo", NetworkFlags(weights=str(file)))
    assert opened.weights == str(file) and opened.labels == ("a", "b")
    assert opened.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("text", ["random", "random:", "random:x", "random:-1"])
def test_open_net_wants_a_seed_for_random_parameters(text):
    with pytest.raises(ValueError, match="random:SEED"):
        open_net("squeezenet1_1", NetworkFlags(weights=text))


@pytest.mark.parametrize("name", ["none.safetensors", "random_net.safetensors"])
def test_open_net_of_a_missing_file_is_an_os_error(name):
    with pytest.raises(FileNotFoundError, match=name):
        open_net("squeezenet1_1", NetworkFlags(weights=name))


def test_open_net_says_on_stderr_what_it_converted(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    net = build("demo")
    path = tmp_path / "model.pth"
    write.write_torch_zip(path, write.outer_first(net, write.random_state(net)))
    for times in (1, 0):
        opened = open_net("demo", NetworkFlags(weights=str(path)))
        out, err = capsys.readouterr()
        assert err.count(f"{path} was converted to demo; kept as ") == times and not out
    facts = describe_network(opened)
    assert facts["weights"] == str(path)
    assert facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list_changes_of_inputs({"network": {"name": "demo", **facts}}) == []
    path.write_bytes(path.read_bytes() + b" ")
    changed = list_changes_of_inputs({"network": {"name": "demo", **facts}})
    assert changed == [f"{path} have changed"]


def test_flags_give_random_weights_their_classes_channels_and_labels(tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\nbird\n")
    flags = NetworkFlags(
        weights="random:0", classes_count=3, channels=1, labels=str(tmp_path / "names.txt")
    )
    opened = open_net("squeezenet1_1", flags)
    assert opened.net == build("squeezenet1_1", classes=3, channels=1)
    assert opened.labels == ("cat", "dog", "bird")
