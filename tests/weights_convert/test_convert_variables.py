"""TensorFlow's numbered variables: the checkpoints of style networks."""

import numpy as np
import pytest

from jaxvis import load
from jaxvis.nets import build, parameter_shapes
from weights_convert import convert


def _checkpoint(path, *, drop=None):
    """Writes a checkpoint as TensorFlow numbers it; returns its arrays."""
    net, draw = build("transform_same"), np.random.default_rng(0)
    shape, arrays = parameter_shapes(net), {}
    kernels = [row for row in net.rows if row.op in ("conv", "up")]
    for i, row in enumerate(kernels):
        kernel = shape[row.name]["kernel"]
        if row.op == "up":
            kernel = (*kernel[:2], *kernel[:1:-1])
        width = row.width
        for at, size in ((3 * i, kernel), (3 * i + 1, width), (3 * i + 2, width)):
            arrays[f"Variable_{at}"] = draw.random(size, np.float32)
    arrays.pop(drop, None)
    np.savez(path, **arrays)
    return arrays


def test_kernels_shifts_and_scales_find_their_rows(tmp_path):
    arrays = _checkpoint(tmp_path / "style.npz")
    assert len(arrays) == 48
    out = convert([tmp_path / "style.npz"], net="transform_same", out=tmp_path / "s.safetensors")
    _, params = load("transform_same", weights=out)
    np.testing.assert_array_equal(params["conv1"]["kernel"], arrays["Variable_0"])
    np.testing.assert_array_equal(params["norm1"]["bias"], arrays["Variable_1"])
    np.testing.assert_array_equal(params["res5_norm2"]["scale"], arrays["Variable_38"])
    there = arrays["Variable_39"]  # [h, w, out, in]
    np.testing.assert_array_equal(params["up1"]["kernel"], there[::-1, ::-1].swapaxes(2, 3))
    np.testing.assert_array_equal(params["input"]["scale"], [255, 255, 255])


def test_a_missing_variable_and_another_network_are_told(tmp_path):
    _checkpoint(tmp_path / "less.npz", drop="Variable_38")
    out = tmp_path / "out.safetensors"
    with pytest.raises(ValueError, match="missing res5_norm2/scale"):
        convert([tmp_path / "less.npz"], net="transform_same", out=out)
    with pytest.raises(ValueError, match="read as those of transform_same"):
        convert([tmp_path / "less.npz"], net="squeezenet1_1", out=out)
    assert not out.exists()
