"""Gradients, paths and guided gradients against captum, on the same weights."""

from dataclasses import asdict, replace

import jax
import numpy as np
import pytest

import jaxvis
from jaxvis.nets import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer, shapes
from jaxvis.nets.zoo.squeezenet import squeezenet
from jaxvis.nets.zoo.vgg import vgg

torch = pytest.importorskip("torch")
attr = pytest.importorskip("captum.attr")
pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = (
    Layer("conv1", "conv", 6, 3, pad=1),
    Layer("relu1", "relu"),
    Layer("pool1", "max", size=2, stride=2),
    Layer("conv2", "conv", 8, 3, pad=1),
    Layer("relu2", "relu"),
    Layer("pool2", "max", size=2, stride=2),
    Layer("fc1", "fc", 9),
    Layer("relu3", "relu"),
    Layer("fc2", "fc", 5),
)
CLASSES = [3, 0]


def build_tiny():
    return build_network("tiny", ROWS, input_size=(16, 16), scores="fc2"), 16, ("relu2", (2, 3, 4))


def build_averaging():
    rows = tuple(replace(row, op="avg") if row.op == "max" else row for row in ROWS)
    return (
        build_network("averaging", rows, input_size=(16, 16), scores="fc2"),
        16,
        ("relu2", (2, 3, 4)),
    )


def build_vgg():
    net = vgg("vgg16", head="linear", input_size=(64, 64), classes=5)
    return net, 64, ("relu4_2", (2, 3, 4))


def build_squeezenet():
    net = squeezenet("squeezenet1_1", head="linear", input_size=(64, 64), classes=5)
    return net, 64, ("fire5/concat", (2, 3, 4))


@pytest.fixture(
    scope="module",
    params=[
        build_tiny,
        pytest.param(build_vgg, marks=pytest.mark.slow),
        pytest.param(build_squeezenet, marks=pytest.mark.slow),
    ],
    ids=lambda build: build.__name__,
)
def pair(request):
    """Returns (net, params, module, image, torch's image, (layer, neuron))."""
    return make_pair(request.param)


def make_pair(build):
    """Makes the network of `build` twice, with an image for each."""
    from benchmarks.peers.torch_net import Net

    net, side, place = build()
    params = random_params(net, jax.random.key(1), preprocess="imagenet")
    draw = np.random.default_rng(2)
    params = {row: {k: np.array(v) for k, v in leaves.items()} for row, leaves in params.items()}
    for leaves in params.values():
        if "kernel" in leaves:  # with biases, black is no point where nothing happens
            leaves["bias"] = draw.normal(0, 0.3, leaves["bias"].shape).astype(np.float32)
    rows = [asdict(row) for row in net.rows]
    module = Net(rows, params, net.scores, shapes(net.rows, (side, side)), inplace=False)
    for row in net.rows:  # captum knows torch's own modules
        key = row.name.replace(".", "_")
        if key in module.layers and row.op == "relu":
            module.layers[key] = torch.nn.ReLU()
        elif key in module.layers and row.op == "max":
            module.layers[key] = torch.nn.MaxPool2d(
                row.window, row.stride, row.pads, ceil_mode=row.ceil
            )
    image = draw.random((side, side, 3)).astype(np.float32)
    theirs = torch.tensor(image.transpose(2, 0, 1)[None], requires_grad=True)
    return net, params, module.eval(), image, theirs, place


def assert_alike(ours, theirs, tolerance=1e-5):
    """Compares `[K, H, W, C]` with captum's `[K, C, H, W]`, relative to the largest value."""
    theirs = theirs.detach().numpy().transpose(0, 2, 3, 1)
    assert ours.shape == theirs.shape and np.abs(theirs).max() > 0
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def ask(attribute, theirs, **options):
    """Returns captum's attributions of every class, one call a class."""
    return torch.cat([attribute(theirs, target=one, **options) for one in CLASSES])


@pytest.mark.parametrize(
    ("method", "name", "options"),
    [
        (jaxvis.saliency, "Saliency", {"abs": False}),
        (jaxvis.gradient_times_input, "InputXGradient", {}),
        (jaxvis.guided_backpropagation, "GuidedBackprop", {}),
        (jaxvis.deconvnet, "Deconvolution", {}),
    ],
)
def test_gradients_are_captums(pair, method, name, options):
    net, params, module, image, theirs, _ = pair
    ours = method(net, params, image, index=CLASSES, combine="none")
    assert_alike(ours, ask(getattr(attr, name)(module).attribute, theirs, **options))


@pytest.mark.parametrize("baseline", [0.0, 0.4])
def test_deep_lift_is_captums(pair, baseline):
    net, params, module, image, theirs, _ = pair
    grey = np.full_like(image, baseline)
    ours = jaxvis.deep_lift(net, params, image, index=CLASSES, baseline=grey, combine="none")
    errors = jaxvis.measure_completeness(net, params, image, ours, index=CLASSES, baseline=grey)
    assert errors.max() < 1e-4
    # Behind a max pool captum's parts do not add up to the difference; ours have just done so.
    net, params, module, image, theirs, _ = make_pair(build_averaging)
    grey = np.full_like(image, baseline)
    ours = jaxvis.deep_lift(net, params, image, index=CLASSES, baseline=grey, combine="none")
    reference = torch.full_like(theirs, baseline)
    # A difference of float32 over another one: 1e-4 of the largest.
    assert_alike(ours, ask(attr.DeepLift(module).attribute, theirs, baselines=reference), 1e-4)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("gauss-legendre", "gausslegendre"),
        ("left", "riemann_left"),
        ("right", "riemann_right"),
        ("middle", "riemann_middle"),
        ("trapezoid", "riemann_trapezoid"),
    ],
)
def test_integrated_gradients_are_captums(pair, rule, name):
    net, params, module, image, theirs, _ = pair
    ours = jaxvis.integrated_gradients(
        net, params, image, index=CLASSES, rule=rule, steps=8, combine="none"
    )
    wanted = ask(attr.IntegratedGradients(module).attribute, theirs, n_steps=8, method=name)
    assert_alike(ours, wanted.float())


def test_conductance_is_captums(pair):
    net, params, module, image, theirs, (layer, _) = pair
    part = module.layer(layer)
    ours = jaxvis.conductance(
        net, params, image, layer=layer, index=CLASSES, steps=8, combine="none"
    )
    assert_alike(ours, ask(attr.LayerConductance(module, part).attribute, theirs, n_steps=8))
    neuron = tuple(map(int, np.unravel_index(np.argmax(np.abs(ours[0])), ours[0].shape)))
    ours = jaxvis.conductance(
        net, params, image, layer=layer, neuron=neuron, index=CLASSES, steps=8, combine="none"
    )
    # Captum's NeuronConductance differs here from the sum that it documents. Ours is that sum.
    from captum.attr._utils.approximation_methods import approximation_parameters

    find_weights, find_places = approximation_parameters("gausslegendre")
    for found, index in zip(ours, CLASSES):
        wanted = 0.0
        for place, weight in zip(find_places(8), find_weights(8)):
            there, kept = (theirs.detach() * place).requires_grad_(), {}
            hook = part.register_forward_hook(
                lambda module, given, units, kept=kept: kept.update(units=units)
            )
            score = module(there)[0, index]
            hook.remove()
            unit = kept["units"][0, neuron[2], neuron[0], neuron[1]]
            slope = torch.autograd.grad(score, kept["units"], retain_graph=True)[0]
            (pixels,) = torch.autograd.grad(unit, there)
            wanted += weight * slope[0, neuron[2], neuron[0], neuron[1]] * pixels * theirs.detach()
        assert_alike(found[None], wanted)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (jaxvis.saliency, "NeuronGradient"),
        (jaxvis.guided_backpropagation, "NeuronGuidedBackprop"),
        (jaxvis.deconvnet, "NeuronDeconvolution"),
    ],
)
def test_gradients_of_a_neuron_are_captums(pair, method, name):
    net, params, module, image, theirs, (layer, (y, x, channel)) = pair
    ours = method(net, params, image, tap=layer, index=channel, position=(y, x), combine="none")
    peer = getattr(attr, name)(module, module.layer(layer))
    assert_alike(ours[None], peer.attribute(theirs, neuron_selector=(channel, y, x)))


def test_gradients_of_noisy_copies_are_captums(pair):
    net, params, module, image, theirs, _ = pair
    sigma, samples = 0.1, 5
    keys = jax.vmap(lambda number: jax.random.fold_in(jax.random.key(0), number))(
        jax.numpy.arange(samples)
    )
    noise = jax.vmap(lambda key: jax.random.normal(key, image.shape))(keys)
    noisy = image + sigma * np.ptp(image) * np.asarray(noise)
    copies = torch.tensor(noisy.transpose(0, 3, 1, 2), requires_grad=True)
    gradients = [attr.Saliency(module).attribute(copies, target=one, abs=False) for one in CLASSES]
    options = {"index": CLASSES, "sigma": sigma, "samples": samples, "combine": "none"}
    mean = torch.stack([one.mean(0) for one in gradients])
    ours = jaxvis.smooth_grad(net, params, image, **options)
    if net.name.startswith("squeezenet"):
        # A unit in the last place of the noisy image turns rectifiers and maxima of so many
        # layers over, and a gradient in places by a fiftieth of the largest: all but few agree.
        theirs = mean.detach().numpy().transpose(0, 2, 3, 1)
        assert np.linalg.norm(ours - theirs) <= 3e-2 * np.linalg.norm(theirs)
        return
    assert_alike(ours, mean)
    variance = torch.stack([one.var(0, unbiased=False) for one in gradients])
    assert_alike(jaxvis.var_grad(net, params, image, **options), variance, 3e-5)
