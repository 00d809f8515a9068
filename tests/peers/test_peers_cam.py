"""Class activation maps against captum, torchcam and pytorch-grad-cam, with the same weights."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvis
from jaxvis.attribution.cam.gradient_based import weigh_by_curvature
from jaxvis.nets import random_params
from jaxvis.nets.random import PREPROCESSING
from jaxvis.nets.table.forward import build_network
from jaxvis.nets.table.layers import Layer, shapes
from jaxvis.nets.zoo.vit import VitShape, vit

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
"""captum and pytorch-grad-cam warn of what they do with hooks and inputs."""
from tests.peers.torch_states import draw_image, to_torch  # noqa: E402

SIDE, CLASSES = 18, 6
ROWS = (
    Layer("conv1", "conv", 6, 3, pad=1),
    Layer("relu1", "relu"),
    Layer("pool1", "avg", size=3, stride=3),
    Layer("conv2", "conv", 8, 3, pad=1),
    Layer("relu2", "relu"),
)
HEADS = {
    "gap": (Layer("gap", "gap"), Layer("fc", "fc", CLASSES)),
    "fc": (Layer("fc6", "fc", 10), Layer("relu6", "relu"), Layer("fc", "fc", CLASSES)),
}
INDICES = range(CLASSES)


@pytest.fixture(scope="module")
def peer(models):
    """Returns pytorch-grad-cam, which needs torchvision."""
    return pytest.importorskip("pytorch_grad_cam")


@pytest.fixture(params=HEADS)
def both(request):
    """Returns our network with its parameters, torch's, and an image for each of them."""
    from benchmarks.peers.torch_net import Net

    rows = (*ROWS, *HEADS[request.param])
    net = build_network(request.param, rows, input_size=(SIDE, SIDE), scores="fc")
    params = random_params(net, jax.random.key(3), preprocess="imagenet")
    arrays = jax.tree.map(np.asarray, params)
    image = np.random.default_rng(0).random((SIDE, SIDE, 3)).astype(np.float32)
    x = image * arrays["input"]["scale"] + arrays["input"]["shift"]
    arrays["input"] = {"scale": np.ones(3, np.float32), "shift": np.zeros(3, np.float32)}
    table = [dataclasses.asdict(row) for row in net.rows]
    model = Net(table, arrays, "fc", shapes(net.rows, net.input_size), inplace=False).eval()
    for name in [name for name in model.layers if name.startswith("relu")]:
        model.layers[name] = torch.nn.ReLU()  # the module that captum's guided rule looks for
    theirs = torch.tensor(x.transpose(2, 0, 1)[None], requires_grad=True)
    ours = net.apply(params, image)["fc"]
    np.testing.assert_allclose(model(theirs).detach().numpy()[0], ours, rtol=1e-4, atol=1e-5)
    return net, params, image, model, theirs


def assert_close(ours, theirs, tolerance=1e-5):
    """Compares maps, relative to the largest value of each."""
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape and np.abs(theirs).max() > 0
    scale = np.abs(theirs).max((-2, -1), keepdims=True)
    assert np.all(np.abs(ours - theirs) <= tolerance * np.maximum(scale, 1e-6))


def run_torchcam(method, model, x, index, **options):
    """Returns the raw map of one class; torchcam rectifies as its method says."""
    with method(model, **options) as extractor:
        scores = model(x)
        found = extractor(index, scores, normalized=False)
    return found[0][0].detach().numpy()


def run_gradcam(method, model, x, layer, index, **options):
    """Returns the rectified map of one class before pytorch-grad-cam stretches it."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    found = []

    class Kept(method):
        def get_cam_image(self, *args, **kwargs):
            found.append(super().get_cam_image(*args, **kwargs))
            return found[-1]

    with Kept(model, [model.layer(layer)], **options) as extractor:
        extractor(x, [ClassifierOutputTarget(index)])
    return np.maximum(found[0][0], 0)


@pytest.mark.parametrize("layer", ["relu1", "relu2"])
def test_grad_cam_is_captums_and_torchcams(both, layer):
    captum, torchcam = pytest.importorskip("captum.attr"), pytest.importorskip("torchcam.methods")
    net, params, image, model, x = both
    ours = jaxvis.grad_cam(net, params, image, index=INDICES, layer=layer, size="layer")
    explainer = captum.LayerGradCam(model, model.layer(layer))
    theirs = [explainer.attribute(x, i, relu_attributions=True)[0, 0] for i in INDICES]
    assert_close(ours, [one.detach().numpy() for one in theirs])
    place = {"target_layer": model.layer(layer)}
    assert_close(ours, [run_torchcam(torchcam.GradCAM, model, x, i, **place) for i in INDICES])


def test_the_default_layer_is_torchcams(both):
    utils = pytest.importorskip("torchcam.methods._utils")
    from jaxvis.attribution.cam.layers import choose_layer

    net, params, _, model, _ = both
    theirs = utils.locate_candidate_layer(model, (3, SIDE, SIDE))
    assert theirs == f"layers.{choose_layer(net, params)}"


def test_cam_is_torchcams(both):
    methods = pytest.importorskip("torchcam.methods")
    net, params, image, model, x = both
    if net.name != "gap":
        pytest.skip("CAM needs a head of global means")
    ours = jaxvis.cam(net, params, image, index=INDICES, size="layer")
    options = {"target_layer": model.layer("relu2"), "fc_layer": "layers.fc"}
    assert_close(ours, [run_torchcam(methods.CAM, model, x, i, **options) for i in INDICES])


@pytest.mark.parametrize("layer", ["relu1", "relu2"])
def test_layer_cam_is_torchcams_and_that_of_pytorch_grad_cam(peer, both, layer):
    methods = pytest.importorskip("torchcam.methods")
    net, params, image, model, x = both
    ours = jaxvis.layer_cam(net, params, image, index=INDICES, layer=layer, size="layer")
    place = {"target_layer": model.layer(layer)}
    assert_close(ours, [run_torchcam(methods.LayerCAM, model, x, i, **place) for i in INDICES])
    assert_close(ours, [run_gradcam(peer.LayerCAM, model, x, layer, i) for i in INDICES])


@pytest.mark.parametrize("layer", ["relu1", "relu2"])
def test_hires_cam_is_that_of_pytorch_grad_cam(peer, both, layer):
    net, params, image, model, x = both
    ours = jaxvis.hires_cam(net, params, image, index=INDICES, layer=layer, size="layer")
    assert_close(ours, [run_gradcam(peer.HiResCAM, model, x, layer, i) for i in INDICES])


@pytest.mark.parametrize("layer", ["relu1", "relu2"])
def test_eigen_cam_is_that_of_pytorch_grad_cam_up_to_its_sign(peer, both, layer):
    net, params, image, _, _ = both
    maps = np.asarray(net.apply(params, image)[layer])
    theirs = peer.utils.svd_on_activations.get_2d_projection(np.moveaxis(maps, -1, 0)[None])[0]
    ours = jaxvis.eigen_cam(net, params, image, layer=layer, size="layer")
    sign = np.sign(np.sum(theirs * maps.sum(-1)))
    assert_close(ours, np.maximum(sign * theirs, 0))


@pytest.mark.parametrize("layer", ["relu1", "relu2"])
def test_ablation_cam_is_that_of_pytorch_grad_cam(peer, both, layer):
    net, params, image, model, x = both
    scores = np.asarray(net.apply(params, image)["fc"])
    positive = [i for i in INDICES if scores[i] > 0]  # theirs turns the sign of the others
    ours = jaxvis.ablation_cam(net, params, image, index=positive, layer=layer, size="layer")
    theirs = [run_gradcam(peer.AblationCAM, model, x, layer, i) for i in positive]
    # Differences of nearly equal scores: their last digits are those of the scores.
    assert_close(ours, theirs, 2e-5)


@pytest.mark.parametrize("layer", ["relu1", "relu2"])
def test_score_cam_is_torchcams(both, layer):
    """The maps of relu2 are resized by 3, where cells keep their values: the peak stays 1."""
    methods = pytest.importorskip("torchcam.methods")
    net, params, image, model, x = both
    ours = jaxvis.score_cam(net, params, image, index=INDICES, layer=layer, size="layer")
    place = {"target_layer": model.layer(layer)}
    theirs = [run_torchcam(methods.ScoreCAM, model, x, i, **place) for i in INDICES]
    assert_close(ours, theirs)


def test_score_cam_is_that_of_pytorch_grad_cam_where_nothing_is_resized(peer, both):
    net, params, image, model, x = both
    ours = jaxvis.score_cam(net, params, image, index=INDICES, layer="relu1", size="layer")
    assert_close(ours, [run_gradcam(peer.ScoreCAM, model, x, "relu1", i) for i in INDICES])


def test_finer_cam_is_torchcams_and_that_of_pytorch_grad_cam(peer, both):
    methods = pytest.importorskip("torchcam.methods")
    net, params, image, model, x = both
    what = {"index": INDICES, "layer": "relu2", "size": "layer"}
    place = {"target_layer": model.layer("relu2")}
    ours = jaxvis.finer_cam(net, params, image, **what)
    assert_close(ours, [run_torchcam(methods.FinerCAM, model, x, i, **place) for i in INDICES])
    scores = np.asarray(net.apply(params, image)["fc"])
    ours = jaxvis.finer_cam(net, params, image, similar=1, strength=1.0, **what)
    for i in INDICES:
        distance = np.where(np.arange(CLASSES) == i, np.inf, np.abs(scores - scores[i]))
        target = peer.utils.model_targets.FinerWeightedTarget(i, [int(distance.argmin())], 1.0)
        found = run_target(peer.GradCAM, model, x, "relu2", target)
        assert_close(ours[i], found, 1e-4)  # theirs adds 1e-9 to what it divides by


def run_target(method, model, x, layer, target):
    found = []

    class Kept(method):
        def get_cam_image(self, *args, **kwargs):
            found.append(super().get_cam_image(*args, **kwargs))
            return found[-1]

    with Kept(model, [model.layer(layer)]) as extractor:
        extractor(x, [target])
    return np.maximum(found[0][0], 0)


def test_grad_cam_plus_plus_is_the_papers(peer, both):
    """pytorch-grad-cam has the paper's formula, but adds 1e-6 to what it divides by; torchcam
    0.5.0 divides a copy of the squares, so that its weights are sums of cubes."""
    methods = pytest.importorskip("torchcam.methods")
    net, params, image, model, x = both
    # With scores a thousand times as large, the 1e-6 is nothing beside the squares.
    params = {**params, "fc": jax.tree.map(lambda leaf: leaf * 1000, params["fc"])}
    with torch.no_grad():
        for weight in model.layer("fc").parameters():
            weight *= 1000
    ours = jaxvis.grad_cam_plus_plus(net, params, image, index=INDICES, layer="relu2", size="layer")
    theirs = [run_gradcam(peer.GradCAMPlusPlus, model, x, "relu2", i) for i in INDICES]
    assert_close(ours, theirs, 2e-5)
    place = {"target_layer": model.layer("relu2")}
    maps = net.apply(params, image)["relu2"]
    for index in INDICES:
        gradient = jax.grad(lambda a, i=index: net.apply(params, a, start="relu2")["fc"][i])(maps)
        cubes = jnp.sum(jnp.maximum(gradient, 0) ** 3, axis=(0, 1))
        other = np.maximum(maps @ cubes, 0)
        theirs = run_torchcam(methods.GradCAMpp, model, x, index, **place)
        assert_close(other, np.maximum(theirs, 0))
        assert np.abs(ours[index] - other).max() > 0.01 * np.abs(other).max()


def test_the_terms_of_grad_cam_plus_plus_are_the_papers():
    rng = np.random.default_rng(0)
    maps = np.maximum(rng.normal(size=(4, 5, 3)), 0)
    gradient = rng.normal(size=(4, 5, 3))
    below = 2 * gradient**2 + gradient**3 * maps.sum((0, 1))
    weights = (gradient**2 / below * np.maximum(gradient, 0)).sum((0, 1))
    found = weigh_by_curvature(maps.astype(np.float32), gradient.astype(np.float32))
    np.testing.assert_allclose(found, np.maximum(maps @ weights, 0), rtol=1e-5)


def test_guided_grad_cam_is_captums_where_nothing_is_resized(both):
    captum = pytest.importorskip("captum.attr")
    net, params, image, model, x = both
    scale = np.asarray(params["input"]["scale"])
    ours = jaxvis.guided_grad_cam(net, params, image, index=INDICES, layer="relu1", combine="none")
    explainer = captum.GuidedGradCam(model, model.layer("relu1"))
    for i in INDICES:
        theirs = explainer.attribute(x, i)[0].detach().numpy()
        # Theirs is the gradient of the prepared image: ours of the image in [0, 1].
        assert_close(np.moveaxis(ours[i] / scale, -1, 0), theirs)


@pytest.fixture
def transformers(models):
    """Returns our vision transformer, torchvision's, both with the same random weights."""
    shape = VitShape(patch=8, width=16, depth=3, heads=2, hidden=24)
    net = vit("deit_ti_16", shape, input_size=(24, 24), classes=5, head="linear")
    model = models.VisionTransformer(24, 8, 3, 2, 16, 24, num_classes=5).eval()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.normal_(0, 0.3, generator=rng)
    state = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    return net, _read_state(net, state), model


def _read_state(net, state):
    """Returns torchvision's weights as our parameters, row by row."""

    def turn(weight, bias):
        return {"kernel": state[weight].T, "bias": state[bias]}

    def norm(name):
        return {"scale": state[f"{name}.weight"], "bias": state[f"{name}.bias"]}

    scale, shift = PREPROCESSING["imagenet"]
    params = {
        "input": {"scale": np.array(scale), "shift": np.array(shift)},
        "patch_embed.proj": {
            "kernel": state["conv_proj.weight"].transpose(2, 3, 1, 0),
            "bias": state["conv_proj.bias"],
        },
        "tokens": {
            "cls_token": state["class_token"][0, 0],
            "pos_embed": state["encoder.pos_embedding"][0],
        },
        "norm.tokens": norm("encoder.ln"),
        "head": turn("heads.head.weight", "heads.head.bias"),
    }
    for i in range(3):
        theirs, ours = f"encoder.layers.encoder_layer_{i}", f"blocks.{i}"
        attention = f"{theirs}.self_attention"
        params |= {
            f"{ours}.norm1": norm(f"{theirs}.ln_1"),
            f"{ours}.attn.qkv": turn(f"{attention}.in_proj_weight", f"{attention}.in_proj_bias"),
            f"{ours}.attn.proj": turn(f"{attention}.out_proj.weight", f"{attention}.out_proj.bias"),
            f"{ours}.norm2": norm(f"{theirs}.ln_2"),
            f"{ours}.mlp.fc1": turn(f"{theirs}.mlp.0.weight", f"{theirs}.mlp.0.bias"),
            f"{ours}.mlp.fc2": turn(f"{theirs}.mlp.3.weight", f"{theirs}.mlp.3.bias"),
        }
    return params


def test_le_grad_is_torchcams(transformers):
    methods = pytest.importorskip("torchcam.methods")
    net, params, model = transformers
    image = draw_image(24)
    x = to_torch(image)
    ours = jaxvis.le_grad(net, params, image, index=range(5), blocks=2, size="layer")
    blocks = list(model.encoder.layers)[-2:]
    theirs = [run_torchcam(methods.LeGrad, model, x, i, target_layer=blocks) for i in range(5)]
    assert_close(ours, theirs)


def test_attention_rollout_multiplies_torchs_attentions(transformers):
    net, params, model = transformers
    image = draw_image(24)
    found = []

    def keep(module, given, options):
        return given, {**options, "need_weights": True, "average_attn_weights": True}

    for block in model.encoder.layers:
        block.self_attention.register_forward_pre_hook(keep, with_kwargs=True)
        block.self_attention.register_forward_hook(lambda *call: found.append(call[2][1][0]))
    with torch.no_grad():
        model(to_torch(image))
    product = np.eye(10)
    for weights in found:
        product = (weights.numpy() + np.eye(10)) / 2 @ product
    ours = jaxvis.attention_rollout(net, params, image, size="layer")
    assert len(found) == 3
    assert_close(ours, product[0, 1:].reshape(3, 3))
