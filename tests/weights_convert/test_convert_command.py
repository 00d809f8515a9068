"""The command `jaxvis convert`, and what is written beside numbers."""

import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path

import checkpoint_writers as write
import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxvis.cli import main
from jaxvis.nets import registry
from jaxvis.weights import file as weights_file
from weights_convert import convert


@pytest.fixture
def squeezenet(tmp_path):
    """Returns a small real network's state as a .npz file with Caffe's names."""
    net = registry.build("squeezenet1_1")
    path = tmp_path / "squeezenet.npz"
    np.savez(path, **write.caffe_flat(net, write.random_state(net)))
    return path


@pytest.mark.slow
def test_the_module_runs_as_a_program(squeezenet, tmp_path):
    out = tmp_path / "out.safetensors"
    words = [squeezenet, "--net", "squeezenet1_1", "--out", out]
    ran = subprocess.run(
        [sys.executable, "-m", "weights_convert", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{out} (4.9 MB)\n"
    facts = weights_file.read_metadata(out)
    assert facts["net"] == "squeezenet1_1"
    assert json.loads(facts["source"]) == ["squeezenet.npz"]
    digest = hashlib.sha256(squeezenet.read_bytes()).hexdigest()
    assert json.loads(facts["sha256"]) == [digest]
    assert facts["preprocess"] == "bgr:255:104,117,123:1,1,1"


def test_flags_reach_the_conversion(squeezenet, tmp_path):
    lines = ["n01440764 tench, Tinca tinca", *(f"word {i}" for i in range(1, 1000))]
    (tmp_path / "labels.txt").write_text("\n".join(["background", *lines]))
    out = tmp_path / "out.safetensors"
    words = [squeezenet, "--net", "squeezenet1_1", "--out", out, "--stop", "pool3"]
    words += ["--preprocess", "unit", "--labels", tmp_path / "labels.txt", "--skip-first-label"]
    assert main(["convert", *map(str, words)]) == 0
    labels = weights_file.read_labels(out)
    assert labels[:2] == ("tench, Tinca tinca", "word 1") and len(labels) == 1000
    assert weights_file.read_metadata(out)["stop"] == "pool3"
    rows = {name.rpartition("/")[0] for name in load_file(out)}
    assert rows == {
        "input",
        "conv1",
        *(f"fire{n}/{p}" for n in (2, 3) for p in ("squeeze1x1", "expand1x1")),
        "fire2/expand3x3",
        "fire3/expand3x3",
    }


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere.pth", "--net", "vgg19"], "nowhere.pth"),
        (["{file}", "--net", "vgg99"], "no network is called 'vgg99'"),
        (["{file}", "--net", "vgg19"], "squeezenet.npz is not vgg19: 90 names differ"),
        (["{file}", "--net", "squeezenet1_0"], "misshaped conv1/weight"),
        (["{file}", "--net", "squeezenet1_1", "--stop", "pool9"], "no tap 'pool9'"),
        (["{file}", "--net", "squeezenet1_1", "--preprocess", "x"], "'x' is neither"),
        (["--net", "vgg19"], "at least one checkpoint"),
    ],
)
def test_mistakes_are_told_and_exit_with_2(squeezenet, tmp_path, capsys, words, message):
    words = [word.format(file=squeezenet) for word in words]
    assert main(["convert", *words, "--out", str(tmp_path / "out.safetensors")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("jaxvis: error: ") and message in error
    assert "Traceback" not in error
    assert not (tmp_path / "out.safetensors").exists()


def test_a_folder_that_is_not_there_is_told(squeezenet, tmp_path, capsys):
    out = tmp_path / "nowhere" / "out.safetensors"
    assert main(["convert", str(squeezenet), "--net", "squeezenet1_1", "--out", str(out)]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_the_file_is_readable_as_the_umask_says(tmp_path):
    net = write.tiny_net()
    flat = write.outer_first(net, write.random_state(net))
    write.write_torch_zip(tmp_path / "n.pth", flat)
    (tmp_path / "plain").touch()
    out = convert([tmp_path / "n.pth"], net=net, out=tmp_path / "n.safetensors")
    plain = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert stat.S_IMODE(out.stat().st_mode) == plain
