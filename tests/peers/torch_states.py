"""Random values for torch's models, the same values as parameters, and what both compute."""

import re

import jax
import numpy as np
import torch
import torch.fx

from jaxvis.nets import parameter_shapes
from jaxvis.nets.random import PREPROCESSING
from jaxvis.nets.table.layers import shapes, sources
from weights_convert.layout import find_arrangement
from weights_convert.names import HARMLESS, make_renamer

TOLERANCE = 1e-4
CHANNELS_LAST = re.compile(r"\.block\.[2-5]$")
"""Taps that torch has as `[h, w, c]` too: those inside a block of ConvNeXt."""


def randomise(model, seed):
    """Gives every tensor of a model values that keep activations at unit scale."""
    rng = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0, generator=rng)
        elif tensor.ndim > 1:
            fan_in = tensor[0].numel()
            tensor.normal_(0, (2 / fan_in) ** 0.5, generator=rng)
        elif tensor.dtype == torch.float32:
            norm = f"{name.rpartition('.')[0]}.running_mean" in model.state_dict()
            if norm and name.endswith("weight"):
                tensor.uniform_(0.5, 1.0, generator=rng)
            else:
                tensor.normal_(0, 0.2, generator=rng)


def convert(net, state):
    """Converts a state_dict to parameters of `net`, by the converter's own key map."""
    at, reads = shapes(net.rows, net.input_size), sources(net.rows)
    spec = parameter_shapes(net)
    rename = make_renamer("torch", net)
    scale, shift = PREPROCESSING["imagenet"]
    params = {"input": {"scale": np.array(scale), "shift": np.array(shift)}}
    for name, tensor in state.items():
        if HARMLESS.search(name):
            continue
        row, _, leaf = rename(name).rpartition("/")
        array = tensor.numpy()
        arrange = find_arrangement(array.shape, spec[row][leaf], "torch", at[reads[row][0]])
        params.setdefault(row, {})[leaf] = arrange(array)
    assert jax.tree.map(np.shape, params) == {row: spec[row] for row in params}
    return params


def to_torch(image):
    """Returns an image `[h, w, 3]` in [0, 1] as torch's models take it, `[1, 3, h, w]`."""
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    x = (image - np.array(mean)) / np.array(std)
    return torch.tensor(x.transpose(2, 0, 1)[None], dtype=torch.float32)


def draw_image(size):
    """Returns a random image `[size, size, 3]` in [0, 1]."""
    return np.random.default_rng(0).uniform(size=(size, size, 3)).astype(np.float32)


class _Recorder(torch.fx.Interpreter):
    """A run of a model that keeps what every call gives, under the name of the call."""

    def __init__(self, model):
        # Imported here: only the fixture `models` makes torchvision importable.
        from torchvision.models.feature_extraction import NodePathTracer

        tracer = NodePathTracer()
        super().__init__(torch.fx.GraphModule(model, tracer.trace(model)))
        self.names = {node.name: name for node, name in tracer.node_to_qualname.items()}
        self.found = {}

    def run_node(self, n):
        out = super().run_node(n)
        if n.name in self.names and isinstance(out, torch.Tensor):
            # Copied at once: the next call may overwrite it in place.
            self.found[self.names[n.name]] = out.clone()
        return out


def compute_taps(model, nodes, image):
    """Returns tap -> what torch computes for it, from tap -> node of the model's graph.

    A node is a call of a module or of a function, as torchvision's feature extraction names
    it. A module of several calls stands for the last of them.
    """
    recorder = _Recorder(model.eval())
    with torch.no_grad():
        recorder.run(to_torch(image))
    found = {}
    for name, out in recorder.found.items():
        parts = name.split(".")
        found |= {".".join(parts[:i]): out for i in range(1, len(parts) + 1)}
    return {tap: _arrange(tap, found[node][0].numpy()) for tap, node in nodes.items()}


def _arrange(tap, array):
    if array.ndim == 3 and not CHANNELS_LAST.search(tap):
        return array.transpose(1, 2, 0)
    return array


def assert_taps_equal(net, ours, theirs):
    """Compares tap -> array of torch's with the network's own, all but the image."""
    for tap, expected in theirs.items():
        got = np.asarray(ours[tap])
        if got.ndim == 1:  # torch may keep the axes of a map, each of one
            assert expected.size == got.size
            expected = expected.reshape(-1)
        assert got.shape == expected.shape, tap
        error = np.abs(got - expected).max()
        assert error <= TOLERANCE * np.abs(expected).max(), f"{tap}: {error}"
    assert np.abs(theirs[net.taps[1]]).max() > 0.1
