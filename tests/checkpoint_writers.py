"""Small checkpoints in every format, written by hand: neither torch nor Caffe needed.

A state is {row: {"kernel": HWIO or [in, out], "bias", ...}}, as the library has it; the
writers rearrange it into what each program writes.
"""

import io
import itertools
import struct
import zipfile
from pathlib import Path

import numpy as np

from jaxvis.nets.table.forward import build_network, parameter_shapes
from jaxvis.nets.table.layers import Layer, shapes, sources

TORCH_LEAVES = {"mean": "running_mean", "var": "running_var", "scale": "weight"}


def tiny_net(*, norm=False, name="tiny"):
    """Returns a net with groups, a flattened map before fc6 and one after it."""
    rows = [Layer("conv1", "conv", 4, 3, pad=1)]
    rows += [Layer("bn1", "bn")] * norm
    rows += [
        Layer("relu1", "relu"),
        Layer("pool1", "max", size=2, stride=2),
        Layer("conv2", "conv", 6, 3, pad=1, groups=2),
        Layer("relu2", "relu"),
        Layer("pool2", "max", size=2, stride=2),
        Layer("fc6", "fc", 5),
        Layer("relu6", "relu"),
        Layer("fc7", "fc", 3),
    ]
    return build_network(name, tuple(rows), input_size=(8, 12), scores="fc7")


def random_state(net, seed=0):
    """Returns a random state of a net, without its input row."""
    rng = np.random.default_rng(seed)
    return {
        row: {
            leaf: rng.uniform(0.1, 1.0, shape).astype(np.float32) for leaf, shape in leaves.items()
        }
        for row, leaves in parameter_shapes(net).items()
        if row != "input"
    }


def outer_first(net, state, *, sep=".", as_conv=False):
    """Returns flat names and arrays with the outputs first: torch's, Caffe's."""
    at, reads = shapes(net.rows, net.input_size), sources(net.rows)
    flat = {}
    for row, leaves in state.items():
        for leaf, array in leaves.items():
            if array.ndim == 4:
                array = np.moveaxis(array, (3, 2), (0, 1))
            elif array.ndim == 2:
                before = at[reads[row][0]]
                if len(before) == 3:
                    array = np.moveaxis(array.reshape(*before, -1), (3, 2), (0, 1))
                    array = array if as_conv else array.reshape(len(array), -1)
                else:
                    array = array.T
            leaf = TORCH_LEAVES.get(leaf, "weight" if leaf == "kernel" else leaf)
            flat[f"{row}{sep}{leaf}"] = np.ascontiguousarray(array)
    return flat


# --- torch -------------------------------------------------------------------------

KINDS = {"f4": "Float", "f8": "Double", "f2": "Half", "i8": "Long"}


def _number(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def _text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _numbers(values):
    return b"(" + b"".join(map(_number, values)) + b"t"


def tensor_pickle(key, array, *, numel=None, shape=None, view=b"", parameter=False):
    """Returns the instructions that rebuild one tensor over storage `key`."""
    kind = KINDS[array.dtype.str[1:]]
    shape = array.shape if shape is None else shape
    strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
    storage = b"(" + _text("storage") + f"ctorch\n{kind}Storage\n".encode() + _text(key)
    storage += _text("cpu") + _number(array.size if numel is None else numel) + view
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n("
    rebuild += storage + b"tQ" + _number(0) + _numbers(shape) + _numbers(strides)
    rebuild += b"\x89ccollections\nOrderedDict\n)RtR"
    if parameter:
        rebuild = b"ctorch._utils\n_rebuild_parameter\n(" + rebuild
        rebuild += b"\x88ccollections\nOrderedDict\n)RtR"
    return rebuild


def state_pickle(flat, *, before=b"", view=b"", **options):
    """Returns the pickle of an OrderedDict of tensors, with torch's `_metadata`."""
    out = b"\x80\x02" + before + b"ccollections\nOrderedDict\n)Rq\x00("
    for key, (name, array) in enumerate(flat.items()):
        out += _text(name) + tensor_pickle(str(key), array, view=view, **options)
    return out + b"u}" + _text("_metadata") + b"ccollections\nOrderedDict\n)Rsb."


def write_torch_zip(path, flat, *, pickle=None, compression=zipfile.ZIP_STORED, **kw):
    """Writes torch's zip container."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", state_pickle(flat, **kw) if pickle is None else pickle)
        archive.writestr("net/byteorder", "little")
        for key, array in enumerate(flat.values()):
            archive.writestr(f"net/data/{key}", array.tobytes())
        archive.writestr("net/version", "3\n")


def write_torch_stream(path, flat, *, pickle=None, **kw):
    """Writes torch's older container."""
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    machine = b"\x80\x02}" + _text("little_endian") + b"\x88s."
    body = state_pickle(flat, view=b"N", **kw) if pickle is None else pickle
    keys = b"\x80\x02](" + b"".join(_text(str(k)) for k in range(len(flat))) + b"e."
    data = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in flat.values())
    out = magic + b"\x80\x02M\xe9\x03." + machine + body + keys + data
    Path(path).write_bytes(out)


# --- Caffe -------------------------------------------------------------------------


def varint(value):
    """Returns a number as protobuf writes it."""
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, payload):
    """Returns a length-delimited field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def blob(array, *, legacy):
    """Returns a BlobProto; a legacy one has four axes and no shape."""
    data = field(5, array.astype("<f4").tobytes())
    if not legacy:
        dims = b"".join(map(varint, array.shape))
        return field(7, field(1, dims)) + data
    axes = (1,) * (4 - array.ndim) + array.shape
    sizes = b"".join(varint(i << 3) + varint(n) for i, n in enumerate(axes, 1))
    return sizes + data


def write_caffemodel(path, flat, *, generation=2):
    """Writes a NetParameter with layers of generation 0, 1 or 2."""
    layers = {}
    for name, array in flat.items():
        layers.setdefault(name.rpartition("/")[0], []).append(array)
    out = field(1, b"tiny")
    for name, arrays in layers.items():
        blobs = [blob(array, legacy=generation < 2) for array in arrays]
        numbers = {0: (1, 50), 1: (4, 6), 2: (1, 7)}[generation]
        body = field(numbers[0], name.encode())
        body += b"".join(field(numbers[1], part) for part in blobs)
        if generation == 0:
            body = field(1, body)
        out += field(100 if generation == 2 else 2, body)
    Path(path).write_bytes(out)


def caffe_flat(net, state):
    """Returns Caffe's names, each layer's weight before its bias."""
    flat = outer_first(net, state, sep="/")
    return dict(sorted(flat.items(), key=lambda item: item[0], reverse=True))


# --- Keras -------------------------------------------------------------------------


def write_keras(path, state, *, layout):
    """Writes .h5 as Keras 2 (weights, model), Keras 1 or Keras 3 (keras3, named) lays it out."""
    import h5py

    paths = {
        "weights": "{row}/{row}/{leaf}:0",
        "numbered": "{row}/{row}_1/{leaf}:0",
        "flat": "{row}/{leaf}:0",
        "model": "model_weights/{row}/{row}/{leaf}:0",
        "keras1": "{row}/{row}_{short}_1:0",
        "keras3": "layers/{row}/vars/{number}",
        "named": "layers/layer_{index}/vars/{number}",
    }
    rows = list(state)
    with h5py.File(path, "w") as file:
        for row, leaves in state.items():
            for leaf, array in leaves.items():
                file[
                    paths[layout].format(
                        row=row,
                        leaf=leaf,
                        short={"kernel": "W", "bias": "b"}[leaf],
                        number={"kernel": 0, "bias": 1}[leaf],
                        index=rows.index(row),
                    )
                ] = array
            if layout == "named":
                file[f"layers/layer_{rows.index(row)}/vars"].attrs["name"] = row
        if layout == "model":
            file["optimizer_weights/Adam/iterations:0"] = np.int64(3)


def write_keras_zip(path, state, *, compression=zipfile.ZIP_STORED):
    """Writes Keras 3's .keras: a zip with the weights in HDF5."""
    inner = Path(path).with_name("inner.h5")
    write_keras(inner, state, layout="named")
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("model.weights.h5", inner.read_bytes())
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
        archive.writestr("config.json", '{"class_name": "Functional"}')
    inner.unlink()


# --- MatConvNet --------------------------------------------------------------------


def matconvnet_layers(net, state, *, old=False):
    """Returns a list of dicts, one a layer, as MatConvNet keeps them."""
    at, reads = shapes(net.rows, net.input_size), sources(net.rows)
    layers = []
    for row in net.rows[1:]:
        layer = {"type": row.op, "name": row.name}
        if row.name in state:
            kernel, bias = state[row.name]["kernel"], state[row.name]["bias"]
            if kernel.ndim == 2:
                before = at[reads[row.name][0]]
                window = before if len(before) == 3 else (1, 1, *before)
                kernel = kernel.reshape(*window, -1)
            pair = (kernel, bias[None])
            if old:
                layer |= dict(zip(("filters", "biases"), pair))
            else:
                layer["weights"] = _cell(pair)
        layers.append(layer)
    return layers


def _cell(items):
    cell = np.empty((1, len(items)), object)
    cell[0, :] = list(items)
    return cell


def write_mat(path, net, state, *, image, labels=(), old=False, nested=False, packed=False):
    """Writes MATLAB 5; nested puts everything into a struct `net`."""
    from scipy.io import savemat

    normalization = {"normalization": {"averageImage": image}}
    classes = {"classes": {"description": _cell(labels)}} if labels else {}
    content = {"layers": _cell(matconvnet_layers(net, state, old=old))}
    content |= normalization | classes if old else {"meta": normalization | classes}
    savemat(path, {"net": content} if nested else content, do_compression=packed)


def write_mat73(path, net, state, *, image, labels=()):
    """Writes MATLAB 7.3: HDF5 with reversed axes, cells as references."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        count = itertools.count()

        def put(value):
            name = f"#refs#/{next(count)}"
            if isinstance(value, str):
                file[name] = np.array([[ord(c)] for c in value], np.uint16)
                file[name].attrs["MATLAB_class"] = np.bytes_("char")
            elif isinstance(value, np.ndarray) and value.dtype == object:
                made = [put(item) for item in value.ravel()]
                file.create_dataset(name, (len(made), 1), h5py.ref_dtype)
                file[name][:, 0] = made
                file[name].attrs["MATLAB_class"] = np.bytes_("cell")
            elif isinstance(value, dict):
                group = file.create_group(name)
                for key, item in value.items():
                    group[key] = file[put(item)]
            else:
                file[name] = np.asarray(value).T
            return file[name].ref

        layers = _cell(matconvnet_layers(net, state))
        file["layers"] = file[put(layers)]
        file["meta/normalization/averageImage"] = np.asarray(image).T
        if labels:
            file["meta/classes/description"] = file[put(_cell(labels))]
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))


def npy(array):
    """Returns the bytes of a .npy file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()
