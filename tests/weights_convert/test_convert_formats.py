"""Every format gives back the numbers that went in."""

import struct

import checkpoint_writers as write
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxvis.weights import file as weights_file
from weights_convert import convert
from weights_convert.checkpoint import CheckpointError
from weights_convert.readers.detect import read

IMAGE = np.stack([np.full((8, 12), c) for c in (120.0, 110.0, 100.0)], -1)


def _safetensors(path, net, state):
    save_file(write.outer_first(net, state), path)


def _wrapped(path, net, state):
    flat = write.outer_first(net, state)
    inner = write.state_pickle(flat)[2:-1]
    pickle = b"\x80\x02}" + write._text("epoch") + b"K\x05s"
    pickle += write._text("state_dict") + inner + b"s."
    write.write_torch_zip(path, flat, pickle=pickle)


def _prefixed(path, net, state):
    flat = write.outer_first(net, state)
    write.write_torch_zip(path, {f"module.{n}": a for n, a in flat.items()})


def _quantised(path, net, state):
    flat = {}
    for row, leaves in state.items():
        scale, minimum = 1 / 255, leaves["kernel"].min()
        codes = np.rint((leaves["kernel"] - minimum) / scale).astype(np.uint8)
        flat[f"{row}/kernel_q"] = codes
        flat[f"{row}/kernel_scale_min"] = np.array([scale, minimum])
        flat[f"{row}/bias"] = leaves["bias"]
        leaves["kernel"] = codes * np.float32(scale) + np.float32(minimum)
    np.savez(path, **flat)


FORMATS = {
    "zip.pth": lambda p, n, s: write.write_torch_zip(p, write.outer_first(n, s)),
    "parameters.pth": lambda p, n, s: write.write_torch_zip(
        p, write.outer_first(n, s), parameter=True
    ),
    "wrapped.pth": _wrapped,
    "prefixed.pth": _prefixed,
    "stream.pth": lambda p, n, s: write.write_torch_stream(p, write.outer_first(n, s)),
    "torch.safetensors": _safetensors,
    "caffe.npz": lambda p, n, s: np.savez(p, **write.caffe_flat(n, s)),
    "compressed.npz": lambda p, n, s: np.savez_compressed(p, **write.caffe_flat(n, s)),
    "keras.npz": lambda p, n, s: np.savez(
        p, **{f"{row}/{leaf}": a for row, ls in s.items() for leaf, a in ls.items()}
    ),
    "quantised.npz": _quantised,
    **{
        f"{layout}.h5": lambda p, n, s, layout=layout: write.write_keras(p, s, layout=layout)
        for layout in ("weights", "numbered", "flat", "model", "keras1", "keras3", "named")
    },
    "net.keras": lambda p, n, s: write.write_keras_zip(p, s),
    **{
        f"v{g}.caffemodel": lambda p, n, s, g=g: write.write_caffemodel(
            p, write.caffe_flat(n, s), generation=g
        )
        for g in (0, 1, 2)
    },
    "new.mat": lambda p, n, s: write.write_mat(p, n, s, image=IMAGE),
    "old.mat": lambda p, n, s: write.write_mat(p, n, s, image=IMAGE, old=True),
    "nested.mat": lambda p, n, s: write.write_mat(p, n, s, image=IMAGE, nested=True),
    "packed.mat": lambda p, n, s: write.write_mat(p, n, s, image=IMAGE, packed=True),
    "v73.mat": lambda p, n, s: write.write_mat73(p, n, s, image=IMAGE),
}
OUTER = {"torch.safetensors", "caffe.npz", "zip.pth"}


@pytest.mark.parametrize("name", FORMATS)
def test_convert_gives_back_the_numbers_of_every_format(tmp_path, name):
    if name.endswith((".h5", ".keras", "73.mat")):
        pytest.importorskip("h5py")
    net = write.tiny_net()
    state = write.random_state(net)
    FORMATS[name](tmp_path / name, net, state)
    out = convert([tmp_path / name], net=net, out=tmp_path / "out.safetensors")

    found = load_file(out)
    bgr = "bgr" in weights_file.read_metadata(out)["preprocess"]
    assert found.keys() == weights_file.tensor_shapes(net).keys()
    for row, leaves in state.items():
        for leaf, array in leaves.items():
            if bgr and row == "conv1" and leaf == "kernel":
                array = array[:, :, ::-1]
            np.testing.assert_array_equal(found[f"{row}/{leaf}"], array, f"{row}/{leaf}")


@pytest.mark.parametrize("writer", ["write_torch_zip", "write_torch_stream"])
def test_torch_files_keep_batch_norm_and_drop_its_counter(tmp_path, writer):
    net = write.tiny_net(norm=True)
    state = write.random_state(net)
    flat = write.outer_first(net, state)
    flat["bn1.num_batches_tracked"] = np.array(7)
    getattr(write, writer)(tmp_path / "net.pth", flat)
    out = convert([tmp_path / "net.pth"], net=net, out=tmp_path / "out.safetensors")
    found = load_file(out)
    for leaf in ("scale", "bias", "mean", "var"):
        np.testing.assert_array_equal(found[f"bn1/{leaf}"], state["bn1"][leaf])


def test_fully_connected_kernels_may_be_convolutions(tmp_path):
    net = write.tiny_net()
    state = write.random_state(net)
    flat = write.outer_first(net, state, as_conv=True)
    flat["fc7.weight"] = flat["fc7.weight"][:, :, None, None]
    assert flat["fc6.weight"].ndim == 4
    save_file(flat, tmp_path / "net.safetensors")
    out = convert([tmp_path / "net.safetensors"], net=net, out=tmp_path / "o.safetensors")
    for row in ("fc6", "fc7"):
        np.testing.assert_array_equal(load_file(out)[f"{row}/kernel"], state[row]["kernel"])


@pytest.mark.parametrize("kind", [np.float16, np.float64])
@pytest.mark.parametrize("writer", ["write_torch_zip", "write_torch_stream"])
def test_other_precisions_become_float32(tmp_path, writer, kind):
    net = write.tiny_net()
    state = write.random_state(net)
    flat = {n: a.astype(kind) for n, a in write.outer_first(net, state).items()}
    getattr(write, writer)(tmp_path / "net.pth", flat)
    out = convert([tmp_path / "net.pth"], net=net, out=tmp_path / "out.safetensors")
    kernel = load_file(out)["fc7/kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel, state["fc7"]["kernel"].astype(kind))


def test_stream_views_start_where_they_say(tmp_path):
    # A storage that is the second half of another: (key, offset, length).
    view = b"(" + write._text("v") + write._number(3) + write._number(3) + b"t"
    array = np.arange(6, dtype=np.float32)
    inner = write.tensor_pickle("0", array, shape=(3,), view=view)
    pickle = b"\x80\x02}" + write._text("a.weight") + inner + b"s."
    write.write_torch_stream(tmp_path / "a.pth", {"a": array}, pickle=pickle)
    found = read(tmp_path / "a.pth").tensors["a.weight"]
    np.testing.assert_array_equal(found.read(), [3, 4, 5])


def test_several_files_make_one_network(tmp_path):
    net = write.tiny_net()
    state = write.random_state(net)
    flat = write.caffe_flat(net, state)
    halves = {True: {}, False: {}}
    for name, array in flat.items():
        halves[name.startswith("conv")][name] = array
    for convs, half in halves.items():
        np.savez(tmp_path / f"{convs}.npz", **half)
    inputs = [tmp_path / "True.npz", tmp_path / "False.npz"]
    out = convert(inputs, net=net, out=tmp_path / "out.safetensors")
    np.testing.assert_array_equal(load_file(out)["fc7/kernel"], state["fc7"]["kernel"])
    assert weights_file.read_metadata(out)["source"] == '["True.npz", "False.npz"]'


@pytest.mark.parametrize("name", ["new.mat", "old.mat", "packed.mat", "v73.mat"])
def test_matconvnet_mean_and_labels_are_kept(tmp_path, name):
    pytest.importorskip("h5py")
    net = write.tiny_net()
    writer = write.write_mat73 if name == "v73.mat" else write.write_mat
    options = {"old.mat": {"old": True}, "packed.mat": {"packed": True}}.get(name, {})
    labels = ("cat", "dog, hound", "eel")
    path = tmp_path / name
    writer(path, net, write.random_state(net), image=IMAGE, labels=labels, **options)
    out = convert([path], net=net, out=tmp_path / "out.safetensors")
    assert weights_file.read_labels(out) == labels
    np.testing.assert_allclose(load_file(out)["input/shift"], [-120, -110, -100])
    np.testing.assert_allclose(load_file(out)["input/scale"], [255, 255, 255])


def test_safetensors_are_known_whatever_the_length_of_their_header(tmp_path):
    # A header of 128 bytes, or 640, begins as a pickle; of 60 as a web page; of 19280 as a
    # zip file ("PK"), of 35153 as HDF5, of 16717 as MATLAB.
    path = tmp_path / "a.bin"
    header = b'{"a.weight":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}'
    signs = (19280, 18569, 0x4D41, 0x80 + 256 * 2)
    for length in (*range(len(header), len(header) + 1024), *signs):
        body = struct.pack("<Q", length) + header.ljust(length) + struct.pack("<f", 7)
        path.write_bytes(body)
        tensor = read(path).tensors["a.weight"]
        assert tensor.read() == 7, length


@pytest.mark.parametrize("protocol", range(2, 6))
def test_streams_of_pickles_are_known_whatever_their_protocol(tmp_path, protocol):
    # The byte behind the first one is the protocol; torch itself writes 2.
    path = tmp_path / "a.bin"
    write.write_torch_stream(path, {"a.weight": np.full(3, 7, np.float32)})
    path.write_bytes(bytes([0x80, protocol]) + path.read_bytes()[2:])
    np.testing.assert_array_equal(read(path).tensors["a.weight"].read(), [7, 7, 7])


def test_a_first_byte_alone_is_no_format(tmp_path):
    for start in (b"\x80", b"P", b"\x89", b"M"):
        (tmp_path / "a.weights").write_bytes(start + bytes(range(200, 256)))
        with pytest.raises(CheckpointError, match="of no format that is read here"):
            read(tmp_path / "a.weights")


def test_compressed_chunks_of_hdf5_are_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    array = np.random.default_rng(0).random((70, 50)).astype(np.float32)
    name, options = "fc1/kernel:0", {"chunks": (32, 16), "compression": "gzip"}
    for extra in ({}, {"shuffle": True}, {"shuffle": True, "fletcher32": True}):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset(name, data=array, **options, **extra)
        np.testing.assert_array_equal(read(tmp_path / "a.h5").tensors["fc1/kernel"].read(), array)


def test_a_compressed_archive_of_keras_is_refused(tmp_path):
    pytest.importorskip("h5py")
    net = write.tiny_net()
    path = tmp_path / "net.keras"
    write.write_keras_zip(path, write.random_state(net), compression=8)
    with pytest.raises(CheckpointError, match="has model.weights.h5 compressed, which Keras never"):
        read(path)


def test_a_layer_of_keras_with_a_long_name_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 4), np.float32)
        file["layers/conv2d/vars"].attrs["name"] = "x" * 300
    with pytest.raises(CheckpointError, match="a name of 300 characters in /layers/conv2d/vars"):
        read(tmp_path / "net.h5")


def test_norms_of_keras_3_are_told_by_their_four_variables(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "net.weights.h5", "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 4), np.float32)
        for i in range(4):
            file[f"layers/batch_normalization/vars/{i}"] = np.full(4, i, np.float32)
        file["optimizer/vars/0"] = np.int64(7)
    found = read(tmp_path / "net.weights.h5").tensors
    leaves = ("gamma", "beta", "moving_mean", "moving_variance")
    assert set(found) == {"conv2d/kernel", *(f"batch_normalization/{leaf}" for leaf in leaves)}
    for i, leaf in enumerate(leaves):
        np.testing.assert_array_equal(found[f"batch_normalization/{leaf}"].read(), [i] * 4)
