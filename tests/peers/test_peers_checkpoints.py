"""Files written by torch and by protobuf itself; torchvision's own table of weights."""

import math
from pathlib import Path

import checkpoint_writers as write
import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxvis.nets import registry
from jaxvis.weights import file as weights_file
from jaxvis.weights import load as weights
from weights_convert import convert
from weights_convert import preprocessing as preprocess
from weights_convert.checkpoint import Checkpoint, StoredTensor
from weights_convert.matching import match
from weights_convert.names import HARMLESS, make_renamer
from weights_convert.names.parameters import list_shapes
from weights_convert.readers.detect import read
from weights_convert.torchvision_files import SOURCES, URL, find_tag

torch = pytest.importorskip("torch")


def _module():
    """Returns torch's own version of `write.tiny_net(norm=True)`."""
    names = ("conv1", "bn1", "conv2", "fc6", "fc7")
    layers = (
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.Conv2d(4, 6, 3, padding=1, groups=2),
        torch.nn.Linear(36, 5),
        torch.nn.Linear(5, 3),
    )
    model = torch.nn.ModuleDict(dict(zip(names, layers)))
    with torch.no_grad():
        model["bn1"].running_mean.normal_()
        model["bn1"].running_var.uniform_(0.5, 2)
        model["bn1"].weight.uniform_(0.5, 2)
    return model.eval()


def _forward(model, x):
    pool = torch.nn.functional.max_pool2d
    x = pool(torch.relu(model["bn1"](model["conv1"](x))), 2)
    x = pool(torch.relu(model["conv2"](x)), 2)
    return model["fc7"](torch.relu(model["fc6"](x.flatten(1))))


SAVES = {
    "zip": lambda model, path: torch.save(model.state_dict(), path),
    "stream": lambda model, path: torch.save(
        model.state_dict(), path, _use_new_zipfile_serialization=False
    ),
    "parameters": lambda model, path: torch.save(dict(model.named_parameters()), path),
    "training": lambda model, path: torch.save(
        {"epoch": 3, "state_dict": model.state_dict(), "best": 0.5}, path
    ),
    "protocol4": lambda model, path: torch.save(model.state_dict(), path, pickle_protocol=4),
    "parallel": lambda model, path: torch.save(torch.nn.DataParallel(model).state_dict(), path),
}


@pytest.mark.parametrize("how", sorted(set(SAVES) - {"parameters"}))
def test_the_network_of_a_torch_file_computes_what_torch_computes(tmp_path, how):
    torch.manual_seed(0)
    model, net = _module(), write.tiny_net(norm=True)
    SAVES[how](model, tmp_path / "net.pth")
    out = convert([tmp_path / "net.pth"], net=net, out=tmp_path / "net.safetensors")
    params = weights_file.read(out, net)
    image = np.random.default_rng(0).uniform(size=(8, 12, 3)).astype(np.float32)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = torch.tensor(((image - mean) / std).transpose(2, 0, 1)[None]).float()
    with torch.no_grad():
        expected = _forward(model, x)[0].numpy()
    got = jax.jit(net.apply)(params, image)["fc7"]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


PREFIXES = {"parallel": "module.", "training": "state_dict."}


@pytest.mark.parametrize("how", SAVES)
def test_tensors_of_a_torch_file_are_equal_bit_by_bit(tmp_path, how):
    torch.manual_seed(0)
    model = _module()
    SAVES[how](model, tmp_path / "net.pth")
    found = read(tmp_path / "net.pth").tensors
    for name, tensor in model.named_parameters():
        name = PREFIXES.get(how, "") + name
        np.testing.assert_array_equal(found[name].read(), tensor.detach().numpy())


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "kind", ["float32", "float64", "float16", "bfloat16", "int64", "uint8", "bool"]
)
def test_every_kind_of_number_and_strides_are_read(tmp_path, kind, old):
    values = torch.arange(24).reshape(4, 6).to(getattr(torch, kind))
    state = {
        "a.weight": values,
        "b.weight": values.T,
        "c.weight": values[1:, 2:5],
        "d.weight": values[2, 3],
        "e.weight": values[:0],
    }
    path = tmp_path / "a.pth"
    torch.save(state, path, _use_new_zipfile_serialization=not old)
    found = read(path).tensors
    for name, tensor in state.items():
        assert found[name].shape == tuple(tensor.shape)
        got = np.asarray(found[name].read(), np.float64)
        np.testing.assert_array_equal(got, tensor.double().numpy())


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_program_is_refused(tmp_path):
    module = torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2))
    torch.jit.save(module, str(tmp_path / "script.pt"))
    with pytest.raises(ValueError, match="TorchScript"):
        read(tmp_path / "script.pt")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name == "regnet_y_16gf" else [])
        for name in dict.fromkeys(source.net for source in SOURCES.values() if source.folder == URL)
    ],
)
def test_every_name_of_torchvisions_models_fits(name, models):
    options = {"init_weights": False} if name == "inception_v3" else {}
    # RegNet's widths are computed with tensors.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        state = getattr(models, name)(weights=None, **options).state_dict()
    tensors = {n: StoredTensor(tuple(each.shape), lambda: None) for n, each in state.items()}
    found = match(name, {Path("net.pth"): Checkpoint("torch", tensors)})
    assert not found.notes and not found.prefix
    assert found.parts.keys() == list_shapes(registry.build(name)).keys()
    assert len(found.parts) == sum(not HARMLESS.search(n) for n in state)


@pytest.mark.parametrize("name", [key for key, each in SOURCES.items() if each.folder == URL])
def test_the_table_of_files_is_torchvisions(name, models):
    source = SOURCES[name]
    table = models.get_model_weights(source.net)
    by_file = {entry.url.removeprefix(URL): entry for entry in table}
    entry = by_file[source.file]
    metrics = entry.meta["_metrics"]["ImageNet-1K"]
    if source.top1 is None:
        assert not math.isfinite(metrics["acc@1"])
    else:
        assert (source.top1, source.top5) == (metrics["acc@1"], metrics["acc@5"])
    transform = entry.transforms()
    assert transform.resize_size == [source.short_side]
    assert transform.crop_size == [source.crop]
    assert table[source.tag.removeprefix("torchvision:")] is entry
    assert find_tag(source.net, "torchvision:DEFAULT") in (
        key for key, each in SOURCES.items() if each.file == table.DEFAULT.url.removeprefix(URL)
    )
    if source.net == "inception_v3":  # its code turns torchvision's convention into another
        assert source.preprocess == "symmetric"
        return
    convention = preprocess.parse(source.preprocess or "imagenet")
    np.testing.assert_allclose(convention.mean, transform.mean)
    np.testing.assert_allclose(convention.std, transform.std)


def test_features_with_an_unusable_classifier_convert_up_to_their_tap(tmp_path, models):
    source = SOURCES["vgg16_features"]
    with torch.device("meta"):
        state = models.vgg16(weights=None).state_dict()
    state = {
        name: torch.full((1,), torch.nan).expand(tensor.shape)
        if name.startswith("classifier")
        else torch.rand(tensor.shape)
        for name, tensor in state.items()
    }
    # Expanded, the classifier is one number in the file.
    torch.save(state, tmp_path / source.file)
    out = convert(
        [tmp_path / source.file],
        net="vgg16",
        out=tmp_path / "f.safetensors",
        preprocess=source.preprocess,
        stop=source.stop,
    )
    found = load_file(out)
    assert {n.partition("/")[0] for n in found} == {
        "input",
        *(f"conv{b}_{i}" for b in range(1, 6) for i in range(1, 3 + (b > 2))),
    }
    np.testing.assert_allclose(found["input/scale"], [255] * 3, rtol=1e-6)
    mean = np.array([0.48235, 0.45882, 0.40784])
    np.testing.assert_allclose(found["input/shift"], -255 * mean, rtol=1e-6)
    net, params = weights.load("vgg16", weights=out)
    assert "fc6" not in params and params["conv5_3"]["kernel"].shape == (3, 3, 512, 512)


def test_the_first_densenets_names_fit(tmp_path, models):
    with torch.device("meta"):
        state = models.densenet121(weights=None).state_dict()
    rename = make_renamer("torch", registry.build("densenet121"))
    for name in state:
        head, dot, leaf = name.rpartition(".")
        if "denselayer" in name and head[-1] in "12":
            assert rename(f"{head[:-1]}.{head[-1]}{dot}{leaf}") == rename(name)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("generation", [0, 1, 2])
def test_caffemodels_written_by_protobuf_are_read(tmp_path, generation, packed):
    pytest.importorskip("google.protobuf")
    net = write.tiny_net()
    state = write.random_state(net)
    message = _net_parameter(packed)()
    message.name = "tiny"
    flat = write.caffe_flat(net, state)
    for row in ("conv1", "conv2", "fc6", "fc7"):
        if generation == 2:
            layer = message.layer.add(name=row, type="any")
        else:
            layer = message.layers.add()
            layer = layer if generation else layer.layer
            layer.name = row
        for leaf in ("weight", "bias"):
            array, blob = flat[f"{row}/{leaf}"], layer.blobs.add()
            blob.data.extend(array.ravel().tolist())
            if generation == 2:
                blob.shape.dim.extend(array.shape)
            else:
                axes = (1,) * (4 - array.ndim) + array.shape
                blob.num, blob.channels, blob.height, blob.width = axes
    path = tmp_path / "net.caffemodel"
    path.write_bytes(message.SerializeToString())
    out = convert([path], net=net, out=tmp_path / "net.safetensors")
    found = load_file(out)
    for row, leaves in state.items():
        for leaf, array in leaves.items():
            flip = row == "conv1" and leaf == "kernel"
            array = array[:, :, ::-1] if flip else array
            np.testing.assert_array_equal(found[f"{row}/{leaf}"], array)


def _net_parameter(packed):
    """Returns the message class, from the parts of caffe.proto that hold weights."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe")
    int32, int64, floats, text, message = 5, 3, 2, 9, 11
    one, many = 1, 3

    def add(name, *fields):
        proto = file.message_type.add(name=name)
        for field, number, label, kind, *of in fields:
            entry = proto.field.add(name=field, number=number, label=label, type=kind)
            if of:
                entry.type_name = f".caffe.{of[0]}"
            if label == many and kind in (int64, floats):
                entry.options.packed = packed

    axes = ("num", "channels", "height", "width")
    add("BlobShape", ("dim", 1, many, int64))
    add(
        "BlobProto",
        *((name, i, one, int32) for i, name in enumerate(axes, 1)),
        ("data", 5, many, floats),
        ("shape", 7, one, message, "BlobShape"),
    )
    add("V0", ("name", 1, one, text), ("blobs", 50, many, message, "BlobProto"))
    add(
        "V1",
        ("layer", 1, one, message, "V0"),
        ("name", 4, one, text),
        ("blobs", 6, many, message, "BlobProto"),
    )
    add(
        "Layer",
        ("name", 1, one, text),
        ("type", 2, one, text),
        ("blobs", 7, many, message, "BlobProto"),
    )
    add(
        "Net",
        ("name", 1, one, text),
        ("layers", 2, many, message, "V1"),
        ("layer", 100, many, message, "Layer"),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("caffe.Net")
    return message_factory.GetMessageClass(found)
