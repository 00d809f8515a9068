"""The files of a training's losses: whole, repeatable, and what was measured."""

import numpy as np
import pytest

from jaxvis.train.curves import write_curves

CURVES = {
    "loss": np.array([[1, 0.5], [2, 1 / 3]]),
    "validation loss": np.array([[2, 1e-12]]),
}


def test_write_curves_writes_every_loss_of_every_step(tmp_path):
    write_curves(tmp_path, CURVES)
    lines = (tmp_path / "loss.csv").read_text().splitlines()
    assert lines == [
        "term,step,value",
        "loss,1,0.5",
        "loss,2,0.333333333",
        "validation loss,2,1e-12",
    ]
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"loss.csv", "loss.png"}


def test_write_curves_writes_the_same_files_again(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in ("a", "b"):
        write_curves(tmp_path / folder, CURVES)
    for name in ("loss.csv", "loss.png"):
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("a", "b"))
        assert one == two


def test_write_curves_keeps_the_old_files_if_it_cannot_write(tmp_path, monkeypatch):
    write_curves(tmp_path, CURVES)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_curves(tmp_path, {"loss": np.ones((1, 2))})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
