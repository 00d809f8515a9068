"""Names -> files -> parameters: `jaxvis.load` and what a converted file says."""

import functools
import json
import resource

import checkpoint_writers as write
import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxvis.nets import registry
from jaxvis.nets.random import random_params
from jaxvis.weights import file as weights_file
from jaxvis.weights import load as weights
from jaxvis.weights.cache import cache_path
from jaxvis.weights.cache import home as cache_folder
from jaxvis.weights.labels import read_imagenet_labels


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Puts the cache folder into the test's own."""
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def small():
    """Returns the smallest real network and random parameters, as NumPy arrays."""
    net = registry.build("squeezenet1_1")
    params = jax.jit(lambda key: random_params(net, key))(jax.random.key(3))
    return net, jax.tree.map(np.asarray, params)


@pytest.fixture
def file(small, tmp_path):
    """Returns a converted file of it."""
    path = tmp_path / "net.safetensors"
    weights_file.save(path, *small, facts={"labels": '["a", "b, c"]', "source": '["x.pth"]'})
    return path


def assert_same(got, wanted):
    assert jax.tree.structure(got) == jax.tree.structure(dict(wanted))
    for row, leaves in wanted.items():
        for leaf, array in leaves.items():
            assert got[row][leaf].dtype == np.float32
            np.testing.assert_array_equal(got[row][leaf], array)


def test_what_is_saved_is_loaded(small, file):
    net, params = weights.load("squeezenet1_1", weights=file)
    assert net == small[0]
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params))
    assert_same(params, small[1])


def test_text_paths_are_paths(small, file):
    assert_same(weights.load("squeezenet1_1", weights=str(file))[1], small[1])


def test_none_takes_the_cached_file(small, file):
    cached = cache_path("squeezenet1_1")
    cached.parent.mkdir(parents=True)
    file.rename(cached)
    assert_same(weights.load("squeezenet1_1")[1], small[1])


def test_the_cache_folder_follows_the_environment(home, monkeypatch):
    assert cache_path("vgg19") == home / "weights" / "vgg19.safetensors"
    monkeypatch.setenv("JAXVIS_HOME", "~/somewhere")
    assert cache_folder().is_absolute() and cache_folder().name == "somewhere"
    monkeypatch.delenv("JAXVIS_HOME")
    assert cache_folder().name == "jaxvis" and cache_folder().is_absolute()


def test_an_absent_file_names_the_command_that_gets_it():
    with pytest.raises(FileNotFoundError, match="jaxvis weights get vgg19") as caught:
        weights.load("vgg19")
    assert str(cache_path("vgg19")) in str(caught.value)
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors"):
        weights.load("vgg19", weights="nowhere.safetensors")


def test_a_key_draws_random_parameters():
    key = jax.random.key(5)
    net, params = weights.load("squeezenet1_1", weights=key)
    assert_same(params, random_params(net, key))
    _, others = weights.load("squeezenet1_1", weights=jax.random.key(6))
    assert np.any(others["conv1"]["kernel"] != params["conv1"]["kernel"])


def test_an_array_that_is_no_typed_key_is_refused():
    with pytest.raises(ValueError, match=r"a typed key: jax.random.key\(seed\)"):
        weights.load("vgg19", weights=jax.random.PRNGKey(0))


def test_options_reach_the_network():
    key = jax.random.key(0)
    options = {"pool": "avg", "head": "relu", "input_size": (32, 32)}
    net, params = weights.load("vgg11", weights=key, stop="fc6", **options)
    assert net == registry.build("vgg11", **options)
    assert params["fc6"]["kernel"].shape == (512, 4096)
    with pytest.raises(ValueError, match="no network is called 'vgg99'"):
        weights.load("vgg99", weights=key)


def test_stop_leaves_out_later_rows_of_files_and_of_random_parameters(small, file):
    _, params = weights.load("squeezenet1_1", weights=file, stop="pool1")
    assert_same(params, {row: small[1][row] for row in ("input", "conv1")})
    key = jax.random.key(0)
    _, params = weights.load("squeezenet1_1", weights=key, stop="pool1")
    assert set(params) == {"input", "conv1"}


def test_a_file_that_ends_at_a_tap_loads_up_to_there(small, tmp_path):
    net, params = small
    path = tmp_path / "net.safetensors"
    part = {row: params[row] for row in ("input", "conv1")}
    weights_file.save(path, net, part, facts={"stop": "pool1"})
    assert_same(weights.load("squeezenet1_1", weights=path)[1], part)
    image = np.full((32, 32, 3), 0.5, np.float32)
    apply = jax.jit(lambda p: net.apply(p, image, stop="pool1")["pool1"])
    np.testing.assert_array_equal(apply(weights_file.read(path, net)), apply(part))
    with pytest.raises(ValueError, match="missing conv10/kernel"):
        weights.load("squeezenet1_1", weights=path, stop="conv10")


def test_half_precision_is_saved_as_it_is_and_loaded_as_float32(small, tmp_path):
    net, params = small
    half = jax.tree.map(lambda leaf: leaf.astype(np.float16), params)
    path = tmp_path / "half.safetensors"
    weights_file.save(path, net, half)
    assert {array.dtype for array in load_file(path).values()} == {np.dtype("f2")}
    loaded = weights_file.read(path, net)
    assert_same(loaded, jax.tree.map(lambda leaf: leaf.astype(np.float32), half))


def test_labels_come_from_the_file(file):
    assert weights_file.read_labels(file) == ("a", "b, c")
    assert weights.labels_of("squeezenet1_1", weights=file) == ("a", "b, c")
    assert weights.labels_of("squeezenet1_1", weights=jax.random.key(0)) == ()
    with pytest.raises(FileNotFoundError, match="jaxvis weights get"):
        weights.labels_of("squeezenet1_1")


def save_counted(path, *, classes, channels, **facts):
    """Writes a converted file of a network with so many classes and channels."""
    net = registry.build("squeezenet1_1", classes=classes, channels=channels)
    params = random_params(net, jax.random.key(0))
    counts = {"classes": str(classes), "channels": str(channels)}
    weights_file.save(path, net, params, facts=counts | facts)


def test_a_file_decides_how_many_classes_and_channels_there_are(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_counted(path, classes=7, channels=1)
    net, params = weights.load("squeezenet1_1", weights=path)
    assert net == registry.build("squeezenet1_1", classes=7, channels=1)
    assert params["conv10"]["bias"].shape == (7,) and params["input"]["scale"].shape == (1,)
    assert weights.load("squeezenet1_1", weights=path, classes=7, channels=1)[0] == net
    for option, flag in (("classes", "--classes-count"), ("channels", "--channels")):
        with pytest.raises(ValueError, match=rf"{option}, not 3: leave {option}= \({flag}\) out"):
            weights.load("squeezenet1_1", weights=path, **{option: 3})


@pytest.mark.parametrize(
    ("text", "wanted"), [("[64, 96]", (64, 96)), ("[0, 1e9]", (224, 224)), ("[", (224, 224))]
)
def test_a_file_decides_how_large_the_image_is(small, tmp_path, text, wanted):
    path = tmp_path / "net.safetensors"
    weights_file.save(path, *small, facts={"input_size": text})
    assert weights.load("squeezenet1_1", weights=path)[0].input_size == wanted
    net, _ = weights.load("squeezenet1_1", weights=path, input_size=(128, 128))
    assert net.input_size == (128, 128)


def test_labels_are_those_that_are_asked_for(tmp_path, small, file):
    path, few = tmp_path / "names.txt", tmp_path / "few.txt"
    path.write_text("\n".join(["background", *(f"kind {i}" for i in range(1000))]))
    few.write_text("a\nb\n")
    load = functools.partial(weights.load_network, "squeezenet1_1")
    for given in (file, "random:0"):
        found = load(weights=given, labels=path, skip_first_label=True)
        assert found.labels[:2] == ("kind 0", "kind 1") and len(found.labels) == 1000
        assert load(weights=given, labels="imagenet").labels == read_imagenet_labels()
        with pytest.raises(ValueError, match="few.txt has 2 labels and the network has 1000"):
            load(weights=given, labels=few)
    with pytest.raises(ValueError, match="belongs to labels"):
        load(weights=file, skip_first_label=True)
    with pytest.raises(ValueError, match="ImageNet has 1000 labels and the network has 7"):
        load(weights="random:0", classes=7, labels="imagenet")


SUM = json.dumps(["b8a52dc0" + "0" * 56])
"""How the sha256 of torchvision's file begins."""


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ({"sha256": SUM}, "tench"),
        ({"source": '["bvlc_googlenet.caffemodel"]'}, "tench"),
        ({"sha256": json.dumps(["0" * 64]), "source": '["mine.pth"]'}, None),
        ({"sha256": "no JSON"}, None),
        ({}, None),
    ],
    ids=["torchvision", "caffe", "another", "damaged", "none"],
)
def test_only_files_of_imagenet_have_its_labels_by_themselves(small, tmp_path, facts, wanted):
    path = tmp_path / "net.safetensors"
    weights_file.save(path, *small, facts=facts)
    labels = weights.load_network("squeezenet1_1", weights=path).labels
    assert (labels[0] if labels else None) == wanted
    assert weights.labels_of("squeezenet1_1", weights=path) == labels


def test_other_counts_of_classes_never_have_imagenets_labels(tmp_path):
    path = tmp_path / "net.safetensors"
    save_counted(path, classes=7, channels=3, sha256=SUM)
    assert weights.load_network("squeezenet1_1", weights=path).labels == ()


def test_metadata_are_what_was_said(file):
    facts = weights_file.read_metadata(file)
    assert facts["net"] == "squeezenet1_1" and facts["format"] == "jaxvis"
    assert json.loads(facts["source"]) == ["x.pth"]


def test_another_networks_file_is_refused_by_name(file):
    with pytest.raises(ValueError, match="holds weights of squeezenet1_1, not of vgg"):
        weights.load("vgg11", weights=file)


def test_another_size_is_refused_with_both_shapes(tmp_path):
    net, key = write.tiny_net(), jax.random.key(0)
    path = tmp_path / "tiny.safetensors"
    weights_file.save(path, net, random_params(net, key))
    from jaxvis.nets.table.forward import build_network

    other = build_network("tiny", net.rows[1:], input_size=(16, 12), scores="fc7")
    message = r"misshaped fc6/kernel: \(36, 5\) in the file, \(72, 5\) in the network"
    with pytest.raises(ValueError, match=message):
        weights_file.read(path, other)
    assert "fc6" not in weights_file.read(path, other, stop="pool2")


def test_every_missing_and_extra_name_is_listed(small, tmp_path, file):
    arrays = load_file(file)
    arrays["conv9/kernel"] = arrays.pop("conv10/kernel")
    del arrays["fire2/squeeze1x1/bias"]
    path = tmp_path / "bad.safetensors"
    save_file(arrays, path, metadata={"net": "squeezenet1_1"})
    with pytest.raises(ValueError) as caught:
        weights.load("squeezenet1_1", weights=path)
    lines = str(caught.value).splitlines()
    assert "does not fit squeezenet1_1 (input 224x224), 3 names differ" in lines[0]
    assert [line.strip() for line in lines[1:]] == [
        "missing conv10/kernel (1, 1, 512, 1000)",
        "missing fire2/squeeze1x1/bias (16,)",
        "extra conv9/kernel (1, 1, 512, 1000)",
    ]


def test_only_load_converts_a_checkpoint(small, tmp_path):
    path = tmp_path / "timm.safetensors"
    save_file({"conv1.weight": np.zeros(3, np.float32)}, path)
    message = "not converted yet; run: jaxvis convert timm.* --net squeezenet1_1"
    with pytest.raises(ValueError, match=message):
        weights_file.read(path, small[0])
    write.write_torch_zip(tmp_path / "a.pth", {"a.weight": np.zeros(2, np.float32)})
    with pytest.raises(ValueError, match="a.pth is not a safetensors file.*run: jaxvis convert"):
        weights_file.read(tmp_path / "a.pth", small[0])


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda raw: b"", "is empty"),
        (lambda raw: raw[:5], "of no format that is read here"),
        (lambda raw: raw[:2000], "is truncated: its header claims"),
        (lambda raw: raw[:-1], "damaged or truncated"),
        (lambda raw: raw + b"x", "damaged or truncated"),
    ],
    ids=["empty", "start", "header", "end", "longer"],
)
def test_damaged_files_say_so(file, change, message):
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ValueError, match=message):
        weights.load("squeezenet1_1", weights=file)


def test_saving_what_does_not_fit_writes_nothing(small, tmp_path):
    net, params = small
    broken = {row: leaves for row, leaves in params.items() if row != "conv10"}
    folder = tmp_path / "new"
    folder.mkdir()
    with pytest.raises(ValueError, match="missing conv10/bias"):
        weights_file.save(folder / "n.safetensors", net, broken)
    assert list(folder.iterdir()) == []


def test_saving_over_a_file_is_whole_or_not_at_all(small, file):
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))  # as a full disk
    try:
        with pytest.raises(OSError, match="File too large.*net.safetensors"):
            weights_file.save(file, *small)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_bytes() == before
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_the_demo_network_comes_with_its_weights():
    net, params = weights.load("demo")
    shapes = {row: set(leaves) for row, leaves in params.items()}
    assert shapes["fc8"] == {"kernel", "bias"} and "input" in shapes
    assert len(weights.labels_of("demo")) == params["fc8"]["bias"].size
