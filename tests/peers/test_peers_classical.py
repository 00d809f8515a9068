"""HOG and dense SIFT against the same network of plain convolutions in torch, and
against dlib's implementation of Felzenszwalb's HOG."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis import load

GREY = (0.298936021293775, 0.587043074451121, 0.114020904255104)


def crop_photograph(side):
    from skimage import data

    return data.astronaut()[30 : 30 + side, 150 : 150 + side].astype(np.float32) / 255


def make_filters(torch, count):
    """Makes the derivative filters and the window of a cell, as kernels."""
    dx = torch.tensor([[0, 0, 0], [-1, 0, 1], [0, 0, 0]], dtype=torch.float64) / 2
    turns = 2 * torch.pi * torch.arange(count) / count
    kernels = [torch.cos(t) * dx + torch.sin(t) * dx.T for t in turns.double()]
    line = 1 - abs((torch.arange(1, 17).double() - 17 / 2) / 8)
    window = torch.outer(line, line).expand(count, 1, 16, 16)
    return torch.stack(kernels)[:, None], window


def bin_derivatives(torch, x, *, hard):
    """Bins derivatives `[1, K, h, w]`, as the paper's equation has it."""
    count = x.shape[1]
    length = ((x**2).sum(1, keepdim=True) / (count / 2)).sqrt()
    if hard:
        best = torch.nn.functional.one_hot(x.argmax(1), count)
        return length * best.permute(0, 3, 1, 2)
    cosine = (x / length.clamp(min=1e-10)).clamp(-1 + 1e-15, 1 - 1e-15)
    return length * (1 - count / (2 * torch.pi) * torch.acos(cosine)).clamp(min=0)


def compute_hog(torch, grey, *, hard):
    """Computes HOG of `[1, 1, h, w]`, every step a convolution."""
    conv = torch.nn.functional.conv2d
    kernels, window = make_filters(torch, 18)
    x = bin_derivatives(torch, conv(grey, kernels, padding=1), hard=hard)
    x = conv(x, window, stride=8, padding=4, groups=18)
    stack = torch.zeros(108, 18, 2, 2, dtype=torch.float64)
    back = torch.zeros(27, 108, 2, 2, dtype=torch.float64)
    for j in (0, 1):
        for i in (0, 1):
            first = 27 * (i + 2 * j)
            for o in range(18):
                stack[first + o, o, i, j] = stack[first + 18 + o % 9, o, i, j] = 1
            for o in range(27):
                back[o, first + o, 1 - i, 1 - j] = 0.5
    x = conv(x, stack)
    unsigned = x.unflatten(1, (4, 27))[:, :, 18:]
    x = x / (unsigned**2).sum((1, 2)).sqrt().clamp(min=1e-6)
    return conv(x.clamp(max=0.2), back, padding=1)[0].permute(1, 2, 0)


def compute_sift(torch, grey):
    """Computes dense SIFT of `[1, 1, h, w]`, every step a convolution."""
    conv = torch.nn.functional.conv2d
    kernels, window = make_filters(torch, 8)
    x = bin_derivatives(torch, conv(grey, kernels), hard=False)
    x = conv(x, window, stride=8, groups=8)
    stack = torch.zeros(128, 8, 4, 4, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            weight = np.exp(-0.5 * ((i - 1.5) ** 2 + (j - 1.5) ** 2) / 1.5**2)
            for o in range(8):
                stack[8 * (4 * i + j) + o, o, i, j] = weight
    x = conv(x, stack, stride=3)
    x = x / ((x**2).sum(1) + 1e-6).sqrt()
    return x.clamp(max=0.2)[0].permute(1, 2, 0)


@pytest.mark.parametrize("name", ["hog", "hogb", "dsift"])
def test_values_and_gradients_equal_torchs(name):
    torch = pytest.importorskip("torch")
    net, params = load(name)
    image = crop_photograph(64)
    theirs = torch.tensor(image, dtype=torch.float64, requires_grad=True)
    grey = 255 * (theirs * torch.tensor(GREY)).sum(-1)[None, None]
    code = (
        compute_sift(torch, grey)
        if name == "dsift"
        else compute_hog(torch, grey, hard=name == "hog")
    )
    weights = np.random.default_rng(0).normal(size=tuple(code.shape))
    (code * torch.tensor(weights)).sum().backward()

    def weigh(x):
        found = net.apply(params, x)[net.taps[-1]]
        return jnp.sum(weights * found), found

    gradient, found = jax.jit(jax.grad(weigh, has_aux=True))(jnp.asarray(image))
    np.testing.assert_allclose(found, code.detach().numpy(), atol=2e-5)
    expected = theirs.grad.numpy()
    # A pixel whose gradient lies on the border of two bins may fall into the other one
    # in float32: the rest decides.
    away = np.abs(np.asarray(gradient) - expected).max(-1)
    assert np.quantile(away, 0.99) < 2e-3 * np.abs(expected).max()
    assert np.corrcoef(np.ravel(gradient), expected.ravel())[0, 1] > 0.999


def test_hog_has_the_channels_and_nearly_the_values_of_dlibs():
    pyfhog = pytest.importorskip("pyfhog")
    net, params = load("hog")
    grey = np.round(255 * crop_photograph(128).mean(-1)).astype(np.uint8)
    image = np.repeat(grey[..., None], 3, -1)
    found = jax.jit(lambda x: net.apply(params, x)["hog"])(image / np.float32(255))
    found = np.asarray(found)
    # dlib drops the border's cells and appends four texture channels.
    theirs = pyfhog.extract_fhog_features(image, 8).reshape(14, 14, 31)[..., :27]
    ours = found[1:-1, 1:-1]
    for channel in range(27):
        alike = np.corrcoef(theirs[..., channel].ravel(), ours[..., channel].ravel())
        assert alike[0, 1] > 0.97, channel
    assert np.linalg.norm(theirs - ours) < 0.1 * np.linalg.norm(ours)
