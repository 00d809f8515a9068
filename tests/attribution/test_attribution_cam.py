"""Class activation maps by hand: one convolution, a head of global means, flat maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.attribution.cam.gradient_based import GradientMap
from jaxvis.attribution.cam.heads import find_gap_head, list_gap_networks
from jaxvis.attribution.cam.layers import choose_layer
from jaxvis.attribution.cam.shared import explain_layer, stretch
from jaxvis.attribution.subject import choose_subject
from jaxvis.nets import random_params
from jaxvis.nets.adapters import from_function
from jaxvis.nets.registry import build
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer
from tests.tiny_nets import conv_net, fc_net

SIDE = 4
MIX = np.array([[1, -1], [0, 2], [-1, 1]], np.float32)
CLASSES = np.array([[3, -1, 0.5], [-2, 1, 0.25]], np.float32)
"""Two maps of a 1x1 convolution of three colours; three classes of the two maps."""


def hand_net():
    """Returns (net, params): relu(image @ MIX), its means, and the means @ CLASSES + bias."""
    rows = (
        Layer("conv", "conv", 2),
        Layer("relu", "relu"),
        Layer("gap", "gap"),
        Layer("fc", "fc", 3),
    )
    net = build_network("hand", rows, input_size=(SIDE, SIDE), scores="fc")
    params = {
        "input": {"scale": np.ones(3, np.float32), "shift": np.zeros(3, np.float32)},
        "conv": {"kernel": MIX[None, None], "bias": np.zeros(2, np.float32)},
        "fc": {"kernel": CLASSES, "bias": np.array([1, 2, 3], np.float32)},
    }
    return net, jax.tree.map(jnp.asarray, params)


def picture(side=SIDE, seed=0):
    return np.random.default_rng(seed).random((side, side, 3)).astype(np.float32)


def test_every_map_of_one_convolution_is_that_computed_by_hand():
    net, params = hand_net()
    image, cells = picture(), SIDE * SIDE
    maps = np.maximum(image @ MIX, 0)
    what = {"index": range(3), "size": "layer"}
    cam = np.moveaxis(maps @ CLASSES, -1, 0)
    found = jaxvis.cam(net, params, image, **what)
    np.testing.assert_allclose(found, cam, rtol=1e-5, atol=1e-6)
    scores = np.asarray(net.apply(params, image)["fc"])
    np.testing.assert_allclose(found.mean((1, 2)), scores - [1, 2, 3], rtol=1e-5)
    for method in (jaxvis.grad_cam, jaxvis.hires_cam):
        found = method(net, params, image, **what)
        np.testing.assert_allclose(found, np.maximum(cam, 0) / cells, rtol=1e-5, atol=1e-7)
    positive = np.moveaxis(maps @ np.maximum(CLASSES, 0), -1, 0) / cells
    found = jaxvis.layer_cam(net, params, image, **what)
    np.testing.assert_allclose(found, positive, rtol=1e-5, atol=1e-7)
    gradient = CLASSES / cells
    weights = np.maximum(gradient, 0) * cells / (2 + gradient * maps.sum((0, 1))[:, None])
    found = jaxvis.grad_cam_plus_plus(net, params, image, **what)
    np.testing.assert_allclose(found, np.moveaxis(maps @ weights, -1, 0), rtol=1e-5, atol=1e-7)


def test_ablation_and_score_cam_of_one_convolution_are_those_computed_by_hand():
    net, params = hand_net()
    image = picture()
    maps = np.maximum(image @ MIX, 0)
    scores = maps.mean((0, 1)) @ CLASSES + [1, 2, 3]
    drops = CLASSES * maps.mean((0, 1))[:, None] / np.abs(scores)
    found = jaxvis.ablation_cam(net, params, image, index=range(3), size="layer")
    expected = np.maximum(np.moveaxis(maps @ drops, -1, 0), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    behind = np.array([0.485, 0.456, 0.406])
    trials = []
    for k in range(2):
        mask = (maps[..., k] - maps[..., k].min()) / np.ptp(maps[..., k])
        shown = behind + mask[..., None] * (image - behind)
        trials.append(np.maximum(shown @ MIX, 0).mean((0, 1)) @ CLASSES)
    shares = np.exp(trials) / np.exp(trials).sum(0)
    found = jaxvis.score_cam(net, params, image, index=range(3), size="layer")
    np.testing.assert_allclose(found, np.moveaxis(maps @ shares, -1, 0), rtol=1e-4)


def test_finer_cam_subtracts_the_nearest_classes():
    net, params = hand_net()
    image = picture()
    scores = np.asarray(net.apply(params, image)["fc"])
    distance = np.abs(scores - scores[2])
    nearest = int(np.argmin(np.where(np.arange(3) == 2, np.inf, distance)))
    weights = (CLASSES[:, 2] - 0.5 * CLASSES[:, nearest]) / SIDE**2
    what = {"index": 2, "size": "layer"}
    found = jaxvis.finer_cam(net, params, image, similar=1, strength=0.5, **what)
    expected = np.maximum(np.maximum(image @ MIX, 0) @ weights, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    plain = jaxvis.finer_cam(net, params, image, strength=0.0, similar=2, **what)
    np.testing.assert_allclose(plain, jaxvis.grad_cam(net, params, image, **what), rtol=1e-5)
    with pytest.raises(ValueError, match="similar is from 1 to 2"):
        jaxvis.finer_cam(net, params, image, similar=3)


def test_hires_cells_add_up_to_the_score_behind_one_fully_connected_layer():
    net, params = fc_net()
    image = picture(16)
    subject = choose_subject(net, params, image, index=range(5))
    signed = GradientMap(net, "relu2", weigh=_multiply)
    maps = explain_layer(signed, params, subject)
    scores = net.apply(params, image)["fc"] - params["fc"]["bias"]
    np.testing.assert_allclose(maps.sum((-2, -1))[0], scores, rtol=1e-4, atol=1e-5)


def _multiply(maps, gradient):
    return jnp.sum(maps * gradient, axis=-1)


def test_eigen_cam_is_the_first_component_where_activity_grows():
    net, params = conv_net()
    image = picture(16)
    cells = np.asarray(net.apply(params, image)["relu2"]).reshape(64, 8)
    centred = cells - cells.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    along = centred @ vectors[:, -1]
    along *= np.sign(along @ centred.sum(1))
    found = jaxvis.eigen_cam(net, params, image, size="layer")
    np.testing.assert_allclose(found.ravel(), np.maximum(along, 0), rtol=1e-3, atol=1e-4)
    assert jaxvis.eigen_cam(net, params, [image, image]).shape == (2, 16, 16)


@pytest.mark.parametrize("chunk", [None, 1])
def test_images_and_classes_are_axes_and_chunks_change_nothing(chunk):
    net, params = conv_net()
    photos = np.stack([picture(16, seed) for seed in range(3)])
    found = jaxvis.grad_cam(net, params, photos, index=[4, 0], size="layer", chunk=chunk)
    assert found.shape == (3, 2, 8, 8)
    one = jaxvis.grad_cam(net, params, photos[1], index=0, size="layer")
    np.testing.assert_allclose(found[1, 1], one, rtol=1e-5, atol=1e-8)
    best = jaxvis.grad_cam(net, params, photos, chunk=chunk)
    assert best.shape == (3, 16, 16) and best.min() >= 0


def test_a_layer_with_a_way_around_it_has_the_gradient_of_its_own_way():
    rows = (
        Layer("conv1", "conv", 4, 3, pad=1),
        Layer("relu1", "relu"),
        Layer("conv2", "conv", 4, 3, pad=1),
        Layer("sum", "add", inputs=("relu1", "conv2")),
        Layer("relu2", "relu"),
        Layer("gap", "gap"),
        Layer("fc", "fc", 3),
    )
    net = build_network("around", rows, input_size=(8, 8), scores="fc")
    params = random_params(net, jax.random.key(0))
    image = picture(8)
    taps = net.apply(params, image)

    def score(moved):
        maps = jnp.maximum(taps["relu1"] + taps["conv2"] + moved, 0)
        return maps.mean((0, 1)) @ params["fc"]["kernel"][:, 1]

    gradient = jax.jit(jax.grad(score))(jnp.zeros((8, 8, 4)))
    expected = np.maximum(taps["conv2"] @ gradient.mean((0, 1)), 0)
    found = jaxvis.grad_cam(net, params, image, index=[1], layer="conv2", size="layer")
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-7)


def run_own(params, image):
    maps = image @ params["mix"]
    beside = image @ params["mix"] ** 2
    scores = jnp.maximum(maps, 0).mean((0, 1)) @ params["classes"]
    return {"conv": maps, "beside": beside, "output": scores}


def test_networks_of_ones_own_have_maps_too():
    own = {"mix": MIX, "classes": CLASSES}
    net, params = from_function(run_own, own, input_size=(8, 8), scores="output")
    image = picture(8)
    assert choose_layer(net, params) == "conv"
    maps = image @ MIX
    weights = (maps > 0).mean((0, 1))[:, None] * CLASSES / 64
    found = jaxvis.grad_cam(net, params, image, index=range(3), size="layer")
    expected = np.maximum(np.moveaxis(maps @ weights, -1, 0), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="does not depend on 'beside'"):
        jaxvis.grad_cam(net, params, image, layer="beside")
    with pytest.raises(ValueError, match="no head that averages maps"):
        jaxvis.cam(net, params, image)


def test_flat_maps_are_zeros():
    net, params = hand_net()
    grey = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    dark = {**params, "conv": jax.tree.map(jnp.zeros_like, params["conv"])}
    for method in (jaxvis.grad_cam, jaxvis.grad_cam_plus_plus, jaxvis.score_cam, jaxvis.cam):
        for weights in (params, dark):
            found = method(net, weights, grey, index=[0, 1, 2], normalize=True)
            np.testing.assert_array_equal(found, np.zeros((3, SIDE, SIDE)))
    for method in (jaxvis.ablation_cam, jaxvis.layer_cam, jaxvis.hires_cam):
        assert not method(net, dark, grey, index=0).any()
    assert not jaxvis.finer_cam(net, dark, grey, index=0, similar=1).any()
    assert not jaxvis.eigen_cam(net, params, grey, normalize=True).any()
    assert stretch(np.array([[[1.0, 3.0]]])).tolist() == [[[0.0, 1.0]]]


def test_a_symmetric_image_has_symmetric_maps():
    net, params = hand_net()
    half = picture()[:, :2]
    image = np.concatenate([half, half[:, ::-1]], axis=1)
    for method in (jaxvis.cam, jaxvis.grad_cam_plus_plus, jaxvis.score_cam):
        found = method(net, params, image, index=0, normalize=True)
        np.testing.assert_allclose(found, found[:, ::-1], atol=1e-5)
        assert found.max() == 1 and found.min() == 0


def test_a_neuron_and_an_objective_have_maps():
    net, params = conv_net()
    image = picture(16)
    index = int(jnp.argmax(net.apply(params, image)["relu2"][2, 5]))
    neuron = {"tap": "relu2", "index": index, "position": (2, 5), "layer": "pool1"}
    found = jaxvis.layer_cam(net, params, image, size="layer", **neuron)
    rows, columns = np.nonzero(found)
    assert found.any() and set(rows) <= {1, 2, 3} and set(columns) <= {4, 5, 6}
    read = jaxvis.grad_cam(net, params, image, objective=lambda taps: -taps["fc"][2])
    named = jaxvis.grad_cam(net, params, image, index=2)
    np.testing.assert_allclose(read, named, rtol=1e-4, atol=1e-7)


def test_the_default_layer_is_the_last_map_before_the_head():
    names = {"vgg19": "pool5", "squeezenet1_1": "relu_conv10", "googlenet": "inception_5b/output"}
    for name, layer in names.items():
        assert choose_layer(build(name), {}) == layer
    net, params = conv_net()
    assert choose_layer(net, params) == "relu2"
    assert choose_layer(net, params, tap="conv2") == "pool1"
    assert find_gap_head(net) == ("relu2", "fc") and find_gap_head(build("vgg19")) is None
    assert find_gap_head(build("squeezenet1_1")) == ("relu_conv10", None)


def test_networks_with_a_head_of_means_are_listed():
    found = list_gap_networks()
    assert {"googlenet", "resnet50", "densenet121", "squeezenet1_1", "demo"} <= set(found)
    assert not {"alexnet", "vgg19", "vit_b_16", "convnext_tiny", "mobilenet_v3_small"} & set(found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": "gap"}, "no spatial extent"),
        ({"layer": "nowhere"}, "no tap 'nowhere'"),
        ({"layer": "relu2", "tap": "conv2"}, "does not depend on 'relu2'"),
        ({"size": "photo"}, "size is 'image' or 'layer'"),
        ({"index": 5}, "has 5 channels"),
        ({"tap": "relu1", "layer": "input"}, "no spatial extent"),
    ],
)
def test_what_has_no_map_is_told(options, words):
    net, params = conv_net()
    with pytest.raises(ValueError, match=words):
        jaxvis.grad_cam(net, params, picture(16), **options)


def test_cam_tells_what_it_needs():
    net, params = fc_net()
    with pytest.raises(ValueError, match="cam works for squeezenet1_0.*grad_cam works"):
        jaxvis.cam(net, params, picture(16))
    with pytest.raises(ValueError, match="explains classes alone"):
        jaxvis.cam(*conv_net(), picture(16), tap="relu1")
