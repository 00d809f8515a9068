"""Certified bounds: exact where they can be, never left, and by another implementation."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.defences.certify.methods import METHODS
from jaxvis.nets import random_params
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from tests import tiny_nets

SIDE = 8
EPSILON = 0.03


def build(*rows, channels=3, scores=None):
    net = build_network("tiny", rows, input_size=(SIDE, SIDE), channels=channels)
    net = replace(net, scores=scores or rows[-1].name)
    params = random_params(net, jax.random.key(1), preprocess="unit")
    # Norms that do something, biases that are not 0.
    drawn = np.random.default_rng(0)
    return net, {
        row: {
            name: value if name == "kernel" else value + np.float32(0.3 * drawn.random(value.shape))
            for name, value in leaves.items()
        }
        for row, leaves in params.items()
    }


def sample(net, params, image, epsilon, tap, count=300):
    """Returns what a network makes of images in a ball, corners among them."""
    noise = jax.random.uniform(jax.random.key(2), (count, *image.shape), minval=-1, maxval=1)
    noise = jnp.concatenate([noise, jnp.sign(noise)])
    images = jnp.clip(image + epsilon * noise, 0, 1)
    return np.asarray(jax.jit(jax.vmap(lambda x: net.apply(params, x, stop=tap)[tap]))(images))


CONV = Layer("conv", "conv", 4, 3, pad=1)
NETS = {
    "relu, max": (CONV, Layer("r", "relu"), Layer("p", "max", size=2, stride=2)),
    "max of three": (CONV, Layer("p", "max", size=3, stride=2, pad=1), Layer("r", "relu")),
    "ceil": (CONV, Layer("p", "max", size=3, stride=2, ceil=True), Layer("q", "avg", size=2)),
    "norm, leaky": (CONV, Layer("b", "bn"), Layer("r", "leaky", alpha=0.2)),
    "strided, groups": (
        CONV,
        Layer("s", "silu"),
        Layer("c", "conv", 4, 3, stride=2, groups=2, bias=False),
        Layer("g", "gelu"),
    ),
    "branches": (
        CONV,
        Layer("r", "relu"),
        Layer("c", "conv", 4, 1),
        Layer("a", "add", inputs=("c", "conv")),
        Layer("j", "concat", inputs=("a", "r")),
        Layer("h", "hswish"),
    ),
    "lrn": (CONV, Layer("l", "lrn", size=3, alpha=2.0), Layer("r", "relu6")),
    "gate": (
        CONV,
        Layer("m", "gap"),
        Layer("f", "fc", 4),
        Layer("s", "sigmoid"),
        Layer("x", "mul", inputs=("conv", "s")),
    ),
    "drawing": (
        Layer("e", "reflect", pad=1),
        Layer("up", "up", 4, 3, pad=1),
        Layer("t", "tanh", alpha=0.5),
        Layer("d", "repeat"),
        Layer("k", "crop", pad=2),
        Layer("q", "hsigmoid"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_no_image_of_the_ball_leaves_the_bounds(name):
    net, params = build(*NETS[name], Layer("end", "fc", 3), Layer("prob", "softmax"), scores="end")
    image = jax.random.uniform(jax.random.key(3), (SIDE, SIDE, 3))
    for tap, method in (("prob", "interval"), *(("end", one) for one in METHODS)):
        found = sample(net, params, image, EPSILON, tap)
        lower, upper = jaxvis.score_bounds(
            net, params, image, epsilon=EPSILON, tap=tap, method=method
        )
        assert (found >= lower - 1e-5).all() and (found <= upper + 1e-5).all(), method
    # Nothing moves in a ball without radius.
    scores = net.apply(params, image, stop="end")["end"]
    for end in jaxvis.score_bounds(net, params, image, epsilon=0.0):
        np.testing.assert_allclose(end, scores, rtol=2e-5, atol=2e-5)


def test_bounds_of_a_linear_network_are_exact():
    net, params = build(Layer("conv", "conv", 2, 3), Layer("end", "fc", 3))
    image = jnp.full((SIDE, SIDE, 3), 0.5)
    slopes = jax.jacobian(lambda x: net.apply(params, x)["end"])(image)
    reach = 0.1 * np.abs(slopes).sum((1, 2, 3))
    scores = net.apply(params, image)["end"]
    found = jaxvis.score_bounds(net, params, image, epsilon=0.1)
    np.testing.assert_allclose(found.lower, scores - reach, rtol=1e-4)
    np.testing.assert_allclose(found.upper, scores + reach, rtol=1e-4)
    # Intervals are exact for one layer.
    one, own = build(Layer("end", "fc", 3))
    kernel = np.asarray(own["end"]["kernel"]) * np.repeat(
        np.asarray(own["input"]["scale"])[None], SIDE * SIDE, 0
    ).reshape(-1, 1)
    found = jaxvis.score_bounds(one, own, image, epsilon=0.1, method="interval")
    np.testing.assert_allclose(
        (found.upper - found.lower) / 2, 0.1 * np.abs(kernel).sum(0), rtol=1e-4
    )
    # The lead of a class over another is the distance in the norm's dual.
    label = int(jnp.argmax(scores))
    apart = np.abs(slopes[label] - slopes).sum((1, 2, 3))
    lead = [scores[label] - scores[k] - 0.1 * apart[k] for k in range(3) if k != label]
    margins = jaxvis.margin_bounds(net, params, image[None], [label], epsilon=0.1)
    np.testing.assert_allclose(margins, [min(lead)], rtol=1e-3, atol=1e-4)


def test_lines_are_those_computed_by_hand():
    # y = relu(a + b - 1) + relu(a - b) in [0.4, 0.6]^2: both sums are in [-0.2, 0.2]. The
    # chords z / 2 + 0.1 add up to a - 0.3, at most 0.3; intervals say 0.4.
    rows = (Layer("one", "fc", 2), Layer("r", "relu"), Layer("two", "fc", 1))
    net = build_network("hand", rows, input_size=(1, 1), channels=2, scores="two")
    params = {
        "input": {"scale": jnp.ones(2), "shift": jnp.zeros(2)},
        "one": {"kernel": jnp.array([[1.0, 1.0], [1.0, -1.0]]), "bias": jnp.array([-1.0, 0.0])},
        "two": {"kernel": jnp.ones((2, 1)), "bias": jnp.zeros(1)},
    }
    image = jnp.full((1, 1, 2), 0.5)
    for method, upper in (("interval", 0.4), ("crown_ibp", 0.3), ("crown", 0.3)):
        found = jaxvis.score_bounds(net, params, image, epsilon=0.1, method=method)
        np.testing.assert_allclose(found, [[0.0], [upper]], atol=1e-6)


def bound_by_numpy(params, image, epsilon):
    """Returns interval bounds of `tiny_nets.fc_net`, from their definition, in float64."""
    low, high = np.clip(image - epsilon, 0, 1), np.clip(image + epsilon, 0, 1)

    def convolve(x, kernel):
        height, width, _ = x.shape
        wide = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        return sum(
            wide[i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3)
        )

    def pool(x):
        return x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max((1, 3))

    def rise(apply, kernel, bias):
        up, down = np.maximum(kernel, 0), np.minimum(kernel, 0)
        return (
            apply(low, up) + apply(high, down) + bias,
            apply(high, up) + apply(low, down) + bias,
        )

    own = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    low, high = (x * own["input"]["scale"] + own["input"]["shift"] for x in (low, high))
    for name in ("conv1", "conv2"):
        low, high = rise(convolve, **own[name])
        low, high = np.maximum(low, 0), np.maximum(high, 0)
        if name == "conv1":
            low, high = pool(low), pool(high)
    return rise(lambda x, kernel: x.ravel() @ kernel, **own["fc"])


def test_intervals_equal_another_implementation():
    net, params = tiny_nets.fc_net()
    image = np.asarray(jax.random.uniform(jax.random.key(0), (16, 16, 3)), np.float64)
    found = jaxvis.score_bounds(
        net, params, image.astype(np.float32), epsilon=0.02, method="interval"
    )
    np.testing.assert_allclose(found, bound_by_numpy(params, image, 0.02), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_certificates_hold_against_an_attack():
    net, params = tiny_nets.conv_net()
    images = jax.random.uniform(jax.random.key(4), (6, 16, 16, 3))
    labels = np.array(jnp.argmax(jax.vmap(lambda x: net.apply(params, x)["fc"])(images), -1))
    labels[0] = (labels[0] + 1) % 5  # one is wrong from the start
    radii = [0.0, 1 / 255, 0.3]
    run = jaxvis.attacks.pgd(net, params, images, labels, epsilon=radii, steps=5)
    right = np.mean(run.facts["label"] == labels[:, None], axis=0)
    before = np.zeros(len(radii))
    for method in METHODS[:2]:
        found = jaxvis.certified_accuracy(net, params, images, labels, epsilon=radii, method=method)
        assert (found <= right).all() and (found >= before).all()
        before = found
    assert before[0] == 5 / 6 and before[1] > 0 and before[-1] == 0
    assert jaxvis.certified_accuracy(net, params, images, labels, epsilon=0.0).shape == ()


def test_what_cannot_be_bounded_is_said():
    net, params = tiny_nets.conv_net()
    image = jnp.full((16, 16, 3), 0.5)
    with pytest.raises(ValueError, match="divide levels of 255"):
        jaxvis.score_bounds(net, params, image, epsilon=8)
    with pytest.raises(ValueError, match="interval, crown_ibp, crown"):
        jaxvis.score_bounds(net, params, image, epsilon=0.1, method="magic")
    own, weights, _ = tiny_nets.counted_net()
    with pytest.raises(ValueError, match="not built from a table"):
        jaxvis.score_bounds(own, weights, image, epsilon=0.1)
    strange, drawn = build(CONV, Layer("norm", "inorm"), Layer("end", "fc", 2))
    with pytest.raises(ValueError, match="'norm' are not known, since its op is 'inorm'"):
        jaxvis.certified_accuracy(strange, drawn, image[None, :8, :8], [0], epsilon=0.1)
    blind = replace(net, scores=None)
    with pytest.raises(ValueError, match="names no class scores"):
        jaxvis.margin_bounds(blind, params, image[None], [0], epsilon=0.1)
