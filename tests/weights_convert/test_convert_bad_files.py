"""Truncated, empty, wrong and lying files each get their own message, and no memory."""

import io
import struct
import tracemalloc
import zipfile

import checkpoint_writers as write
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from test_convert_formats import FORMATS

from weights_convert import convert
from weights_convert.readers import read

HUGE = 10 * 10**9
MEGABYTES = 20


@pytest.fixture
def frugal():
    """Fails a test that allocates more than a few megabytes."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak < MEGABYTES, f"{peak:.0f} MB were allocated"


def refuses(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        convert([path], net=write.tiny_net(), out=path.with_suffix(".out"))
    assert str(path.name) in str(caught.value)
    assert not path.with_suffix(".out").exists()


def net_state_flat():
    net = write.tiny_net()
    state = write.random_state(net)
    return net, state, write.outer_first(net, state)


@pytest.mark.parametrize(
    "suffix", ["pth", "safetensors", "npz", "h5", "caffemodel", "mat"]
)
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
    if name.endswith((".h5", "73.mat")):
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


def test_zip_storage_that_claims_too_much_is_refused(tmp_path, frugal):
    path = tmp_path / "net.pth"
    shape, array = (50_000, 50_000), np.zeros(6, np.float32)
    body = b"\x80\x02}" + write._text("conv1.weight")
    body += write.tensor_pickle("0", array, shape=shape, numel=2_500_000_000) + b"s."
    write.write_torch_zip(path, {"conv1.weight": array}, pickle=body)
    refuses(path, "claims 10000000000 bytes, the file has 24")


def test_zip_directory_that_claims_too_much_is_refused(tmp_path, frugal):
    path = tmp_path / "net.pth"
    write.write_torch_zip(path, net_state_flat()[2])
    body = bytearray(path.read_bytes())
    at = body.index(b"PK\x01\x02", body.index(b"PK\x01\x02") + 100)
    body[at + 20 : at + 28] = struct.pack("<II", 4_000_000_000, 4_000_000_000)
    path.write_bytes(bytes(body))
    refuses(path, "claims 40000.* bytes, the file has")


def test_zip_pickle_that_inflates_without_end_is_refused(tmp_path, frugal):
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("net/data.pkl", "w") as entry:
            for _ in range(80):
                entry.write(bytes(1 << 20))
    refuses(path, "too many for the description")


def test_compressed_storages_are_refused(tmp_path):
    path = tmp_path / "net.pth"
    write.write_torch_zip(path, net_state_flat()[2], compression=zipfile.ZIP_DEFLATED)
    refuses(path, "is compressed, which torch never does")


def test_other_zip_files_and_programs_are_refused(tmp_path):
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refuses(path, "neither torch's nor NumPy's")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"")
        archive.writestr("net/constants.pkl", b"")
    refuses(path, "TorchScript")


@pytest.mark.parametrize("count", [2_500_000_000, -1, 2**62])
def test_stream_storage_that_claims_too_much_is_refused(tmp_path, frugal, count):
    path = tmp_path / "net.pth"
    array = np.zeros(6, np.float32)
    write.write_torch_stream(path, {"conv1.weight": array})
    body = path.read_bytes()
    path.write_bytes(body[:-32] + struct.pack("<q", count) + body[-24:])
    refuses(path, "truncated or damaged|is damaged")


def test_safetensors_that_claim_too_much_are_refused(tmp_path, frugal):
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", HUGE) + b"{}" + bytes(100))
    refuses(path, "header claims 10000000000 bytes, the file has 110")
    header = b'{"conv1.weight":{"dtype":"F32","shape":[50000,50000],'
    header += b'"data_offsets":[0,10000000000]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(100))
    refuses(path, "damaged or truncated")


def _huge_npy():
    out = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (50_000, 50_000)}
    np.lib.format.write_array_header_1_0(out, shape)
    return out.getvalue() + bytes(100)


def test_npz_arrays_that_claim_too_much_are_refused(tmp_path, frugal):
    path = tmp_path / "net.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conv1/weight.npy", _huge_npy())
    refuses(path, r"claims 10000000128 bytes \(50000, 50000\)")
    body = bytearray(path.read_bytes())
    at = body.index(b"PK\x01\x02")
    body[at + 20 : at + 28] = struct.pack("<II", 4_000_000_000, 4_000_000_000)
    path.write_bytes(bytes(body))
    refuses(path, "truncated or damaged")


def test_npz_with_python_objects_is_refused(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, **{"conv1/weight": np.array([{}], object)})
    refuses(path, "holds Python objects, which may run code; refused")


def test_honest_but_huge_arrays_are_refused_before_they_are_read(tmp_path, frugal):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("conv1/kernel:0", (50_000, 50_000), "f4", chunks=(100, 100))
    refuses(path, r"misshaped conv1/kernel: \(50000, 50000\) in the file")


def test_caffemodels_that_claim_too_much_are_refused(tmp_path, frugal):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(write.field(1, b"net") + write.varint(802) + write.varint(HUGE))
    refuses(path, "claims 100000000.. bytes, the file has")
    sizes = write.field(7, write.field(1, write.varint(50_000) * 2))
    body = write.field(1, b"conv1") + write.field(7, sizes + write.field(5, bytes(8)))
    path.write_bytes(write.field(100, body))
    refuses(path, r"a blob \(50000, 50000\) with 2 numbers")


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_elements_that_claim_too_much_are_refused(tmp_path, frugal, compressed):
    from scipy.io import savemat

    path = tmp_path / "net.mat"
    savemat(path, {"layers": np.arange(40.0)})
    body = path.read_bytes()
    at = body.index(struct.pack("<II", 9, 320))
    inner = body[128:at] + struct.pack("<II", 9, 4_000_000_000) + body[at + 8 :]
    if compressed:
        import zlib

        packed = zlib.compress(inner)
        inner = struct.pack("<II", 15, len(packed)) + packed
    path.write_bytes(body[:128] + inner)
    refuses(path, "claims 4000000000 bytes")


def test_values_that_are_not_finite_are_named_by_layer(tmp_path):
    net, state, _ = net_state_flat()
    state["conv2"]["kernel"][0, 0, 0, :2] = np.nan
    state["fc7"]["bias"][1] = np.inf
    path = tmp_path / "net.pth"
    write.write_torch_zip(path, write.outer_first(net, state))
    message = (
        r"(?s)not finite.*conv2 \(conv2.weight\): 2 of 108.*fc7 \(fc7.bias\): 1 of 3"
    )
    refuses(path, message)


def test_every_difference_is_listed_with_both_shapes(tmp_path):
    _, _, flat = net_state_flat()
    del flat["conv1.bias"], flat["fc7.weight"]
    flat["conv9.weight"] = np.zeros((2, 2, 3, 3), np.float32)
    flat["conv2.weight"] = np.zeros((6, 4, 3, 3), np.float32)
    flat["fc6.weight"] = np.zeros((5, 35), np.float32)
    save_file(flat, tmp_path / "net.safetensors")
    with pytest.raises(ValueError) as caught:
        convert(
            [tmp_path / "net.safetensors"], net=write.tiny_net(), out=tmp_path / "out"
        )
    lines = str(caught.value).splitlines()
    assert (
        "net.safetensors is not tiny: 5 names differ; nothing was written" in lines[0]
    )
    assert sorted(line.strip() for line in lines[1:]) == [
        "extra conv9.weight (2, 2, 3, 3) in net.safetensors",
        "misshaped conv2.weight: (6, 4, 3, 3) in the file, conv2/kernel needs "
        "(6, 2, 3, 3)",
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
        convert([tmp_path / "net.pth"], net=net, out=out)
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
