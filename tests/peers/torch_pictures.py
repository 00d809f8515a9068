"""Networks of rows as torch modules, and pictures on their way to torch and back."""

from dataclasses import asdict

import jax
import numpy as np
import torch

from jaxvis.nets.table.layers import shapes


def build_torch(net, params):
    """Returns a torch module of a network's rows and parameters."""
    from benchmarks.peers.torch_net import Net

    rows = [asdict(row) for row in net.rows]
    arrays = jax.tree.map(np.asarray, dict(params))
    return Net(rows, arrays, net.scores, shapes(net.rows, net.input_size), inplace=False).eval()


def to_torch(images):
    """Returns images `[N, H, W, C]` as a tensor `[N, C, H, W]`."""
    return torch.tensor(np.ascontiguousarray(np.transpose(images, (0, 3, 1, 2))))


def to_numpy(images):
    """Returns a tensor `[N, C, H, W]` as an array `[N, H, W, C]`."""
    return images.detach().numpy().transpose(0, 2, 3, 1)


def measure(delta, norm):
    """Returns the norms of perturbations `[N, ...]`; "l0" counts values."""
    flat = np.abs(delta).reshape(len(delta), -1).astype(np.float64)
    if norm == "l0":
        return (flat > 0).sum(1)
    return {"linf": flat.max(1), "l1": flat.sum(1), "l2": np.sqrt((flat**2).sum(1))}[norm]
