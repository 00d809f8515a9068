"""Guided backpropagation and deconvnet of networks of Keras, ONNX and torch's export.

One small network is written three times with the same weights, adapted, and compared with
captum's gradients of torch's own module.
"""

import numpy as np
import pytest

import jaxvis

pytestmark = pytest.mark.filterwarnings("ignore")
SIDE, CLASSES = 12, [3, 0]
METHODS = {"GuidedBackprop": jaxvis.guided_backpropagation, "Deconvolution": jaxvis.deconvnet}
"""Captum's class -> our function."""


def draw_weights():
    """Returns the weights: kernels `[h, w, in, out]`, a matrix `[in, out]`, and biases."""
    draw = np.random.default_rng(3)
    shapes = {"conv1": (3, 3, 3, 6), "conv2": (3, 3, 6, 8), "fc": (8, 5)}
    kernels = {name: draw.normal(size=shape) / 3 for name, shape in shapes.items()}
    biases = {f"{name}_bias": draw.normal(size=shape[-1]) / 9 for name, shape in shapes.items()}
    return {name: one.astype(np.float32) for name, one in {**kernels, **biases}.items()}


def make_torch(weights):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    with torch.no_grad():
        for place, name in ((0, "conv1"), (3, "conv2"), (7, "fc")):
            axes = (3, 2, 0, 1) if name != "fc" else (1, 0)
            module[place].weight.copy_(torch.from_numpy(weights[name].transpose(axes).copy()))
            module[place].bias.copy_(torch.from_numpy(weights[f"{name}_bias"]))
    return module.eval()


def adapt_torch(weights, folder):
    return jaxvis.from_torch(make_torch(weights), input_size=(SIDE, SIDE))


def adapt_keras(weights, folder):
    keras = pytest.importorskip("keras", exc_type=ImportError)
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(6, 3, padding="same", activation="relu", name="conv1"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, padding="same", name="conv2"),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, name="fc"),
        ]
    )
    for name in ("conv1", "conv2", "fc"):
        net.get_layer(name).set_weights([weights[name], weights[f"{name}_bias"]])
    return jaxvis.from_keras(net)


def adapt_onnx(weights, folder):
    onnx = pytest.importorskip("onnx")
    make, node = onnx.helper, onnx.helper.make_node
    around = {"pads": [1, 1, 1, 1]}
    nodes = [
        node("Conv", ["image", "conv1", "conv1_bias"], ["a"], **around),
        node("Relu", ["a"], ["b"]),
        node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["c", "conv2", "conv2_bias"], ["d"], **around),
        node("Relu", ["d"], ["e"]),
        node("GlobalAveragePool", ["e"], ["f"]),
        node("Flatten", ["f"], ["g"]),
        node("Gemm", ["g", "fc", "fc_bias"], ["scores"]),
    ]
    arrays = [
        onnx.numpy_helper.from_array(one.transpose(3, 2, 0, 1).copy() if one.ndim == 4 else one, k)
        for k, one in weights.items()
    ]
    shape = onnx.TensorProto.FLOAT
    graph = make.make_graph(
        nodes,
        "small",
        [make.make_tensor_value_info("image", shape, (1, 3, SIDE, SIDE))],
        [make.make_tensor_value_info("scores", shape, (1, 5))],
        arrays,
    )
    path = folder / "small.onnx"
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 21)]), path)
    return jaxvis.from_onnx(path)


ADAPTERS = {"torch": adapt_torch, "keras": adapt_keras, "onnx": adapt_onnx}


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_guided_gradients_of_adapted_networks_are_captums(adapter, tmp_path):
    torch, attr = pytest.importorskip("torch"), pytest.importorskip("captum.attr")
    weights = draw_weights()
    image = np.random.default_rng(1).random((SIDE, SIDE, 3)).astype(np.float32)
    net, params = ADAPTERS[adapter](weights, tmp_path)
    given = torch.tensor(image.transpose(2, 0, 1)[None], requires_grad=True)
    for name, method in METHODS.items():
        module = make_torch(weights)  # captum leaves its hooks on a module
        theirs = torch.cat(
            [getattr(attr, name)(module).attribute(given, target=c) for c in CLASSES]
        )
        theirs = theirs.detach().numpy().transpose(0, 2, 3, 1)
        ours = method(net, params, image, index=CLASSES, combine="none")
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(("adapter", "tap"), [("torch", "3"), ("keras", "conv2"), ("onnx", "d")])
def test_a_neuron_in_between_has_a_map_of_what_it_sees(adapter, tap, tmp_path):
    net, params = ADAPTERS[adapter](draw_weights(), tmp_path)
    image = np.random.default_rng(1).random((SIDE, SIDE, 3)).astype(np.float32)
    unit = {"tap": tap, "index": [1, 4], "position": (3, 3)}
    maps = jaxvis.guided_backpropagation(net, params, image, **unit)
    assert maps.shape == (2, SIDE, SIDE) and np.isfinite(maps).all() and maps.any()
    # Its 3x3 pixels of the pooled map are pixels 4 to 9, and the first kernel adds one around.
    maps[:, 3:11, 3:11] = 0
    assert not maps.any()
