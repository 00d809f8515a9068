"""Random values for torch's models, and the same values as parameters of our networks."""

import jax
import numpy as np
import torch

from jaxvis.nets import parameter_shapes
from jaxvis.nets.random import PREPROCESSING
from jaxvis.nets.table.layers import shapes, sources
from weights_convert.layout import find_arrangement
from weights_convert.names import HARMLESS, make_renamer


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
