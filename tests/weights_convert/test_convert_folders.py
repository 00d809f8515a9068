"""Folders as Hugging Face's programs and timm write them, whole and in part."""

import json

import checkpoint_writers as write
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxvis.weights import file as weights_file
from tests.people_save import save
from weights_convert import convert
from weights_convert.checkpoint import CheckpointError
from weights_convert.preprocessing import Preprocess
from weights_convert.readers.detect import read

NET = write.tiny_net()
STATE = write.random_state(NET)
FLAT = write.outer_first(NET, STATE)
LABELS = {"id2label": {"0": "cat", "1": "dog, hound", "2": "eel"}}
INPUT = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.25], "rescale_factor": 1 / 255}


def _write_json(path, value):
    path.write_text(json.dumps(value))


def _make(folder, *, config=LABELS, preprocessor=None, weights="model.safetensors"):
    folder.mkdir(exist_ok=True)
    if config is not None:
        _write_json(folder / "config.json", config)
    if preprocessor is not None:
        _write_json(folder / "preprocessor_config.json", preprocessor)
    if weights is not None and weights.endswith("safetensors"):
        save_file(FLAT, folder / weights)
    elif weights is not None:
        save(folder / weights, FLAT)
    return folder


def _shard(folder, *, kept=2):
    names = sorted(FLAT)
    parts = {"model-00001-of-00002.safetensors": names[::2]}
    parts["model-00002-of-00002.safetensors"] = names[1::2]
    for file, held in list(parts.items())[:kept]:
        save_file({name: FLAT[name] for name in held}, folder / file)
    where = {name: file for file, held in parts.items() for name in held}
    _write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": where})


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin", "other.safetensors"])
def test_weights_labels_and_preprocessing_of_a_folder(tmp_path, weights):
    folder = _make(tmp_path / "net", preprocessor=INPUT, weights=weights)
    out = convert([folder], net=NET, out=tmp_path / "out.safetensors")
    found, facts = load_file(out), weights_file.read_metadata(out)
    np.testing.assert_array_equal(found["fc7/kernel"], STATE["fc7"]["kernel"])
    assert weights_file.read_labels(out) == ("cat", "dog, hound", "eel")
    np.testing.assert_allclose(found["input/scale"], [5, 5, 4], rtol=1e-6)
    np.testing.assert_allclose(found["input/shift"], [-2.5, -2, -1.2], rtol=1e-6)
    assert json.loads(facts["source"]) == [weights] and len(json.loads(facts["sha256"])) == 1


def test_the_shards_of_an_index_make_one_network(tmp_path):
    folder = _make(tmp_path / "net", weights=None)
    _shard(folder)
    out = convert([folder], net=NET, out=tmp_path / "out.safetensors")
    np.testing.assert_array_equal(load_file(out)["conv1/kernel"], STATE["conv1"]["kernel"])
    assert len(json.loads(weights_file.read_metadata(out)["source"])) == 2


COLOURS = ((0.5, 0.4, 0.3), (0.2, 0.2, 0.25))
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
CONVENTIONS = {
    "normalised": (INPUT, Preprocess("rgb", 1, *COLOURS)),
    "old": (HALF, Preprocess("rgb", 1, (0.5,) * 3, (0.5,) * 3)),
    "grey": ({"image_mean": [0.5], "image_std": [0.25]}, Preprocess("rgb", 1, (0.5,), (0.25,))),
    "rescaled to -1": (
        {"image_mean": 1.0, "image_std": 1.0, "rescale_factor": 2 / 255},
        Preprocess("rgb", 2, (1.0,), (1.0,)),
    ),
    "plain": ({"do_normalize": False}, Preprocess("rgb", 1, (0.0,), (1.0,))),
    "bytes": ({**INPUT, "do_rescale": False}, Preprocess("rgb", 255, *COLOURS)),
    "unsaid": ({"size": 224}, None),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_what_a_preprocessor_says_becomes_a_convention(tmp_path, name):
    preprocessor, expected = CONVENTIONS[name]
    found = read(_make(tmp_path / "net", preprocessor=preprocessor)).preprocess
    assert (found is None) == (expected is None)
    if expected is not None:
        for leaf, numbers in expected.as_affine().items():
            np.testing.assert_allclose(found.as_affine()[leaf], numbers, rtol=1e-6)


def test_timms_config_says_labels_and_preprocessing(tmp_path):
    config = {
        "architecture": "resnet18",
        "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        "label_names": ["n1", "n2", "n3"],
        "label_descriptions": {"n1": "cat", "n2": "dog"},
    }
    found = read(_make(tmp_path / "net", config=config))
    assert found.labels == ("cat", "dog", "n3") and found.architecture == "resnet18"
    assert found.preprocess == Preprocess("rgb", 1, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    folder = _make(tmp_path / "other", config={"architecture": "mine"})
    with pytest.raises(ValueError, match="other is not tiny: 4 names differ.*says that it is mine"):
        convert([folder], net=write.tiny_net(norm=True), out=tmp_path / "out")


@pytest.mark.parametrize(
    "config",
    [{}, {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, {"id2label": {"1": "a"}}, {"id2label": 5}],
    ids=["none", "unnamed", "from one", "number"],
)
def test_classes_without_names_have_no_labels(tmp_path, config):
    assert read(_make(tmp_path / "net", config=config)).labels == ()


def test_the_files_of_a_trainer_are_no_weights(tmp_path):
    folder = _make(tmp_path / "net", weights="model_final.bin")
    for name in ("training_args.bin", "optimizer.bin", "scheduler.bin"):
        (folder / name).write_bytes(b"anything")
    assert set(read(folder).tensors) == set(FLAT)


def _half(name):
    def make(folder):
        _make(folder, weights=None)
        (folder / name).write_bytes(b"x")

    return make


HALVES = {
    "nothing": (lambda f: f.mkdir(), "is a folder without config.json and model.safetensors"),
    "no config": (
        lambda f: _make(f, config=None),
        "has no config.json beside model.safetensors: fetch it, or name model.safetensors itself",
    ),
    "no weights": (lambda f: _make(f, weights=None), "has no weights: save them as"),
    "flax": (_half("flax_model.msgpack"), "has only flax_model.msgpack, which is not read"),
    "no shard": (
        lambda f: _shard(_make(f, weights=None), kept=1),
        "lacks model-00002-of-00002.safetensors, one of its 2 files of weights: fetch it too",
    ),
    "several": (
        lambda f: save_file(FLAT, _make(f, weights="a.safetensors") / "b.safetensors"),
        r"has several files of weights \(a.safetensors, b.safetensors\): name one of them",
    ),
    "index": (
        lambda f: _write_json(_make(f) / "model.safetensors.index.json", {}),
        "has no weight_map in its model.safetensors.index.json: fetch it again",
    ),
    "outside": (
        lambda f: _write_json(
            _make(f) / "model.safetensors.index.json", {"weight_map": {"a": "../b.safetensors"}}
        ),
        "names files outside of it in its model.safetensors.index.json",
    ),
    "no json": (
        lambda f: (_make(f) / "config.json").write_text("[" * 100_000),
        "has a config.json that is no JSON object",
    ),
    "quantised": (
        lambda f: _make(f, config={"quantization_config": {"bits": 4}}),
        r"holds a quantised network \(quantization_config\)",
    ),
    "tensorflow": (
        lambda f: _make(f, config={"model_type": "mobilenet_v2"}),
        "holds mobilenet_v2, which pads as TensorFlow does: it is another network",
    ),
    "first stride": (
        lambda f: _make(f, config={"model_type": "resnet", "downsample_in_bottleneck": True}),
        "take their stride in the first convolution",
    ),
    "input": (
        lambda f: _make(f, preprocessor={"image_mean": [1, 2], "image_std": ["a"]}),
        "says of its input what cannot be",
    ),
}


@pytest.mark.parametrize("name", HALVES)
def test_half_a_folder_is_told_in_one_line(tmp_path, name):
    make, message = HALVES[name]
    folder = tmp_path / "net"
    make(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        read(folder)
    text = str(caught.value)
    assert text.startswith(str(folder)) and text.isprintable() and len(text.splitlines()) == 1
