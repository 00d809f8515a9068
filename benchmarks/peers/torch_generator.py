"""The peer of a deep generator: the same rows as a torch module, in training.

Like `benchmarks.peers.torch_net` it knows rows as plain data and parameters as NumPy
arrays.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

MEAN = (123.68, 116.779, 103.939)
"""The colour of an output of 0, in grey levels."""


class Drawer(nn.Module):
    """A generator that draws its image `[1, 3, H, W]` from a learned code.

    Args:
      rows: (op, name, kernel side, whether it keeps the size) each.
      start: (h, w, c) that the code is shaped to.
      epsilon: of batch norm.
      params: row -> {"kernel", "bias", ...} -> array, in jaxvis's layout.
    """

    def __init__(
        self,
        rows: tuple[tuple, ...],
        start: tuple[int, int, int],
        epsilon: float,
        params: Mapping[str, Mapping[str, np.ndarray]],
    ) -> None:
        super().__init__()
        self.rows, self.start = rows, start
        self.alpha = nn.Parameter(torch.tensor(params["alpha"]["alpha"]))
        self.convs, self.norms = nn.ModuleDict(), nn.ModuleDict()
        for name, leaves in params.items():
            if "kernel" in leaves:
                kernel = torch.tensor(leaves["kernel"]).permute(3, 2, 0, 1)
                conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2:])
                conv.weight = nn.Parameter(kernel.contiguous())
                conv.bias = nn.Parameter(torch.tensor(leaves["bias"]))
                self.convs[name] = conv
            elif "scale" in leaves:
                self.norms[name] = nn.BatchNorm2d(len(leaves["scale"]), eps=epsilon)
        self.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1))

    def forward(self) -> Tensor:
        """Returns the image; it may leave [0, 1]."""
        x = self.alpha
        for op, name, size, same in self.rows:
            if op == "reshape":
                x = x.reshape(1, *self.start).permute(0, 3, 1, 2)
            elif op == "up":
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
            elif op == "conv":
                before, more = (size - 1) // 2, (size - 1) % 2
                pads = (before, before + more) * 2 if same else (0, 0, 0, 0)
                x = self.convs[name](functional.pad(x, pads) if same else x)
            elif op == "relu":
                x = functional.relu(x)
            elif op == "bn":
                x = self.norms[name](x)
        return (self.mean + x) / 255


def read_gradient_means(drawer: Drawer, optimizer: torch.optim.Adamax) -> dict[str, np.ndarray]:
    """Reads AdaMax's moving mean of the gradient, "row/leaf" -> array as in jaxvis.

    Args:
      drawer: the generator.
      optimizer: its optimizer, after a step.
    """

    def mean(parameter: nn.Parameter) -> np.ndarray:
        return optimizer.state[parameter]["exp_avg"].detach().cpu().numpy()

    found: dict[str, Any] = {"alpha/alpha": mean(drawer.alpha)}
    for name, conv in drawer.convs.items():
        found[f"{name}/kernel"] = mean(conv.weight).transpose(2, 3, 1, 0)
        found[f"{name}/bias"] = mean(conv.bias)
    for name, norm in drawer.norms.items():
        found[f"{name}/scale"] = mean(norm.weight)
        found[f"{name}/bias"] = mean(norm.bias)
    return found
