"""Resizing against torch and JAX, which wrote the same filter independently."""

import jax
import numpy as np
import pytest

from jaxvis.output.io import read_sample_photo
from jaxvis.output.resample import resample

SIZES = [(75, 112), (40, 200), (331, 450), (7, 5)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_resize_equals_torch_interpolate_with_antialias(size, method):
    torch = pytest.importorskip("torch")
    photo = read_sample_photo("chelsea")
    batch = torch.from_numpy(photo).permute(2, 0, 1)[None]
    out = torch.nn.functional.interpolate(batch, size, mode=method, antialias=True)
    wanted = out[0].permute(1, 2, 0).numpy().clip(photo.min(), photo.max())
    np.testing.assert_allclose(resample(photo, size, method=method), wanted, atol=2e-5)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_resize_equals_jax_image_resize(size):
    photo = read_sample_photo("chelsea")
    wanted = jax.image.resize(photo, (*size, 3), "bilinear", precision="highest")
    np.testing.assert_allclose(resample(photo, size), wanted, atol=2e-5)
