"""The networks of ONNX files against onnx's own evaluation of their nodes."""

import numpy as np
import pytest

import jaxvis

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
evaluation = pytest.importorskip("onnx.reference")

FLOAT, INT = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def number(value, dtype=np.float32):
    return np.array(value, dtype)


MAP, KERNEL, UP = (1, 4, 6, 8), draw(6, 2, 3, 3), draw(4, 3, 2, 2)
FOUR, SLOPE, MATRIX, SMALL = draw(4, seed=1), draw(4, 1, 1, seed=2), draw(8, 5), draw(5, 8)
CASES = {
    "conv": ("Conv", [KERNEL, draw(6)], {"pads": [1, 0, 1, 2], "strides": [2, 1], "group": 2}),
    "same": ("Conv", [draw(3, 4, 3, 2)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "up": ("ConvTranspose", [UP], {"strides": [2, 2], "output_padding": [1, 0]}),
    "batch": ("BatchNormalization", [FOUR, FOUR, FOUR, FOUR**2 + 0.5], {}),
    "instance": ("InstanceNormalization", [FOUR, FOUR], {"epsilon": 0.1}),
    "group": ("GroupNormalization", [FOUR, FOUR], {"num_groups": 2}),
    "layer": ("LayerNormalization", [draw(8), draw(8)], {"axis": -1}),
    "prelu": ("PRelu", [SLOPE], {}),
    "max": ("MaxPool", [], {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}),
    "mean": ("AveragePool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "all": ("GlobalAveragePool", [], {}),
    "peak": ("GlobalMaxPool", [], {}),
    "clip": ("Clip", [number(-0.5), number(0.5)], {}),
    "above": ("Clip", [number(-0.5)], {}),
    "leaky": ("LeakyRelu", [], {"alpha": 0.2}),
    "hard": ("HardSigmoid", [], {}),
    "threshold": ("ThresholdedRelu", [], {"alpha": 0.3}),
    "gelu": ("Gelu", [], {"approximate": "tanh"}),
    "softmax": ("Softmax", [], {"axis": 1}),
    "sum": ("Sum", [SLOPE, SLOPE], {}),
    "highest": ("Max", [SLOPE, number(0.1)], {}),
    "average": ("Mean", [SLOPE, SLOPE], {}),
    "concat": ("Concat", [draw(1, 2, 6, 8)], {"axis": 1}),
    "flat": ("Flatten", [], {}),
    "shaped": ("Reshape", [number([0, 2, -1], np.int64)], {}),
    "turned": ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    "more": ("Unsqueeze", [number([1], np.int64)], {}),
    "cut": (
        "Slice",
        [number(each, np.int64) for each in ([1, -3], [3, 2**62], [1, 3], [1, 2])],
        {},
    ),
    "picked": ("Gather", [number([2, 0], np.int64)], {"axis": 1}),
    "padded": ("Pad", [number([0, 0, 1, 0, 0, 0, 2, 3], np.int64), number(2.0)], {}),
    "mirrored": ("Pad", [number([0, 0, 1, 0, 0, 0, 2, 3], np.int64)], {"mode": "reflect"}),
    "nearest": (
        "Resize",
        ["", number([1, 1, 2, 2])],
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
    "linear": ("Resize", ["", number([1, 1, 1.5, 2])], {"mode": "linear"}),
    "sized": (
        "Resize",
        ["", "", number([1, 4, 9, 5], np.int64)],
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    ),
    "reduced": ("ReduceMean", [number([2, 3], np.int64)], {"keepdims": 0}),
    "length": ("ReduceL2", [number([1], np.int64)], {}),
    "deep": ("DepthToSpace", [], {"blocksize": 2}),
    "flatter": ("SpaceToDepth", [], {"blocksize": 2}),
    "product": ("MatMul", [MATRIX], {}),
    "tiled": ("Tile", [number([1, 2, 1, 1], np.int64)], {}),
    "wide": ("Expand", [number([1, 4, 6, 8], np.int64)], {}),
    "power": ("Pow", [number(2.0)], {}),
    "divided": ("Div", [number(2.0)], {}),
    **{
        op.lower(): (op, [], {})
        for op in (
            "Relu Elu Selu Sigmoid Tanh Softplus HardSwish Erf Mish Abs Neg Exp Sign Floor "
            "Reciprocal Identity Dropout"
        ).split()
    },
}
"""Name of a node -> its operation, its inputs after the map, and its attributes."""


def save(path, nodes, arrays, outputs, shape=MAP, version=21):
    """Saves a network of one image."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", FLOAT, shape)],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    onnx.save(model, path)
    return model


def compare(model, path, **options):
    """Compares all outputs of a network of four channels, or three; returns it."""
    net, params = jaxvis.from_onnx(path, **options)
    image = np.random.default_rng(5).random((*net.input_size, net.channels)).astype(np.float32)
    found = evaluation.ReferenceEvaluator(model).run(
        None, {"image": image.transpose(2, 0, 1)[None]}
    )
    taps = net.apply(params, image)
    for value, expected in zip(model.graph.output, found):
        tap = "output" if len(model.graph.output) == 1 else value.name
        expected = expected[0]
        if taps[tap].shape != expected.shape:
            expected = expected.transpose(1, 2, 0)
        error = np.abs(np.asarray(taps[tap]) - expected).max() / max(np.abs(expected).max(), 1e-3)
        assert error < 1e-4, f"{tap}: {error}"
    return net, params


def test_every_operation(tmp_path):
    nodes, arrays, outputs = [], {}, []
    for name, (op, inputs, attributes) in CASES.items():
        names = ["image"]
        for place, array in enumerate(inputs):
            names.append("" if isinstance(array, str) else f"{name}_{place}")
            if not isinstance(array, str):
                arrays[names[-1]] = array
        nodes.append(helper.make_node(op, names, [f"{name}_out"], name=name, **attributes))
        outputs.append(f"{name}_out")
    nodes.append(helper.make_node("Split", ["image"], ["first", "rest"], axis=1, num_outputs=2))
    nodes.append(helper.make_node("Squeeze", ["all_out", "axes"], ["pooled"]))
    nodes.append(helper.make_node("Gemm", ["pooled", "matrix"], ["scores"], transB=1))
    nodes.append(helper.make_node("Gemm", ["pooled", "square"], ["halved"], alpha=0.5, transB=1))
    arrays |= {"axes": number([2, 3], np.int64), "matrix": draw(5, 4), "square": draw(3, 4)}
    path = tmp_path / "all.onnx"
    model = save(path, nodes, arrays, [*outputs, "first", "rest", "scores", "halved"])
    net, params = compare(model, path, channels=4)
    assert set(CASES) < set(net.taps) and net.scores == "flat_out"
    assert params["conv_0"].shape == (3, 3, 2, 6) and params["matrix"].shape == (4, 5)


def test_sizes_are_computed_as_exports_compute_them(tmp_path):
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["map"], name="/conv/Conv"),
        helper.make_node("Shape", ["map"], ["shape"]),
        helper.make_node(
            "Constant", [], ["two"], value=numpy_helper.from_array(number(1, np.int64))
        ),
        helper.make_node("Gather", ["shape", "two"], ["channels"]),
        helper.make_node("Mul", ["channels", "three"], ["joined"]),
        helper.make_node("Div", ["joined", "three"], ["again"]),
        helper.make_node("Unsqueeze", ["again", "zero"], ["vector"]),
        helper.make_node("Concat", ["one", "vector", "rest"], ["goal"], axis=0),
        helper.make_node("Reshape", ["map", "goal"], ["tokens"], name="/tokens"),
        helper.make_node("ReduceMean", ["tokens", "last"], ["output_7"], keepdims=0),
    ]
    arrays = {
        "conv.weight": draw(5, 3, 3, 3),
        "three": number(3, np.int64),
        "zero": number([0], np.int64),
        "one": number([1], np.int64),
        "rest": number([-1], np.int64),
        "last": number([2], np.int64),
    }
    path = tmp_path / "shapes.onnx"
    model = save(path, nodes, arrays, ["output_7"], shape=("batch", 3, "height", "width"))
    with pytest.raises(ValueError, match="takes images of any size: say which"):
        jaxvis.from_onnx(path)
    net, params = compare(model, path, input_size=(7, 9), mean=0.0)
    assert net.taps == ("input", "/conv/Conv", "/tokens", "output_7", "output")
    assert net.scores == "output" and net.name == "shapes"
    assert params["conv"]["kernel"].shape == (3, 3, 3, 5)
    again, _ = jaxvis.from_onnx(path, input_size=(7, 9))
    assert again == net
    larger = net.apply(params, np.ones((11, 12, 3), np.float32))
    assert larger["/conv/Conv"].shape == (9, 10, 5) and larger["output"].shape == (5,)
    run = jaxvis.maximize(net, params, tap="output", index=[1], recipe="plain", steps=2)
    assert np.isfinite(run.image).all()


def test_images_with_their_channels_last(tmp_path):
    nodes = [helper.make_node("Transpose", ["image"], ["map"], perm=[0, 3, 1, 2], name="turn")]
    path = tmp_path / "last.onnx"
    save(path, nodes, {}, ["map"], shape=(1, 5, 6, 3))
    net, params = jaxvis.from_onnx(path)
    image = draw(5, 6, 3)
    np.testing.assert_array_equal(net.apply(params, image)["turn"], image)


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path):
    path = tmp_path / "odd.onnx"
    nodes = [helper.make_node("Det", ["image"], ["a"]), helper.make_node("STFT", ["a"], ["b"])]
    save(path, nodes, {}, ["b"])
    with pytest.raises(ValueError, match="does not know: Det, STFT|does not know: STFT, Det"):
        jaxvis.from_onnx(path, channels=4)
    with pytest.raises(ValueError, match="takes images of 4 channels, not 3: pass channels=4"):
        jaxvis.from_onnx(path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        jaxvis.from_onnx(tmp_path / "none.onnx")
    path.write_bytes(b"not a network")
    with pytest.raises(ValueError, match="is not a whole ONNX file|must take one image"):
        jaxvis.from_onnx(path)


def test_what_torch_exports(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript", reason="torch.onnx.export needs onnxscript")
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 5)
    )
    path = tmp_path / "torch.onnx"
    example = torch.zeros((1, 3, 8, 8))
    torch.onnx.export(module, (example,), path, input_names=["image"], dynamo=True)
    compare(onnx.load(path), path)
