"""Single rows against torch.nn.functional: pooling rules, LRN, grouped convolution."""

import jax
import numpy as np
import pytest

from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer

torch = pytest.importorskip("torch")
functional = torch.nn.functional

TOLERANCE = 1e-5
WINDOWS = [
    pytest.param(3, 2, 0, id="3x3/2"),
    pytest.param(2, 2, 0, id="2x2/2"),
    pytest.param(3, 2, 1, id="3x3/2-pad1"),
    pytest.param(3, 1, 1, id="3x3/1-pad1"),
    pytest.param(3, 3, 0, id="3x3/3"),
]


def _draw_image(height, width, seed=0):
    # Below zero too, so that a padding of zero would show under max pooling.
    draw = np.random.default_rng(seed).normal(-1.0, 1.0, size=(height, width, 3))
    return draw.astype(np.float32)


def _to_torch(image):
    return torch.tensor(image.transpose(2, 0, 1)[None])


def _to_ours(tensor):
    return tensor[0].detach().numpy().transpose(1, 2, 0)


def _compile(rows, image, params=None):
    """Compiles a network of a few rows: image -> its last tap."""
    net = build_network("rows", rows, input_size=image.shape[:2])
    identity = {"scale": np.ones(3, np.float32), "shift": np.zeros(3, np.float32)}
    params = {"input": identity, **(params or {})}
    return jax.jit(lambda x: net.apply(params, x)[net.taps[-1]])


@pytest.mark.parametrize("ceil", [False, True], ids=["floor", "ceil"])
@pytest.mark.parametrize(("size", "stride", "pad"), WINDOWS)
@pytest.mark.parametrize("shape", [(12, 13), (11, 10)], ids=str)
def test_max_pooling_and_its_gradient_equal_torch(shape, size, stride, pad, ceil):
    image = _draw_image(*shape)
    row = Layer("p", "max", size=size, stride=stride, pad=pad, ceil=ceil)
    run = _compile((row,), image)
    given = _to_torch(image).requires_grad_()
    theirs = functional.max_pool2d(given, size, stride, pad, ceil_mode=ceil)
    weight = np.random.default_rng(1).normal(size=_to_ours(theirs).shape)
    (theirs * _to_torch(weight.astype(np.float32))).sum().backward()
    gradient = jax.jit(jax.grad(lambda x: (run(x) * weight).sum()))(image)
    np.testing.assert_array_equal(run(image), _to_ours(theirs))
    np.testing.assert_allclose(gradient, _to_ours(given.grad), atol=TOLERANCE)


@pytest.mark.parametrize("ceil", [False, True], ids=["floor", "ceil"])
@pytest.mark.parametrize(("size", "stride", "pad"), WINDOWS)
@pytest.mark.parametrize("shape", [(12, 13), (9, 10)], ids=str)
def test_average_pooling_equals_torch_without_counting_padding(shape, size, stride, pad, ceil):
    image = _draw_image(*shape)
    row = Layer("p", "avg", size=size, stride=stride, pad=pad, ceil=ceil)
    theirs = functional.avg_pool2d(
        _to_torch(image), size, stride, pad, ceil_mode=ceil, count_include_pad=False
    )
    got = _compile((row,), image)(image)
    np.testing.assert_allclose(got, _to_ours(theirs), atol=TOLERANCE)


@pytest.mark.parametrize(("alpha", "kappa"), [(1e-4, 1.0), (5e-4, 2.0), (0.5, 1.0)], ids=str)
def test_response_normalisation_and_its_gradient_equal_torch(alpha, kappa):
    image = _draw_image(6, 7) * 50
    kernel = np.random.default_rng(2).normal(size=(1, 1, 3, 12)).astype(np.float32)
    rows = (
        Layer("c", "conv", 12, bias=False),
        Layer("n", "lrn", size=5, alpha=alpha, kappa=kappa),
    )
    run = _compile(rows, image, {"c": {"kernel": kernel}})
    given = _to_torch(image).requires_grad_()
    maps = functional.conv2d(given, torch.tensor(kernel.transpose(3, 2, 0, 1)))
    theirs = functional.local_response_norm(maps, 5, alpha, 0.75, kappa)
    theirs.square().sum().backward()
    expected = _to_ours(given.grad)
    gradient = jax.jit(jax.grad(lambda x: (run(x) ** 2).sum()))(image)
    np.testing.assert_allclose(run(image), _to_ours(theirs), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max(), rtol=1e-4)


@pytest.mark.parametrize("groups", [1, 2, 3], ids="groups{}".format)
@pytest.mark.parametrize(("size", "stride", "pad"), [(3, 1, 1), (5, 2, 2), (3, 2, 0)], ids=str)
def test_grouped_convolution_equals_torch(size, stride, pad, groups):
    rng = np.random.default_rng(3)
    image = _draw_image(11, 12)
    wide = rng.normal(size=(1, 1, 3, 6)).astype(np.float32)
    kernel = rng.normal(size=(size, size, 6 // groups, 12)).astype(np.float32)
    bias = rng.normal(size=12).astype(np.float32)
    rows = (
        Layer("w", "conv", 6, bias=False),
        Layer("c", "conv", 12, size, stride, pad, groups),
    )
    params = {"w": {"kernel": wide}, "c": {"kernel": kernel, "bias": bias}}
    theirs = functional.conv2d(
        functional.conv2d(_to_torch(image), torch.tensor(wide.transpose(3, 2, 0, 1))),
        torch.tensor(kernel.transpose(3, 2, 0, 1)),
        torch.tensor(bias),
        stride,
        pad,
        groups=groups,
    )
    got = _compile(rows, image, params)(image)
    np.testing.assert_allclose(got, _to_ours(theirs), rtol=1e-4, atol=1e-4)
