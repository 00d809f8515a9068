"""Truncated, empty and wrong files each get their own message; nothing is written."""

import checkpoint_writers as write
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from test_convert_formats import FORMATS

from weights_convert import convert
from weights_convert.readers.detect import read


def refuses(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        convert([path], net=write.tiny_net(), out=path.with_suffix(".out"))
    assert str(path.name) in str(caught.value)
    assert not path.with_suffix(".out").exists()


def net_state_flat():
    net = write.tiny_net()
    state = write.random_state(net)
    return net, state, write.outer_first(net, state)


@pytest.mark.parametrize("suffix", ["pth", "safetensors", "npz", "h5", "caffemodel", "mat"])
def test_an_empty_file_says_so(tmp_path, suffix):
    path = tmp_path / f"net.{suffix}"
    path.touch()
    refuses(path, "is empty: fetch it again")


def test_a_missing_file_and_a_folder_say_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.pth"):
        read(tmp_path / "nowhere.pth")
    with pytest.raises(ValueError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"hello, world, this is no checkpoint", "of no format"),
    ],
    ids=["html", "lfs", "text"],
)
def test_files_that_are_no_checkpoints_are_told_apart(tmp_path, content, message):
    path = tmp_path / "net.weights"
    path.write_bytes(content)
    refuses(path, message)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("part", [0.03, 0.6, 0.99])
def test_truncated_files_of_every_format_are_refused(tmp_path, name, part):
    if name.endswith((".h5", ".keras", "73.mat")):
        pytest.importorskip("h5py")
    net, state, _ = net_state_flat()
    path = tmp_path / name
    FORMATS[name](path, net, state)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    refuses(path, "truncated|no format|not laid out|differ")


@pytest.mark.parametrize(
    "name",
    [
        "zip.pth",
        "stream.pth",
        "caffe.npz",
        "v2.caffemodel",
        "v1.caffemodel",
        "torch.safetensors",
        "new.mat",
    ],
)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_flipped_bytes_raise_only_value_errors(tmp_path_factory, name, data):
    net, state, _ = net_state_flat()
    path = tmp_path_factory.mktemp("fuzz") / name
    FORMATS[name](path, net, state)
    body = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        edge = min(len(body), data.draw(st.sampled_from([400, 4000, 10**6])))
        at = data.draw(st.integers(0, edge - 1))
        at = len(body) - 1 - at if data.draw(st.booleans()) else at
        body[at] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(body))
    try:
        convert([path], net=net, out=path.with_suffix(".out"))
    except ValueError as error:
        assert path.name in str(error)
        assert not path.with_suffix(".out").exists()


def test_values_that_are_not_finite_are_named_by_layer(tmp_path):
    net, state, _ = net_state_flat()
    state["conv2"]["kernel"][0, 0, 0, :2] = np.nan
    state["fc7"]["bias"][1] = np.inf
    path = tmp_path / "net.pth"
    write.write_torch_zip(path, write.outer_first(net, state))
    message = r"(?s)not finite.*conv2 \(conv2.weight\): 2 of 108.*fc7 \(fc7.bias\): 1 of 3"
    refuses(path, message)


def test_every_difference_is_listed_with_both_shapes(tmp_path):
    _, _, flat = net_state_flat()
    del flat["conv1.bias"], flat["fc7.weight"]
    flat["conv9.weight"] = np.zeros((2, 2, 3, 3), np.float32)
    flat["conv2.weight"] = np.zeros((6, 4, 3, 3), np.float32)
    flat["fc6.weight"] = np.zeros((5, 35), np.float32)
    save_file(flat, tmp_path / "net.safetensors")
    with pytest.raises(ValueError) as caught:
        convert([tmp_path / "net.safetensors"], net=write.tiny_net(), out=tmp_path / "out")
    lines = str(caught.value).splitlines()
    assert "net.safetensors is not tiny: 5 names differ; nothing was written" in lines[0]
    assert sorted(line.strip() for line in lines[1:]) == [
        "extra conv9.weight (2, 2, 3, 3) in net.safetensors",
        "misshaped conv2.weight: (6, 4, 3, 3) in the file, conv2/kernel needs (6, 2, 3, 3)",
        "misshaped fc6.weight: (5, 35) in the file, fc6/kernel needs (5, 36)",
        "missing conv1/bias (4,)",
        "missing fc7/kernel (5, 3)",
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_a_failed_conversion_leaves_the_old_file_alone(tmp_path):
    net, state, flat = net_state_flat()
    write.write_torch_zip(tmp_path / "net.pth", flat)
    out = convert([tmp_path / "net.pth"], net=net, out=tmp_path / "o.safetensors")
    before = out.read_bytes()
    flat["fc7.bias"][0] = np.nan
    write.write_torch_zip(tmp_path / "net.pth", flat)
    with pytest.raises(ValueError, match="not finite"):
        convert([tmp_path / "net.pth"], net=net, out=out, overwrite=True)
    assert out.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"net.pth", "o.safetensors"}


def test_one_name_in_two_files_is_refused(tmp_path):
    net, state, flat = net_state_flat()
    for name in ("a.pth", "b.pth"):
        write.write_torch_zip(tmp_path / name, flat)
    with pytest.raises(ValueError, match="twice conv1/kernel"):
        convert([tmp_path / "a.pth", tmp_path / "b.pth"], net=net, out=tmp_path / "o")


def test_a_dag_network_is_refused_in_words(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "dag.mat", {"params": np.zeros(3), "layers": np.zeros(3)})
    refuses(tmp_path / "dag.mat", "is a DagNN")


def test_a_converted_file_is_not_converted_twice(tmp_path):
    net, _, flat = net_state_flat()
    write.write_torch_zip(tmp_path / "net.pth", flat)
    out = convert([tmp_path / "net.pth"], net=net, out=tmp_path / "o.safetensors")
    refuses(out, "is converted already")
