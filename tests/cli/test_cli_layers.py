"""`jaxvis layers`."""

import jax
import pytest

from jaxvis.cli import main
from jaxvis.nets import build, layers_table, random_params
from jaxvis.weights.file import save


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Leaves JAX's settings alone: other tests run in this process."""
    monkeypatch.setattr("jaxvis.cli._setup.enable_compilation_cache", lambda: None)


def test_layers_prints_the_table(capsys):
    assert main(["layers", "vgg16"]) == 0
    assert capsys.readouterr().out == layers_table(build("vgg16")) + "\n"


@pytest.mark.parametrize(
    ("name", "count"), [("despraz", "5,240,841"), ("despraz_decoder", "5,350,089")]
)
def test_layers_prints_generators_too(name, count, capsys):
    assert main(["layers", name]) == 0
    assert capsys.readouterr().out.split()[-2:] == ["total", count]
    assert main(["layers", name, "--pool", "max"]) == 2
    assert "has no options" in capsys.readouterr().err


def test_layers_takes_the_options_of_the_network(capsys):
    words = "layers vgg11 --pool avg --head relu --size 64x96"
    assert main(words.split()) == 0
    net = build("vgg11", pool="avg", head="relu", input_size=(64, 96))
    assert capsys.readouterr().out == layers_table(net) + "\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("vgg17", "no network is called 'vgg17'; there are alexnet"),
        ("resnet18 --pool avg", "resnet18 has no option 'pool'"),
        ("vgg11 --size 9", "the image is too small"),
        ("vgg11 --weights absent.safetensors", "absent.safetensors"),
    ],
    ids=["name", "option", "size", "weights"],
)
def test_layers_says_what_is_wrong_in_one_line(words, message, capsys):
    assert main(["layers", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1 and not out


def test_layers_checks_a_file_of_weights(tmp_path, capsys):
    net = build("squeezenet1_1")
    path = tmp_path / "squeezenet1_1.safetensors"
    params = random_params(net, jax.random.key(0))
    save(path, net, params, facts={"source": '["model.caffemodel"]'})
    assert main(["layers", "squeezenet1_1", "--weights", str(path)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"{path} fits; converted from: model.caffemodel"
    assert main(["layers", "squeezenet1_0", "--weights", str(path)]) == 2
    assert "squeezenet1_1" in capsys.readouterr().err


def test_layers_takes_counts_of_classes_and_channels(capsys):
    assert main("layers vgg11 --classes-count 7 --channels 1".split()) == 0
    net = build("vgg11", classes=7, channels=1)
    assert capsys.readouterr().out == layers_table(net) + "\n"
    assert main("layers vgg11 --classes-count 0".split()) == 2
    assert "--classes-count goes from 1" in capsys.readouterr().err
