"""Files that describe networks, from the file to the commands."""

import json

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

import jaxvis
from jaxvis.cli import main
from jaxvis.nets import from_layers, registry
from jaxvis.nets.network_file import preprocess_of
from jaxvis.weights.load import load_network

TABLE = """
name = "small"
input_size = [8, 6]
channels = 1
preprocess = "unit"

[[layers]]
name = "conv"
op = "conv"
width = 4
size = 3
pad = 1
file_name = "features.0"

[[layers]]
name = "relu"
op = "relu"

[[layers]]
name = "gap"
op = "gap"

[[layers]]
name = "fc"
op = "fc"
width = 5
"""
ROWS = [
    {
        "name": "conv",
        "op": "conv",
        "width": 4,
        "size": 3,
        "pad": 1,
        "file_name": "features.0",
    },
    {"name": "relu", "op": "relu"},
    {"name": "gap", "op": "gap"},
    {"name": "fc", "op": "fc", "width": 5},
]
NET = from_layers(ROWS, input_size=(8, 6), channels=1, name="small")
PYTHON = {
    "a list": f'INPUT_SIZE, CHANNELS, NAME = (8, 6), 1, "small"\nNET = {ROWS}\n',
    "a network": "from jaxvis import from_layers\n"
    f'NET = from_layers({ROWS}, input_size=(8, 6), channels=1, name="small")\n',
    "a function": "import jaxvis\ndef make_net():\n    return jaxvis.from_layers("
    f'{ROWS}, input_size=(8, 6), channels=1, name="small")\n',
}


@pytest.fixture
def table(tmp_path):
    """Returns the path of a TOML file."""
    path = tmp_path / "my_net.toml"
    path.write_text(TABLE)
    return str(path)


@pytest.fixture
def weights(tmp_path):
    """Returns the path of a checkpoint as torch names it, in its layout."""
    rng, path = np.random.default_rng(0), tmp_path / "my.safetensors"
    tensors = {
        "features.0.weight": rng.normal(size=(4, 1, 3, 3)),
        "features.0.bias": rng.normal(size=4),
        "fc.weight": rng.normal(size=(5, 4)),
        "fc.bias": rng.normal(size=5),
    }
    save_file({name: array.astype(np.float32) for name, array in tensors.items()}, path)
    return str(path)


def test_a_table_in_toml_is_the_network_of_its_rows(table):
    assert registry.build(table) == NET
    assert preprocess_of(table) == "unit" and preprocess_of("vgg19") is None
    assert registry.build(table, input_size=(16, 16)).input_size == (16, 16)


@pytest.mark.parametrize("what", PYTHON)
def test_a_python_file_gives_the_same(what, tmp_path):
    path = tmp_path / "my_net.py"
    path.write_text(PYTHON[what])
    assert registry.build(str(path)) == NET
    other = registry.build(str(path), input_size=(16, 12))
    assert other == from_layers(ROWS, input_size=(16, 12), channels=1, name="small")


def test_the_name_of_the_file_is_the_networks(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TABLE.replace('name = "small"\n', "", 1))
    assert registry.build(str(path)).name == "mine"


def test_random_parameters_do_what_the_file_says(table):
    _, params = jaxvis.load(table, weights="random:0")
    np.testing.assert_array_equal(params["input"]["scale"], [1.0])


def test_a_checkpoint_with_other_names_is_converted(table, weights, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    net, params = jaxvis.load(table, weights=weights)
    image = jax.random.uniform(jax.random.key(0), (8, 6, 1))
    taps = net.apply(params, image)
    mean = np.asarray(taps["relu"]).mean((0, 1))
    want = mean @ params["fc"]["kernel"] + params["fc"]["bias"]
    np.testing.assert_allclose(taps["fc"], want, rtol=1e-5, atol=1e-5)
    assert params["conv"]["kernel"].shape == (3, 3, 1, 4)
    np.testing.assert_array_equal(params["input"]["scale"], [1.0])
    # The same path with another table is another network.
    with open(table, "w") as file:
        file.write(TABLE.replace('file_name = "features.0"', ""))
    with pytest.raises(ValueError, match="features.0.weight"):
        jaxvis.load(table, weights=weights)


WRONG = {
    "no TOML": ("a = [", "is not TOML"),
    "unknown key": ("layer = 3", r"unknown key 'layer' \(did you mean 'layers'\?\)"),
    "no layers": ("input_size = [8, 6]", "it has no layers"),
    "no size": ('[[layers]]\nname = "a"\nop = "relu"', "it has no input_size"),
    "a row": (
        TABLE.replace("width = 4", "width = 0"),
        r"my_net.toml: row 1 \('conv'\) has no width",
    ),
    "preprocess": (TABLE.replace('"unit"', "3"), "preprocess is 3: write text"),
    "name": (TABLE.replace('"small"', "3"), "name is 3: write text"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_table_is_refused_with_the_cure(what, table):
    text, message = WRONG[what]
    with open(table, "w") as file:
        file.write(text)
    with pytest.raises(ValueError, match=message):
        registry.build(table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "has neither NET nor make_net"),
        ("NET = 1 / 0", "failed: ZeroDivisionError: division by zero"),
        ("NET = 3\nINPUT_SIZE = 8, 8", "layers is a list of rows, not a int"),
        ("NET = [", "failed: SyntaxError"),
    ],
)
def test_a_wrong_python_file_is_refused_with_the_cure(text, message, tmp_path):
    path = tmp_path / "my_net.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        registry.build(str(path))


def test_files_that_are_not_there_and_options_of_others_are_refused(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*none.toml that describes"):
        registry.build(str(tmp_path / "none.toml"))
    folder = tmp_path / "a.py"
    folder.mkdir()
    with pytest.raises(ValueError, match="is no regular file"):
        registry.build(str(folder))
    with pytest.raises(ValueError, match="has no option 'head'; its options are input_size"):
        registry.build(table, head="linear")
    with pytest.raises(FileNotFoundError, match="describes a network, and no weights: pass them"):
        jaxvis.load(table)


def test_an_adapted_network_keeps_its_size(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(
        "import jaxvis\n"
        "def double(params, image):\n    return {'twice': 2 * image}\n"
        "NET, _ = jaxvis.from_function(double, {}, input_size=(4, 4))\n"
    )
    assert registry.build(str(path)).taps == ("input", "twice")
    with pytest.raises(ValueError, match="leave input_size out"):
        registry.build(str(path), input_size=(8, 8))


def test_commands_take_the_file_and_records_keep_it(table, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JAXVIS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert main(["layers", table]) == 0
    assert "conv   conv   8x6x4" in capsys.readouterr().out
    command = ["maximize", table, "--weights", weights, "--index", "1", "--steps", "2"]
    assert main([*command, "--recipe", "plain", "--out", "one"]) == 0
    record = json.loads((tmp_path / "one" / "record.json").read_text())
    assert record["network"]["name"] == "small"
    assert record["net_file"]["path"] == table and len(record["net_file"]["sha256"]) == 64
    assert main(["rerun", "one/record.json", "--out", "again"]) == 0
    with open(table, "a") as file:
        file.write("# changed\n")
    assert main(["rerun", "one/record.json", "--out", "third"]) == 2
    assert "my_net.toml has changed" in capsys.readouterr().err


def test_convert_takes_the_file_too(table, weights, tmp_path, capsys):
    out = tmp_path / "converted.safetensors"
    assert main(["convert", weights, "--net", table]) == 2
    assert "--out FILE.safetensors" in capsys.readouterr().err
    assert main(["convert", weights, "--net", table, "--out", str(out)]) == 0
    loaded = load_network(table, weights=out)
    assert loaded.net == NET and loaded.metadata["net"] == "small"
