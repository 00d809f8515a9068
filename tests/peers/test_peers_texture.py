"""The benchmark of textures: both sides descend, and a wrong gradient is noticed."""

import numpy as np
import pytest

from benchmarks.speed import texture

pytest.importorskip("torch")


def test_a_wrong_gradient_is_noticed_and_both_losses_fall(monkeypatch):
    from benchmarks.peers.torch_texture import Texture

    def turn(self, start):
        value, gradient = plain(self, start)
        return value, gradient[::-1]

    plain = Texture.value_and_grad
    monkeypatch.setattr(Texture, "value_and_grad", turn)
    loss, seconds = texture.measure_smoke()
    assert not loss["agree"] and loss["difference"]["loss"] < texture.VALUE
    assert loss["difference"]["gradient_angle"] > texture.ANGLE
    # The loss begins at about one a layer.
    assert 0 < loss["ours"] < 1 and 0 < loss["peer"] < 1
    assert np.isfinite(seconds["ratio"]) and loss["sizes"]["weights"] != "trained"
