"""Files made to hurt their reader, and the table of what jaxvis answers to each.

`python -m tests.weights_convert.hostile_files` writes docs/hostile_files.md anew.
"""

import io
import json
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from jaxvis.output.io import read_image
from jaxvis.output.record import read_record
from jaxvis.weights import file as weights_file
from tests import checkpoint_writers as write
from weights_convert.readers.detect import read

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "hostile_files.md"
INTRODUCTION = """\
# Hostile files

A checkpoint, a picture or a record may come from anywhere. None is run, none takes more than
seconds or a gigabyte beyond what it holds, and each answer is one line that names the file.
This table is written by `python -m tests.weights_convert.hostile_files`, which makes every file
and reads it; a test keeps it up to date. `python -m tests.fuzz` reads as many damaged files
as you like.

A pickle is read as data. Whatever it asks for beside dicts, lists, numbers, texts and tensors
(arguments of a training, the state of an optimizer, a NumPy number, or a call of `os.system`)
is neither imported nor called nor made: its place is remembered, and passed over. Such a file
is read if the weights that are wanted are plain tensors, and refused if they are not.
"""

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
CELLS = _matrix(CELL, (1, 50), _matrix(CELL, (1, 300), _element(14, b"") * 300) * 50)

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
MANY_SIZES = STATE[:-1].replace(write._numbers((2,)), write._numbers([2**40] * 5000), 1) + b"s"
VERSION = b"M\xe9\x03"

# --- zip archives ------------------------------------------------------------------


def npz_of(content, **options):
    """Returns an .npz file with one entry."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as archive:
        archive.writestr("conv1/weight.npy", content)
    return out.getvalue()


def _npy(header):
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(8)


def _numbers(array):
    return npz_of(write.npy(array))


def _encrypted():
    body = bytearray(_numbers(np.zeros(2)))
    for sign, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        body[body.index(sign) + at] |= 1
    return bytes(body)


def _many_entries(count):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(count):
            archive.writestr(str(i), b"")
    return out.getvalue()


# --- safetensors -------------------------------------------------------------------


def _safetensors(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def _tensor(dtype, bits):
    return {"a.weight": {"dtype": dtype, "shape": [16], "data_offsets": [0, 2 * bits]}}


def _one_type(dtype, bits):
    return _safetensors(_tensor(dtype, bits), bytes(2 * bits))


def _converted(old=b"", new=b"", **facts):
    """Returns a function that makes a file of weights, with a piece of its bytes replaced."""

    def make():
        net = write.tiny_net()
        params = {"input": {"scale": np.ones(3, "f4"), "shift": np.zeros(3, "f4")}}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            weights_file.save(path, net, params | write.random_state(net), facts=facts)
            body = path.read_bytes()
        assert body.count(old) == 1 or not old
        return body.replace(old, new) if old else body

    return make


ONES = np.ones(3, "<f4").tobytes()


HUGE_TENSOR = {"a.weight": {"dtype": "F32", "shape": [50_000] * 2, "data_offsets": [0, 10**10]}}
ESCAPES = "\x1b[31mred\x1b[0m\nerror: forged" + "x" * 100
ODD_NAME = {ESCAPES: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}

# --- Caffe -------------------------------------------------------------------------


def _caffe_layer(*fields):
    return write.field(100, b"".join(fields))


def _caffe_shape(dimensions):
    shape = write.field(7, write.field(1, dimensions))
    return _caffe_layer(write.field(1, b"conv1"), write.field(7, shape))


# --- HDF5 --------------------------------------------------------------------------

KERNEL = "conv1/kernel:0"


def _hdf5(fill, start=b""):
    def make():
        import h5py

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            with h5py.File(path, "w", userblock_size=512 if start else 0) as file:
                fill(h5py, file)
            body = path.read_bytes()
        return start.ljust(512) + body[512:] if start else body

    return make


def _mat73(fill):
    return _hdf5(fill, b"MATLAB 7.3 MAT-file, Platform: GLNXA64")


def make_cell(h5py, file, name, references):
    """Makes a cell, as MATLAB does; returns the reference to it."""
    file.create_dataset(name, (len(references), 1), h5py.ref_dtype)[:, 0] = references
    file[name].attrs["MATLAB_class"] = np.bytes_("cell")
    return file[name].ref


def _graph(h5py, file):
    inner = make_cell(h5py, file, "#refs#/0", [])
    for i in range(1, 41):
        inner = make_cell(h5py, file, f"#refs#/{i}", [inner, inner])
    make_cell(h5py, file, "layers", [inner])


def _long_text(h5py, file):
    file.create_dataset("layers", (64_000_000, 1), "u2", chunks=(1000, 1))
    file["layers"].attrs["MATLAB_class"] = np.bytes_("char")


def _shared_texts(h5py, file):
    file.create_dataset("layers", (100,), h5py.string_dtype())[:] = "x" * 1000
    file["layers"].attrs["MATLAB_class"] = np.bytes_("char")


def _huge_mean(h5py, file):
    make_cell(h5py, file, "layers", [])
    name = "meta/normalization/averageImage"
    file.create_dataset(name, (20_000, 20_000, 3), "f4", chunks=(100, 100, 3))


def _link(h5py, file):
    file["layers"] = h5py.ExternalLink("secret.h5", "/a")


def _external(h5py, file):
    file.create_dataset(KERNEL, (16,), "f4", external=[("secret", 0, 64)])


def _virtual(h5py, file):
    layout = h5py.VirtualLayout((16,), "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "a", (16,))
    file.create_virtual_dataset(KERNEL, layout)


def _large_chunk(h5py, file):
    sizes = {"maxshape": (None, None), "chunks": (16_000, 16_000)}
    file.create_dataset(KERNEL, (2, 2), "f4", compression="gzip", **sizes)


def _chunk_bomb(h5py, file):
    data = file.create_dataset(KERNEL, (4,), "f4", chunks=(4,), compression="gzip")
    data.id.write_direct_chunk((0,), zlib.compress(bytes(10_000_000)))


def _rare_filter(h5py, file):
    file.create_dataset(KERNEL, (4,), "f4", chunks=(4,), compression="lzf")


# --- pictures ----------------------------------------------------------------------


def png_of(width, height, depth=8, colour=2, rows=b"\0" * 1000):
    """Returns a PNG file with a header and rows of one's own."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def _picture(kind, image=None, **options):
    out = io.BytesIO()
    (image or Image.new("RGB", (4, 4), (255, 0, 0))).save(out, kind, **options)
    return out.getvalue()


def _many_scans():
    body = _picture("JPEG", progressive=True)
    scan = body[body.rindex(b"\xff\xda") : -2]
    return body[:-2] + scan * 200 + body[-2:]


def _bmp_of_runs():
    runs = b"\1\0\0\0" * 5 + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, 10_000_000, 5, 1, 8, 1, len(runs), 0, 0, 1, 0)
    return b"BM" + struct.pack("<IHHI", 58 + len(runs), 0, 0, 58) + header + bytes(4) + runs


def _frames(kind):
    second = Image.new("RGB", (4, 4))
    return _picture(kind, save_all=True, append_images=[second])


FLOATS = Image.fromarray(np.full((4, 4), 2, np.float32))

# --- the files ---------------------------------------------------------------------

Maker = bytes | Callable[[], bytes]
CHECKPOINTS: dict[str, tuple[str, Maker]] = {
    "structs.mat": ("208 bytes: 2^60 structs", MAT + _matrix(STRUCT, (2**30, 2**30), _fields())),
    "cells.mat": (
        "200,000 cells, compressed",
        MAT + _packed(_matrix(CELL, (1, 200_000), struct.pack("<II", 14, 0) * 200_000)),
    ),
    "nested.mat": ("cells in cells", MAT + _packed(CELLS)),
    "fields.mat": (
        "9,000 structs of two fields",
        MAT + _packed(_matrix(STRUCT, (1, 9000), _fields(b"a", b"b") + NUMBER * 18_000)),
    ),
    "names.mat": (
        "a struct of 100,000 fields",
        MAT + _packed(_matrix(STRUCT, (1, 1), _fields(*[b"a"] * 100_000, width=1))),
    ),
    "axes.mat": (
        "an array of 100,000 axes",
        MAT + _packed(_matrix(DOUBLE, (2**31 - 1,) * 100_000, b"")),
    ),
    "mean.mat": (
        "a compressed mean image of 20 MB",
        MAT
        + EMPTY_LAYERS
        + _packed(_matrix(STRUCT, (1, 1), _fields(b"averageImage") + BIG, b"normalization")),
    ),
    "number.mat": (
        "`net` is a number",
        MAT + _matrix(DOUBLE, (1, 1), _element(9, bytes(8))),
    ),
    "graph73.mat": ("40 cells, each with two links to the next", _mat73(_graph)),
    "text73.mat": ("a text of 64 million letters in 2 kB", _mat73(_long_text)),
    "shared73.mat": ("a text of texts of any length", _mat73(_shared_texts)),
    "mean73.mat": ("a mean image of 4.8 GB in 10 kB", _mat73(_huge_mean)),
    "link73.mat": ("a link to another file", _mat73(_link)),
    "external.h5": ("numbers that are in another file", _hdf5(_external)),
    "virtual.h5": ("a view of another file", _hdf5(_virtual)),
    "chunk.h5": ("four numbers in a chunk of 1 GB", _hdf5(_large_chunk)),
    "bomb.h5": ("16 bytes that inflate to 10 MB", _hdf5(_chunk_bomb)),
    "filter.h5": ("a filter that HDF5 would look for on disk", _hdf5(_rare_filter)),
    "code.pth": ("a call of `os.system`", b"\x80\x02cos\nsystem\nX\1\0\0\0x\x85R."),
    "brackets.pth": ("20 MB of `]` in 20 kB", _zip_pickle(b"]" * 20_000_000)),
    "lists.pth": ("301,000 lists", _zip_pickle(b"]" * 301_000)),
    "tree.pth": ("a tree of 2^60 dicts", _zip_pickle(b"}q\0" + b"h\0\x86q\0" * 60)),
    "module.pth": (
        "a module that is a call of `os.system`",
        _zip_pickle(b"}X\5\0\0\0modelcos\nsystem\nX\1\0\0\0x\x85Rs"),
    ),
    "persistent.pth": ("a reference to 2^60 letters", _zip_pickle(SHARED + b"Q")),
    "name.pth": ("a name of 2^60 letters", _zip_pickle(SHARED + b"h\0\x93")),
    "size.pth": (
        "a call with 2^60 arguments",
        _zip_pickle(b"ctorch._utils\n_rebuild_tensor_v2\n(" + SHARED + b"tR"),
    ),
    "version.pth": ("a version of 2^60 letters", _stream(SHARED, LITTLE, STATE, b"]")),
    "deep.pth": ("30,000 lists in lists", _zip_pickle(NESTED)),
    "deep_id.pth": ("a reference to them", _zip_pickle(NESTED + b"Q")),
    "keys.pth": (
        "40,000 keys that collide",
        _zip_pickle(_entries(*(_long(i * MERSENNE) for i in range(40_000)))),
    ),
    "memo.pth": (
        "30,000 numbers of the memo that collide",
        _zip_pickle(b"}" + b"".join(b"p%d\n" % (i * MERSENNE) for i in range(30_000))),
    ),
    "tuple_key.pth": (
        "a storage under a tuple",
        _stream(VERSION, LITTLE, STATE, b"](" + SHARED + b"e"),
    ),
    "list_key.pth": ("a storage under a list", _stream(VERSION, LITTLE, STATE, b"](]e")),
    "dict_key.pth": ("a storage under a dict", _stream(VERSION, LITTLE, STATE, b"](}e")),
    "axes.pth": ("a tensor of 5,000 axes", _zip_pickle(MANY_SIZES)),
    "fields.caffemodel": ("101,000 fields", b"\x08\x00" * 101_000),
    "inner.caffemodel": ("101,000 fields in a layer", _caffe_layer(b"\x08\x00" * 101_000)),
    "axes.caffemodel": ("90,000 axes", _caffe_shape(write.varint(2**62) * 90_000)),
    "name.caffemodel": ("a name of 100 kB", _caffe_layer(write.field(1, b"a" * 100_000))),
    "python2.npz": ("a header that ends early", npz_of(_npy("(3L, "))),
    "minus.npz": ("a header of 9,000 minus signs", npz_of(_npy("-" * 9000))),
    "digits.npz": (
        "a size of 300 digits",
        npz_of(_npy("{'descr':'<f4','fortran_order':False,'shape':(" + "9" * 300 + ",)}")),
    ),
    "version.npz": ("a version of the future", npz_of(b"\x93NUMPY\x09\x00" + bytes(99))),
    "encrypted.npz": ("an encrypted entry", _encrypted()),
    "lzma.npz": (
        "an entry that LZMA compressed",
        npz_of(write.npy(np.zeros(9)), compression=zipfile.ZIP_LZMA),
    ),
    "entries.npz": ("10,001 entries", _many_entries(10_001)),
    "object.npz": ("pickled objects", _numbers(np.array([{}], object))),
    "complex.npz": ("complex numbers", _numbers(np.zeros(2, complex))),
    "datetime.npz": ("dates", _numbers(np.zeros(2, "M8[s]"))),
    "struct.npz": ("structured numbers", _numbers(np.zeros(2, "i4,f4"))),
    "text.npz": ("texts", _numbers(np.array(["a", "bc"]))),
    "bytes.npz": ("bytes", _numbers(np.array([b"a"]))),
    **{
        f"{dtype}.safetensors": (f"numbers of {bits} bits", _one_type(dtype, bits))
        for dtype, bits in (("F4", 4), ("F6_E2M3", 6), ("F8_E4M3", 8), ("F8_E5M2", 8), ("C64", 64))
    },
    "type.safetensors": (
        "a type of 5,000 letters",
        _safetensors(_tensor("F" * 5000, 8), bytes(16)),
    ),
    "header.safetensors": (
        "a header of 5 MB",
        struct.pack("<Q", 5_000_000) + b"{" + bytes(6_000_000),
    ),
    "claim.safetensors": ("a tensor of 10 GB", _safetensors(HUGE_TENSOR, bytes(100))),
    "metadata.safetensors": ("metadata that are a number", _safetensors({"__metadata__": 5})),
    "name.safetensors": ("escape sequences in a name", _safetensors(ODD_NAME, bytes(4))),
}
WEIGHTS: dict[str, tuple[str, Maker]] = {
    "numbers": ("a flipped bit among the numbers", _converted(ONES, b"\x01" + ONES[1:])),
    "label": ("a flipped bit in a label", _converted(b"zebra", b"zebrq", labels='["zebra"]')),
    "labels": ("labels that are a number", _converted(labels="5")),
    "stop": (
        "a last tap of 3,000 brackets",
        _safetensors({"__metadata__": {"net": "tiny", "stop": "[" * 3000}}),
    ),
    "net": ("a network with escape sequences", _safetensors({"__metadata__": {"net": ESCAPES}})),
    "sums": (
        "checksums that are a list",
        _safetensors({"__metadata__": {"net": "tiny", "crc32": "[]"}}),
    ),
}
PICTURES: dict[str, tuple[str, Maker]] = {
    "bomb.png": ("3.6 gigapixels in 100 bytes", png_of(60_000, 60_000)),
    "scans.jpg": ("a JPEG that is painted over 200 times", _many_scans),
    "runs.bmp": ("50 megapixels in 30 bytes of runs", _bmp_of_runs),
    "frames.gif": ("several frames", lambda: _frames("GIF")),
    "pages.tif": ("several pages", lambda: _frames("TIFF")),
    "floats.tif": ("floats beyond 1", _picture("TIFF", FLOATS)),
    "script.png": ("PostScript, for which Pillow starts a program", lambda: _picture("EPS")),
    "comment.ppm": ("a header of 10,000 spaces", b"P6 1" + b" " * 10_000 + b"1 255\n abc"),
    "text.ppm": ("9 MB of numbers as text", b"P2 3000 3000 9\n" + b"1" * 9_000_000),
}
RECORDS: dict[str, tuple[str, Maker]] = {
    "deep.json": ("100,000 brackets", b"[" * 100_000),
    "digits.json": ("a number of 5,000 digits", b"9" * 5000),
    "schema.json": ("a schema with escape sequences", json.dumps({"schema": ESCAPES}).encode()),
}


def read_checkpoint(path: Path) -> None:
    """Reads a checkpoint and all of its tensors."""
    for tensor in read(path).tensors.values():
        tensor.read()


def _read_weights(path: Path) -> None:
    weights_file.read_file(path, write.tiny_net())


GROUPS = {
    "Checkpoints": (CHECKPOINTS, read_checkpoint),
    "Converted weights": (WEIGHTS, _read_weights),
    "Pictures": (PICTURES, read_image),
    "Records": (RECORDS, read_record),
}


def make(maker: Maker) -> bytes:
    """Returns a file."""
    return maker if isinstance(maker, bytes) else maker()


def answer(path: Path, reader: Callable[[Path], object]) -> str:
    """Returns what a reader says of a file, which must be refused."""
    try:
        reader(path)
    except (ValueError, OSError) as error:
        return str(error).replace(f"{path.parent}/", "")
    raise AssertionError(f"{path.name} was read")


def write_table() -> str:
    """Returns the document."""
    lines = [INTRODUCTION]
    with tempfile.TemporaryDirectory() as folder:
        for title, (files, reader) in GROUPS.items():
            lines += [f"## {title}\n", "| a file | what is said |", "| --- | --- |"]
            for name, (what, maker) in files.items():
                path = Path(folder) / name
                path.write_bytes(make(maker))
                said = answer(path, reader).replace("|", "\\|").replace("<", "&lt;")
                lines.append(f"| {what} | {said} |")
            lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    DOCUMENT.write_text(write_table(), encoding="utf-8")
