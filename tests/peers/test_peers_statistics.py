"""Statistics of layers, their objectives and gradients against torch's autograd."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import SIDE, photograph, relu_net

from benchmarks.peers import torch_peer
from jaxvis.loss.matching.balance import content_weights, gram_weights
from jaxvis.loss.matching.statistics import (
    Code,
    EnergyMatch,
    GramMatch,
    MomentMatch,
    energy,
    gram,
    measure,
    moments,
)
from jaxvis.methods.style.codes import reallocate
from jaxvis.methods.style.single_map import SingleMap
from jaxvis.nets.wrappers.rescaled import average_activations, rescale

torch = pytest.importorskip("torch")

TAP = "relu3"


def _flat(values):
    """Returns F `[M, N]` of a torch map `[1, N, h, w]`."""
    return values[0].flatten(1).T


def _gram(values):
    found = _flat(values)
    return found.T @ found / len(found)


def _square(values, target):
    return ((values - target) ** 2).sum()


def _torch_losses(found, wanted):
    """Returns name -> the papers' losses of two maps, as they print them."""
    f, f0 = _flat(found), _flat(wanted)
    count, channels = f.shape
    sums, sums0 = f.sum(0), f0.sum(0)
    single = torch.zeros_like(f0)
    single[:, 2] = f0.sum(1)
    moment = _square(f.mean(0), f0.mean(0))
    moment += _square(f.std(0, unbiased=False), f0.std(0, unbiased=False))
    return {
        "gram": _square(f.T @ f, f0.T @ f0) / (4 * channels**2 * count**2),
        "energy": _square(sums, sums0) / (2 * channels * count),
        "content": _square(f, f0) / (2 * channels * count),
        "single": _square(f, single) / 2,
        "moments": moment / channels,
    }


def _our_objectives(wanted):
    return {
        "gram": GramMatch(TAP, gram(wanted)),
        "energy": EnergyMatch(TAP, energy(wanted)),
        "content": Code(TAP, wanted),
        "single": SingleMap(TAP, 2, jnp.sum(wanted, -1)),
        "moments": MomentMatch(TAP, *moments(wanted)),
    }


@pytest.fixture(scope="module")
def case():
    """Returns the network, its parameters, torch's, two images, and torch's codes."""
    net, params = relu_net(SIDE)
    module = torch_peer.make_module(net, params, TAP, SIDE, inplace=False)
    images = np.asarray(photograph(SIDE)), np.asarray(photograph(SIDE))[::-1] ** 2
    return net, params, module, images


@pytest.fixture(scope="module")
def ours(case):
    """Returns name -> loss and gradient with respect to the image."""
    net, params, _, (image, source) = case

    @jax.jit
    def every(image, source):
        wanted = net.apply(params, source, stop=TAP)[TAP]
        return {
            name: jax.value_and_grad(lambda x, part=part: part(net.apply(params, x, stop=TAP)))(
                image
            )
            for name, part in _our_objectives(wanted).items()
        }

    return every(image, source)


@pytest.mark.parametrize("name", ["gram", "energy", "content", "single", "moments"])
def test_losses_and_image_gradients_equal_autograd(name, case, ours):
    _, _, module, (image, source) = case
    given = torch_peer.to_torch(image[None]).requires_grad_()
    wanted = module(torch_peer.to_torch(source[None].copy()))
    loss = _torch_losses(module(given), wanted)[name]
    loss.backward()
    value, gradient = ours[name]
    assert float(value) == pytest.approx(loss.item(), rel=1e-4)
    expected = given.grad[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(gradient, expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(expected).max() > 0


def test_balancing_weights_are_mean_gradients_of_autograd(case):
    net, params, module, (image, _) = case
    code = torch_peer.to_torch(image[None])
    given = code.requires_grad_()
    values = module(given)
    found = _flat(values)
    count, channels = found.shape
    # The loss gradients with F := 0, and with G := 0 but F the image's own.
    sent = {
        content_weights: -found / (channels * count),
        gram_weights: -found @ _gram(values) / (channels**2 * count),
    }
    for weights, slope in sent.items():
        back = slope.detach().T.reshape(values.shape)
        (gradient,) = torch.autograd.grad(values, given, back, retain_graph=True)
        for mean, size in (
            ("mean_abs", gradient.abs().mean()),
            ("abs_mean", gradient.mean().abs()),
        ):
            ours = weights(net, params, jnp.asarray(image), (TAP,), mean=mean)[TAP]
            assert ours == pytest.approx(1 / size.item(), rel=1e-3)


def test_a_normalised_network_is_the_same_function_in_torch(case):
    net, params, module, (image, source) = case
    means = average_activations(net, params, [image, source])
    scaled = rescale(net, params, means)
    other = torch_peer.make_module(net, scaled, TAP, SIDE, inplace=False)
    both = torch_peer.to_torch(np.stack([image, source]))
    factors = torch.tensor(np.asarray(means[TAP]))[:, None, None]
    np.testing.assert_allclose(other(both) * factors, module(both), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(other(both).mean((0, 2, 3)), np.ones(8), rtol=1e-3)


def test_changed_codes_equal_torchs(case):
    net, params, module, (image, _) = case
    code = measure(net, params, jnp.asarray(image), (TAP,))[TAP]
    values = module(torch_peer.to_torch(image[None]))[0]
    rates = torch.linspace(0.1, 1, 8)
    rates = rates / rates.sum()
    sums = values.sum((1, 2))
    dealt = values * (rates * sums.sum() / sums)[:, None, None]
    found = reallocate(code, jnp.asarray(rates.numpy()))
    np.testing.assert_allclose(found, dealt.permute(1, 2, 0), rtol=1e-3, atol=1e-5)
