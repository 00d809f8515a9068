"""An ONNX file as a Network: its nodes in the words of JAX.

`onnx` reads the file, and nothing of it is kept in the network. JAX ONNX Runtime
(jaxonnxruntime) runs such files too, but its last release, 0.3.0 of 2023, asks for onnx 1.12.
"""

import importlib
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Unpack

from jaxvis.escape import escape, escape_path
from jaxvis.nets.adapted import Names
from jaxvis.nets.frameworks.build import Reading, build
from jaxvis.nets.frameworks.onnx_reader import read_graph
from jaxvis.nets.preprocessing import ImageOptions, Layout, Preprocessing
from jaxvis.network import Network
from jaxvis.types import Params


def from_onnx(
    file: str | os.PathLike,
    *,
    input_size: tuple[int, int] | None = None,
    taps: Names = None,
    scores: str | None = None,
    name: str | None = None,
    **images: Unpack[ImageOptions],
) -> tuple[Network, Params]:
    """Returns the network of an ONNX file as (net, params); every node's output is a tap.

    Args:
      file: a path, `network.onnx`, of a network that takes one image `[1, C, H, W]` or
        `[1, H, W, C]`. Weights in files beside it are read too.
      input_size: (H, W) in pixels of its native image; None takes what the file states.
        Other sizes work too where the graph does not depend on the size.
      taps: names of the outputs to keep, or a mapping from tap names of your own to those
        names; None keeps all. They are the nodes' names, and those of their first outputs
        where nodes have none. What the network returns is "output", or where it returns
        several arrays has the names in the file.
      scores: the tap of the class scores before softmax; None takes the first output that is
        a vector of several numbers.
      name: the network's name; None takes the file's.
      **images: mean, std, range and channels, as in `from_nnx`, and layout where the file
        does not tell it.

    Returns:
      (net, params): the taps of maps are `[h, w, c]`. params is a nested dict of float32
      arrays by the file's own names; the kernels of convolutions are `[kh, kw, in / groups,
      out]` and the matrices of fully connected layers `[in, out]`.

    Raises:
      ImportError: where onnx is not installed.
      OSError: for a file that cannot be read.
      ValueError: for a file that is no network of one image, or that has operations that are
        not known here, all of which are named; and for an unknown tap.

    >>> import tempfile
    >>> import onnx.parser
    >>> import jaxvis
    >>> text = 'graph (float[1, 3, 8, 8] x) => (float[1, 3, 8, 8] y) { y = Relu(x) }'
    >>> model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     onnx.save(model, f"{folder}/relu.onnx")
    ...     net, params = jaxvis.from_onnx(f"{folder}/relu.onnx")
    >>> net.shape(params, "output")
    (8, 8, 3)
    """
    onnx = _import_onnx()
    path = Path(file)
    model = _load(onnx, path)
    image, shape = _find_image(model, path)
    found: Layout = "HWC" if _has_channels_last(shape) else "CHW"
    layout = images.get("layout", found)
    expected = replace(Preprocessing(**images), layout=layout)
    size = _find_size(path, shape, layout, input_size)
    channels = shape[3 if layout == "HWC" else 1]
    if channels not in (None, expected.count):
        cure = "channels='grey'" if channels == 1 else f"channels={channels}"
        raise ValueError(
            f"{escape_path(path)} takes images of {channels} channels, not {expected.count}: "
            f"pass {cure}"
        )
    own_name = name or path.stem
    reading = Reading(own_name, *read_graph(model, image, own_name), False, size, expected)
    return build(reading, taps, scores)


def _import_onnx() -> ModuleType:
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError(
            'from_onnx needs onnx, which is not installed: pip install "jaxvis[onnx]"'
        ) from error


def _load(onnx: ModuleType, path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {escape_path(path)}")
    try:
        return onnx.load(os.fspath(path))
    except Exception as error:  # the readers of protobuf and of outer files have their own
        raise ValueError(
            f"{escape_path(path)} is not a whole ONNX file: {escape(str(error))}"
        ) from error


def _find_image(model: Any, path: Path) -> tuple[str, tuple[int | None, ...]]:
    """Returns the name and the shape of the one input; None is a size that is free."""
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    if len(inputs) != 1:
        names = ", ".join(escape(value.name) for value in inputs) or "none"
        raise ValueError(f"{escape_path(path)} must take one image, and its inputs are {names}")
    dims = inputs[0].type.tensor_type.shape.dim
    shape = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in dims)
    if len(shape) != 4 or shape[0] not in (None, 1):
        raise ValueError(
            f"{escape_path(path)} must take one image [1, C, H, W], and takes {list(shape)}; "
            "export it for a batch of one, or with a free batch axis"
        )
    return inputs[0].name, shape


def _has_channels_last(shape: tuple[int | None, ...]) -> bool:
    return shape[3] in (1, 3) and shape[1] not in (1, 3)


def _find_size(
    path: Path, shape: tuple[int | None, ...], layout: str, wanted: tuple[int, int] | None
) -> tuple[int, int]:
    if wanted is not None:
        return (int(wanted[0]), int(wanted[1]))
    height, width = shape[1:3] if layout == "HWC" else shape[2:]
    if height is None or width is None:
        raise ValueError(
            f"{escape_path(path)} takes images of any size: say which is the native one, "
            "input_size=(H, W)"
        )
    return (height, width)
