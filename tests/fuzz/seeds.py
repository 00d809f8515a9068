"""Small good files of every format, from which damaged ones are made.

They are the same bytes in every process with the same versions of the libraries, so the
number of an input is enough to make it again.
"""

import io
import json
import pickle
import struct
import tempfile
import zipfile
import zlib
from argparse import Namespace
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from jaxvis.nets.random import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from jaxvis.nets.zoo.style_net import build_style_net
from jaxvis.network import Network
from jaxvis.train.checkpoint import save_checkpoint
from jaxvis.weights import file as weights_file
from jaxvis.weights.style_file import save_transform
from tests import checkpoint_writers as write

LABELS = ("cat", "dog, hound")
MEAN = np.stack([np.full((2, 2), c) for c in (120.0, 110.0, 100.0)], -1)
EPOCH = (1980, 1, 1, 0, 0, 0)


def make_net() -> Network:
    """Returns the smallest network with a convolution and a fully connected layer."""
    rows = (Layer("conv1", "conv", 2, 1), Layer("relu1", "relu"), Layer("fc2", "fc", 2))
    return build_network("tiny", rows, input_size=(2, 2), scores="fc2")


NET = make_net()
STATE = write.random_state(NET)
TRAINED = {"params": [np.ones(3, np.float32)], "count": np.int32(7)}
FACTS = {"net": "tiny", "rate": 0.1, "sizes": [1, 2]}
"""State and facts of a training."""


def _written(writer: Callable[[Path], object]) -> bytes:
    """Returns the file that a function writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        writer(path)
        return path.read_bytes()


def _without_date(data: bytes) -> bytes:
    """Returns a zip file with the same date in every entry."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            info = zipfile.ZipInfo(entry.filename, EPOCH)
            info.compress_type = entry.compress_type
            new.writestr(info, old.read(entry))
    return out.getvalue()


def make_safetensors() -> list[bytes]:
    from safetensors.numpy import save

    flat = write.outer_first(NET, STATE)
    half = {name: array.astype(np.float16) for name, array in flat.items()}
    return [save(flat), save(half), save(flat, metadata={"format": "pt"})]


def make_torch_zips() -> list[bytes]:
    flat = write.outer_first(NET, STATE)
    wrapped = b"\x80\x02}" + write._text("state_dict") + write.state_pickle(flat)[2:-1] + b"s."
    made = [
        _written(lambda path: write.write_torch_zip(path, flat)),
        _written(lambda path: write.write_torch_zip(path, flat, pickle=wrapped)),
    ]
    return [_without_date(data) for data in made]


def make_torch_streams() -> list[bytes]:
    flat = write.outer_first(NET, STATE)
    view = b"(" + write._text("v") + write._number(0) + write._number(1) + b"t"
    one = {"a.weight": np.ones(1, np.float32)}
    viewed = b"\x80\x02}" + write._text("a.weight")
    viewed += write.tensor_pickle("0", one["a.weight"], view=view) + b"s."
    return [
        _written(lambda path: write.write_torch_stream(path, flat)),
        _written(lambda path: write.write_torch_stream(path, one, pickle=viewed)),
    ]


def make_pickles() -> list[bytes]:
    plain = {"a": [1, 2.5, (None, True)], "b": {"c": "text", 3: "é"}, "d": (1, 2, 3, 4)}
    flat = {"a.weight": np.zeros((2, 3), np.float32)}
    foreign = {"args": Namespace(lr=0.1), "seen": {1, 2}, "more": [Fraction(1, 2), bytearray(2)]}
    made = [pickle.dumps(tree, protocol) for tree in (plain, foreign) for protocol in range(6)]
    return [*made, write.state_pickle(flat), write.state_pickle(flat, parameter=True)]


def make_npzs() -> list[bytes]:
    flat = write.caffe_flat(NET, STATE)
    keras = {f"{row}/{leaf}": a for row, leaves in STATE.items() for leaf, a in leaves.items()}
    quantized = {
        "conv1/kernel_q": np.zeros((1, 1, 3, 2), np.uint8),
        "conv1/kernel_scale_min": np.array([0.1, 0.2]),
    }
    made = [_written(lambda path, f=f: _save_npz(path, f)) for f in (flat, keras, quantized)]
    return [*made, _written(lambda path: _save_npz(path, flat, np.savez_compressed))]


def _save_npz(path: Path, arrays: dict, save: Callable = np.savez) -> None:
    with path.open("wb") as file:  # a path without the ending would get one
        save(file, **arrays)


def make_keras_zips() -> list[bytes]:
    data = _written(lambda path: write.write_keras_zip(path, STATE))
    return [_without_date(data)]


def make_mats() -> list[bytes]:
    options = (
        {"labels": LABELS},
        {"old": True},
        {"nested": True, "packed": True, "labels": LABELS},
    )
    made = [
        _written(lambda path, o=o: write.write_mat(path, NET, STATE, image=MEAN, **o))
        for o in options
    ]
    return [b"MATLAB 5.0 MAT-file".ljust(116) + data[116:] for data in made]  # without the date


def make_mat73s() -> list[bytes]:
    # One layer: every value takes a part of a millisecond.
    net = build_network("one", (Layer("fc1", "fc", 2),), input_size=(1, 1), scores="fc1")
    state, colour = write.random_state(net), MEAN[:1, :1]
    return [
        _written(lambda path: write.write_mat73(path, net, state, image=colour, labels=LABELS[:1])),
        _written(lambda path: write.write_mat73(path, net, state, image=colour)),
    ]


def make_keras() -> list[bytes]:
    return [
        _written(lambda path, layout=layout: write.write_keras(path, STATE, layout=layout))
        for layout in ("weights", "model", "keras1", "keras3", "named")
    ]


def make_hdf5s() -> list[bytes]:
    """HDF5 of the newest kind, with chunks, filters, attributes and links."""
    import h5py

    def fill(path: Path, libver: str, **options) -> None:
        with h5py.File(path, "w", libver=libver) as file:
            data = STATE["conv1"]["kernel"]
            file.create_dataset("conv1/kernel:0", data=data, chunks=data.shape, **options)
            file["conv1"].attrs["weight_names"] = [b"conv1/kernel:0"]
            file["conv1/bias:0"] = STATE["conv1"]["bias"]
            file["fc2"] = h5py.SoftLink("/conv1")
            file["fc3"] = h5py.ExternalLink("nowhere.h5", "/a")
            file.create_dataset("fc2_/kernel:0", data=np.ones((2, 2), ">f8"), maxshape=(None, 2))

    zipped = {"compression": "gzip", "shuffle": True, "fletcher32": True}
    return [
        _written(lambda path: fill(path, "latest")),
        _written(lambda path: fill(path, "earliest", **zipped)),
        _written(lambda path: fill(path, "latest", fletcher32=True)),
    ]


def make_caffemodels() -> list[bytes]:
    flat = write.caffe_flat(NET, STATE)
    return [
        _written(lambda path, g=g: write.write_caffemodel(path, flat, generation=g))
        for g in (0, 1, 2)
    ]


def make_weights() -> list[bytes]:
    import jax

    params = random_params(NET, jax.random.key(0))
    facts = {"labels": json.dumps(LABELS), "source": '["a.pth"]', "preprocess": "unit"}
    first = {row: params[row] for row in ("input", "conv1")}
    return [
        _written(lambda path: weights_file.save(path, NET, params, facts=facts)),
        _written(lambda path: weights_file.save(path, NET, first, facts={"stop": "relu1"})),
    ]


def make_styles() -> list[bytes]:
    import jax

    made = []
    for styles in (0, 2):
        net = build_style_net("transform_same", width=1, blocks=1, styles=styles)
        params = random_params(net, jax.random.key(0))
        names = LABELS[:styles]
        made.append(_written(lambda p, n=net, q=params, s=names: save_transform(p, n, q, styles=s)))
    return made


def make_trainings() -> list[bytes]:
    curves = {"loss": np.array([[1, 0.5], [2, 0.25]])}

    def save(path: Path) -> None:
        save_checkpoint(path, TRAINED, step=2, facts=FACTS, curves=curves)

    return [_written(save)]


def make_pictures(kind: str) -> list[bytes]:
    """Returns small pictures of a format of Pillow's, in the modes that it has."""
    grey = np.arange(35, dtype=np.uint8).reshape(5, 7) * 7
    rgb = Image.fromarray(np.stack([grey, grey.T.reshape(5, 7), 255 - grey], -1))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray(grey))
    exif = Image.Exif()
    exif[0x0112] = 6
    cases = {
        "PNG": [
            (rgb, {"exif": exif}),
            (deep, {}),
            (alpha, {}),
            (rgb.quantize(4), {"transparency": 1}),
        ],
        "JPEG": [(rgb, {"exif": exif}), (rgb.convert("CMYK"), {}), (rgb, {"progressive": True})],
        "WEBP": [(rgb, {"lossless": True}), (alpha, {}), (rgb, {"exif": exif})],
        "BMP": [(rgb, {}), (rgb.quantize(4), {}), (rgb.convert("1"), {}), (alpha, {})],
        "GIF": [(rgb.quantize(4), {"transparency": 1}), (rgb.convert("L"), {"interlace": 1})],
        "PPM": [(rgb, {}), (rgb.convert("L"), {}), (rgb.convert("1"), {}), (deep, {})],
        "TIFF": [
            (rgb, {"compression": "tiff_lzw"}),
            (deep, {}),
            (rgb, {"compression": "jpeg"}),
            (alpha, {"compression": "tiff_adobe_deflate"}),
            (Image.fromarray(np.float32(grey) / 255), {"compression": "packbits"}),
            (rgb.convert("1"), {"compression": "group4"}),
        ],
    }
    made = []
    for image, options in cases[kind]:
        out = io.BytesIO()
        image.save(out, kind, **options)
        made.append(out.getvalue())
    if kind == "PNG":
        made.append(_make_deep_png())
    if kind == "BMP":
        made.append(_make_run_length_bmp())
    if kind == "PPM":
        made += [b"P3\n2 1\n255\n1 2 3 4 5 6\n", b"P2 2 1 9 1 2", b"P1 2 2 1 0 0 1"]
    return made


def _make_run_length_bmp() -> bytes:
    palette, runs = bytes(range(8)), b"\2\0\0\0\0\3\0\1\0\0\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, 3, 2, 1, 8, 1, len(runs), 0, 0, 2, 0)
    start = 14 + len(header) + len(palette)
    size = start + len(runs)
    return b"BM" + struct.pack("<IHHI", size, 0, 0, start) + header + palette + runs


def _make_deep_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + bytes(range(i, i + 24)) for i in range(3))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 3, 16, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def make_records() -> list[bytes]:
    record = {
        "schema": 1,
        "command": "maximize",
        "arguments": {"net": "demo", "index": [1, 2], "out": None},
        "network": {"name": "demo", "weights": "embedded", "sha256": None},
        "loss": {"total": {"first": [1.5, "nan"], "last": [0.5, 1e-9]}},
    }
    return [json.dumps(record, indent=1).encode(), b'{"schema": 1}']


def make_labels() -> list[bytes]:
    lines = (b"n01440764 tench, Tinca tinca\nplain word\n", "\ufeffé\r\nb c\r\n\n".encode())
    trees = (["a", "b"], {"0": "a", "1": "b"}, {"a": 1, "b": 0}, {"0": ["n01440764", "tench"]})
    return [*lines, *(json.dumps(tree).encode() for tree in trees)]
