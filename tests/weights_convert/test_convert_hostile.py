"""Small files that would take minutes or gigabytes, or make libraries raise anything."""

import warnings

import checkpoint_writers as write
import hostile_files
import numpy as np
import pytest

from weights_convert.checkpoint import CheckpointError
from weights_convert.readers.detect import read

WITH_H5PY = {name for name in hostile_files.CHECKPOINTS if name.endswith((".h5", "73.mat"))}


@pytest.mark.slow
@pytest.mark.parametrize("name", hostile_files.CHECKPOINTS)
def test_hostile_files_are_refused_at_once_and_in_one_way(tmp_path, request, name):
    if name in WITH_H5PY:
        pytest.importorskip("h5py")
    path = tmp_path / name
    path.write_bytes(hostile_files.make(hostile_files.CHECKPOINTS[name][1]))
    request.getfixturevalue("frugal")
    with pytest.raises(CheckpointError) as caught:
        hostile_files.read_checkpoint(path)
    text = str(caught.value)
    assert str(path) in text and len(text) < len(str(path)) + 300 and text.isprintable()


def test_the_table_of_hostile_files_is_up_to_date():
    pytest.importorskip("h5py")
    written = hostile_files.DOCUMENT.read_text(encoding="utf-8")
    if written != hostile_files.write_table():
        pytest.fail("write it anew: python -m tests.weights_convert.hostile_files")


# --- HDF5 --------------------------------------------------------------------------


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py")


SECRET = bytes(range(64))


def _external_link(h5py, file, secret):
    file["conv1/kernel:0"] = h5py.ExternalLink(str(secret), "/a")


def _external_storage(h5py, file, secret):
    file.create_dataset("conv1/kernel:0", (16,), "f4", external=[(str(secret), 0, 64)])


def _virtual(h5py, file, secret):
    layout = h5py.VirtualLayout((16,), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "a", (16,))
    file.create_virtual_dataset("conv1/kernel:0", layout)


def _null(h5py, file, secret):
    file["conv1/kernel:0"] = h5py.Empty("f4")


def _texts(h5py, file, secret):
    file["conv1/kernel:0"] = ["a", "b"]


def _compound(h5py, file, secret):
    file["conv1/kernel:0"] = np.zeros(2, "i4,f4")


def _complex(h5py, file, secret):
    file["conv1/kernel:0"] = np.zeros(2, complex)


def _references(h5py, file, secret):
    file["conv1/kernel:0"] = np.array([file.ref, file.ref], h5py.ref_dtype)


def _many_groups(h5py, file, secret):
    for i in range(10_001):
        file.create_group(str(i))


H5 = [
    (_external_storage, "keeps /conv1/kernel:0 in another file"),
    (_virtual, "keeps /conv1/kernel:0 in another file"),
    (_null, "no numbers in /conv1/kernel:0, but nothing"),
    (_texts, "no numbers in /conv1/kernel:0, but object"),
    (_compound, "no numbers in /conv1/kernel:0"),
    (_complex, "no numbers in /conv1/kernel:0, but complex128"),
    (_references, "no numbers in /conv1/kernel:0"),
    (_many_groups, "more than 10000 parts"),
]


@pytest.mark.parametrize("fill, message", H5, ids=lambda v: getattr(v, "__name__", ""))
def test_keras_files_with_other_things_than_numbers_are_refused(tmp_path, h5py, fill, message):
    (tmp_path / "secret").write_bytes(SECRET)
    with h5py.File(tmp_path / "net.h5", "w") as file:
        fill(h5py, file, tmp_path / "secret")
    with pytest.raises(CheckpointError, match=message):
        read(tmp_path / "net.h5")


def test_a_link_to_another_file_is_no_tensor(tmp_path, h5py):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["a"] = np.zeros(3, np.float32)
    with h5py.File(tmp_path / "net.h5", "w") as file:
        _external_link(h5py, file, tmp_path / "secret.h5")
        file["conv2/kernel:0"] = np.ones(3, np.float32)
    assert list(read(tmp_path / "net.h5").tensors) == ["conv2/kernel"]


def _mat73(h5py, path, fill):
    with h5py.File(path, "w", userblock_size=512) as file:
        fill(file)
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))
    return path


def _loop(h5py, file):
    inner = hostile_files.make_cell(h5py, file, "#refs#/0", [file.ref])
    file["#refs#/0"][0, 0] = inner
    hostile_files.make_cell(h5py, file, "layers", [inner])


def _group_in_itself(h5py, file):
    group = file.create_group("layers")
    group["again"] = group


def _long_cell(h5py, file):
    file.create_dataset("layers", (64_000_000, 1), h5py.ref_dtype, chunks=(1000, 1))
    file["layers"].attrs["MATLAB_class"] = np.bytes_("cell")


def _floats(kind):
    def fill(h5py, file):
        file["layers"] = np.full((3, 1), 0.5)
        file["layers"].attrs["MATLAB_class"] = np.bytes_(kind)

    return fill


def _empty(kind):
    def fill(h5py, file):
        file["layers"] = h5py.Empty("f8")
        file["layers"].attrs["MATLAB_class"] = np.bytes_(kind)

    return fill


MAT73 = {
    "loop": (_loop, "references never end"),
    "group in itself": (_group_in_itself, "references never end"),
    "cell": (_long_cell, "more than 5000 parts"),
    "cell of floats": (_floats("cell"), "truncated or damaged"),
    "text of floats": (_floats("char"), "truncated or damaged"),
    "empty cell": (_empty("cell"), "truncated or damaged"),
    "empty text": (_empty("char"), "truncated or damaged"),
    "empty array": (_empty("double"), "no numbers in /layers"),
}


@pytest.mark.parametrize("name", MAT73)
def test_hostile_matlab_73_files_are_refused(tmp_path, frugal, h5py, name):
    fill, message = MAT73[name]
    path = _mat73(h5py, tmp_path / "net.mat", lambda file: fill(h5py, file))
    with pytest.raises(CheckpointError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_an_archive_with_a_name_that_is_no_text_is_named(tmp_path):
    body = bytearray(hostile_files.npz_of(write.npy(np.zeros(2))))
    at = body.index(b"PK\1\2")
    body[at + 9] |= 8  # says that names are UTF-8
    body[at + 46] = 0xFF
    (tmp_path / "net.npz").write_bytes(bytes(body))
    with pytest.raises(CheckpointError, match="net.npz is truncated or damaged: UnicodeDecode"):
        read(tmp_path / "net.npz")


def test_reading_never_warns(tmp_path):
    (tmp_path / "c.npz").write_bytes(hostile_files.npz_of(write.npy(np.zeros(2, complex))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError):
            read(tmp_path / "c.npz").tensors["conv1/weight"].read()


def test_a_header_of_python_2_is_read_without_a_warning(tmp_path):
    body = write.npy(np.full(2, 7, np.float32)).replace(b"(2,), }", b"(2L,),}")
    (tmp_path / "a.npz").write_bytes(hostile_files.npz_of(body))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(tmp_path / "a.npz").tensors["conv1/weight"].read()
    np.testing.assert_array_equal(found, [7, 7])
