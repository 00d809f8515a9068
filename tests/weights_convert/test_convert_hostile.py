"""Small files that would take minutes or gigabytes, or make libraries raise anything."""

import io
import json
import struct
import warnings
import zipfile
import zlib

import checkpoint_writers as write
import numpy as np
import pytest

from weights_convert.checkpoint import CheckpointError
from weights_convert.readers.detect import read

# --- MATLAB 5 ----------------------------------------------------------------------

CELL, STRUCT, DOUBLE = 1, 2, 6
MAT = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM"


def _element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def _matrix(kind, sizes, content, name=b"net"):
    head = _element(6, struct.pack("<II", kind, 0))
    head += _element(5, struct.pack(f"<{len(sizes)}i", *sizes))
    return _element(14, head + _element(1, name) + content)


def _fields(*names, width=16):
    text = b"".join(name.ljust(width, b"\0") for name in names)
    return _element(5, struct.pack("<i", width)) + _element(1, text)


def _packed(element):
    data = zlib.compress(element, 9)
    return struct.pack("<II", 15, len(data)) + data


NUMBER = _matrix(DOUBLE, (1, 1), _element(9, bytes(8)), b"")
BIG = _matrix(DOUBLE, (1, 20_000_000), _element(2, bytes(20_000_000)), b"")
EMPTY_LAYERS = _matrix(CELL, (1, 0), b"", b"layers")

# --- pickles -----------------------------------------------------------------------

SHARED = b"X\1\0\0\0aq\0" + b"h\0\x86q\0" * 60  # a tuple of 2^60 letters, in 300 bytes
NESTED = b"]" * 30_000 + b"a" * 29_999
MERSENNE = 2**61 - 1  # Python's integers collide modulo this prime


def _zip_pickle(body):
    out = io.BytesIO()
    write.write_torch_zip(out, {}, pickle=b"\x80\x02" + body + b".", compression=8)
    return out.getvalue()


def _stream(*pickles):
    start = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    return start + b"".join(b"\x80\x02" + body + b"." for body in pickles) + bytes(64)


def _entries(*keys):
    return b"}(" + b"".join(key + b"N" for key in keys) + b"u"


def _long(value):
    return b"\x8a\x10" + value.to_bytes(16, "little")


LITTLE = b"}X\x0d\0\0\0little_endian\x88s"
TENSOR = write.tensor_pickle("0", np.zeros(2, np.float32), view=b"N")
STATE = b"}X\x08\0\0\0a.weight" + TENSOR + b"s"

# --- other formats -----------------------------------------------------------------


def _npz(content, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as archive:
        archive.writestr("conv1/weight.npy", content)
    return out.getvalue()


def _npy(header):
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(8)


def _encrypted():
    body = bytearray(_npz(write.npy(np.zeros(2))))
    for sign, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        body[body.index(sign) + at] |= 1
    return bytes(body)


def _many_entries(count):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(count):
            archive.writestr(str(i), b"")
    return out.getvalue()


def _safetensors(dtype, bits):
    header = {"a.weight": {"dtype": dtype, "shape": [16], "data_offsets": [0, 2 * bits]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(2 * bits)


def _caffe_layer(*fields):
    return write.field(100, b"".join(fields))


def _caffe_shape(dimensions):
    shape = write.field(7, write.field(1, dimensions))
    return _caffe_layer(write.field(1, b"conv1"), write.field(7, shape))


HOSTILE = {
    "structs.mat": (
        MAT + _matrix(STRUCT, (2**30, 2**30), _fields()),
        "more than 10000 parts",
    ),
    "cells.mat": (
        MAT + _packed(_matrix(CELL, (1, 200_000), struct.pack("<II", 14, 0) * 200_000)),
        "more than 10000 parts",
    ),
    "nested.mat": (
        MAT
        + _packed(_matrix(CELL, (1, 50), _matrix(CELL, (1, 300), _element(14, b"") * 300) * 50)),
        "more than 10000 parts",
    ),
    "fields.mat": (
        MAT + _packed(_matrix(STRUCT, (1, 9000), _fields(b"a", b"b") + NUMBER * 18_000)),
        "more than 10000 parts",
    ),
    "names.mat": (
        MAT + _packed(_matrix(STRUCT, (1, 1), _fields(*[b"a"] * 100_000, width=1))),
        "more than 10000 parts",
    ),
    "axes.mat": (
        MAT + _packed(_matrix(DOUBLE, (2**31 - 1,) * 100_000, b"")),
        "an array of 100000 axes",
    ),
    "mean.mat": (
        MAT
        + EMPTY_LAYERS
        + _packed(_matrix(STRUCT, (1, 1), _fields(b"averageImage") + BIG, b"normalization")),
        r"a mean image of \(1, 20000000\)",
    ),
    "number.mat": (MAT + _matrix(DOUBLE, (1, 1), _element(9, bytes(8))), "no `layers`"),
    "brackets.pth": (_zip_pickle(b"]" * 20_000_000), "claims 20000003 bytes for net/data.pkl"),
    "lists.pth": (_zip_pickle(b"]" * 201_000), "more than 200000 instructions"),
    "persistent.pth": (_zip_pickle(SHARED + b"Q"), "a persistent object, a tuple"),
    "name.pth": (_zip_pickle(SHARED + b"h\0\x93"), "a name that is no text"),
    "size.pth": (
        _zip_pickle(b"ctorch._utils\n_rebuild_tensor_v2\n(" + SHARED + b"tR"),
        "a call that no tensor needs",
    ),
    "version.pth": (_stream(SHARED, LITTLE, STATE, b"]"), "container of version a tuple"),
    "deep.pth": (_zip_pickle(NESTED), "holds no tensors"),
    "deep_id.pth": (_zip_pickle(NESTED + b"Q"), "a persistent object, a list"),
    "keys.pth": (
        _zip_pickle(_entries(*(_long(i * MERSENNE) for i in range(40_000)))),
        "a key of more than 32 bits",
    ),
    "memo.pth": (
        _zip_pickle(b"}" + b"".join(b"p%d\n" % (i * MERSENNE) for i in range(30_000))),
        "a key of more than 32 bits",
    ),
    "tuple_key.pth": (
        _stream(b"M\xe9\x03", LITTLE, STATE, b"](" + SHARED + b"e"),
        "storage a tuple makes no sense",
    ),
    "list_key.pth": (
        _stream(b"M\xe9\x03", LITTLE, STATE, b"](]e"),
        "storage a list makes no sense",
    ),
    "axes.pth": (
        _zip_pickle(
            STATE[:-1].replace(write._numbers((2,)), write._numbers([2**40] * 5000), 1) + b"s"
        ),
        "5000 sizes and 1 strides",
    ),
    "fields.caffemodel": (b"\x08\x00" * 101_000, "more than 100000 fields"),
    "inner.caffemodel": (_caffe_layer(b"\x08\x00" * 101_000), "more than 100000 fields"),
    "axes.caffemodel": (_caffe_shape(write.varint(2**62) * 90_000), "an array of 90000 axes"),
    "name.caffemodel": (_caffe_layer(write.field(1, b"a" * 100_000)), "a name of 100000 bytes"),
    "python2.npz": (_npz(_npy("(3L, ")), "conv1/weight.npy that is not an array"),
    "minus.npz": (_npz(_npy("-" * 9000)), "conv1/weight.npy that is not an array"),
    "version.npz": (_npz(b"\x93NUMPY\x09\x00" + bytes(99)), "that is not an array"),
    "encrypted.npz": (_encrypted(), "has an encrypted entry, conv1/weight.npy"),
    "lzma.npz": (_npz(write.npy(np.zeros(9)), compression=zipfile.ZIP_LZMA), "compresses conv1"),
    "entries.npz": (_many_entries(10_001), "more than 10000 entries"),
    "complex.npz": (_npz(write.npy(np.zeros(2, complex))), "complex128 in conv1/weight, not real"),
    "datetime.npz": (_npz(write.npy(np.zeros(2, "M8[s]"))), r"datetime64\[s\] in conv1/weight"),
    "struct.npz": (_npz(write.npy(np.zeros(2, "i4,f4"))), "in conv1/weight, not real numbers"),
    "text.npz": (_npz(write.npy(np.array(["a", "bc"]))), "<U2 in conv1/weight, not real numbers"),
    "bytes.npz": (_npz(write.npy(np.array([b"a"]))), r"\|S1 in conv1/weight, not real numbers"),
    **{
        f"{dtype}.safetensors": (_safetensors(dtype, bits), f"numbers of type {dtype} in a.weight")
        for dtype, bits in (
            ("F4", 4),
            ("F6_E2M3", 6),
            ("F8_E4M3", 8),
            ("F8_E5M2", 8),
            ("F8_E8M0", 8),
            ("C64", 64),
        )
    },
    "header.safetensors": (
        struct.pack("<Q", 5_000_000) + b"{" + bytes(6_000_000),
        "a header of 5000000 bytes, too long",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_at_once_and_in_one_way(tmp_path, frugal, name):
    body, message = HOSTILE[name]
    path = tmp_path / name
    path.write_bytes(body)
    with pytest.raises(CheckpointError, match=message) as caught:
        for tensor in read(path).tensors.values():
            tensor.read()
    assert str(path) in str(caught.value) and len(str(caught.value)) < len(str(path)) + 300


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


def _cell(h5py, file, name, references):
    file.create_dataset(name, (len(references), 1), h5py.ref_dtype)[:, 0] = references
    file[name].attrs["MATLAB_class"] = np.bytes_("cell")
    return file[name].ref


def _graph(h5py, file):
    inner = _cell(h5py, file, "#refs#/0", [])
    for i in range(1, 41):
        inner = _cell(h5py, file, f"#refs#/{i}", [inner, inner])
    _cell(h5py, file, "layers", [inner])


def _loop(h5py, file):
    inner = _cell(h5py, file, "#refs#/0", [file.ref])
    file["#refs#/0"][0, 0] = inner
    _cell(h5py, file, "layers", [inner])


def _group_in_itself(h5py, file):
    group = file.create_group("layers")
    group["again"] = group


def _long_text(h5py, file):
    file.create_dataset("layers", (64_000_000, 1), "u2", chunks=(1000, 1))
    file["layers"].attrs["MATLAB_class"] = np.bytes_("char")


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


def _linked(h5py, file):
    file["layers"] = h5py.ExternalLink("secret.h5", "/a")


def _huge_mean(h5py, file):
    _cell(h5py, file, "layers", [])
    sizes = (20_000, 20_000, 3)
    name = "meta/normalization/averageImage"
    file.create_dataset(name, sizes, "f4", chunks=(100, 100, 3))


MAT73 = {
    "graph": (_graph, "more than 5000 parts"),
    "loop": (_loop, "references never end"),
    "group in itself": (_group_in_itself, "references never end"),
    "text": (_long_text, "a text of 64000000 characters"),
    "cell": (_long_cell, "more than 5000 parts"),
    "cell of floats": (_floats("cell"), "truncated or damaged"),
    "text of floats": (_floats("char"), "truncated or damaged"),
    "empty cell": (_empty("cell"), "truncated or damaged"),
    "empty text": (_empty("char"), "truncated or damaged"),
    "empty array": (_empty("double"), "no numbers in /layers"),
    "link": (_linked, "links layers to another file"),
    "mean": (_huge_mean, r"a mean image of \(3, 20000, 20000\)"),
}


@pytest.mark.parametrize("name", MAT73)
def test_hostile_matlab_73_files_are_refused(tmp_path, frugal, h5py, name):
    fill, message = MAT73[name]
    path = _mat73(h5py, tmp_path / "net.mat", lambda file: fill(h5py, file))
    with pytest.raises(CheckpointError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_an_archive_with_a_name_that_is_no_text_is_named(tmp_path):
    body = bytearray(_npz(write.npy(np.zeros(2))))
    at = body.index(b"PK\1\2")
    body[at + 9] |= 8  # says that names are UTF-8
    body[at + 46] = 0xFF
    (tmp_path / "net.npz").write_bytes(bytes(body))
    with pytest.raises(CheckpointError, match="net.npz is truncated or damaged: UnicodeDecode"):
        read(tmp_path / "net.npz")


def test_reading_never_warns(tmp_path):
    (tmp_path / "c.npz").write_bytes(_npz(write.npy(np.zeros(2, complex))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError):
            read(tmp_path / "c.npz").tensors["conv1/weight"].read()
