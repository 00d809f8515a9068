"""The rows of a network's table as torch modules.

A row is a plain dict and its parameters are NumPy arrays in jaxvis's layout. Neither JAX
nor jaxvis is imported here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Row = Mapping[str, Any]
Leaves = Mapping[str, np.ndarray]
Shape = Sequence[int]
"""Of what a row reads: `(h, w, c)` or `(d,)`."""


def _freeze(array: np.ndarray) -> nn.Parameter:
    # Frozen: torch then neither computes nor keeps what weights' gradients need.
    tensor = torch.from_numpy(np.array(array, np.float32, order="C"))
    return nn.Parameter(tensor, requires_grad=False)


class Scale(nn.Module):
    """The input row: x * scale + shift, by colour."""

    def __init__(self, leaves: Leaves) -> None:
        super().__init__()
        self.scale = _freeze(leaves["scale"].reshape(-1, 1, 1))
        self.shift = _freeze(leaves["shift"].reshape(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the image `[N, 3, H, W]` as the first layer wants it."""
        return x * self.scale + self.shift


class Linear(nn.Module):
    """A fully connected layer whose columns follow torch's order, C, H, W."""

    def __init__(self, leaves: Leaves, shape: Shape) -> None:
        super().__init__()
        kernel = leaves["kernel"]
        if len(shape) == 3:  # ours flattens H, W, C
            kernel = kernel.reshape(*shape, -1).transpose(2, 0, 1, 3)
            kernel = kernel.reshape(-1, kernel.shape[-1])
        self.weight = _freeze(kernel.T)
        self.bias = _freeze(leaves["bias"]) if "bias" in leaves else None

    def forward(self, x: Tensor) -> Tensor:
        """Returns `[N, width]`."""
        return functional.linear(x.flatten(1), self.weight, self.bias)


class PixelLinear(nn.Module):
    """A convolution of 1x1 as a fully connected layer of every pixel.

    torchvision's ConvNeXt has these. With channels_last they copy nothing, and took a
    fifth less time a step of that network than convolutions.
    """

    def __init__(self, leaves: Leaves) -> None:
        super().__init__()
        self.weight = _freeze(leaves["kernel"][0, 0].T)
        self.bias = _freeze(leaves["bias"]) if "bias" in leaves else None

    def forward(self, x: Tensor) -> Tensor:
        """Returns the map `[N, width, h, w]`."""
        last = functional.linear(x.permute(0, 2, 3, 1), self.weight, self.bias)
        return last.permute(0, 3, 1, 2)


class BatchNorm(nn.Module):
    """Batch norm with its running statistics."""

    def __init__(self, row: Row, leaves: Leaves) -> None:
        super().__init__()
        self.mean, self.var = _freeze(leaves["mean"]), _freeze(leaves["var"])
        self.scale, self.bias = _freeze(leaves["scale"]), _freeze(leaves["bias"])
        self.epsilon = row["epsilon"]

    def forward(self, x: Tensor) -> Tensor:
        """Returns the normalised map `[N, C, h, w]`."""
        return functional.batch_norm(
            x, self.mean, self.var, self.scale, self.bias, eps=self.epsilon
        )


class LayerNorm(nn.Module):
    """Layer norm over channels: every pixel is normalised by its own statistics.

    torch's own layer norm wants the channels last, as torchvision's ConvNeXt gives them
    to it. For a map in channels_last both permutations are views and copy nothing.
    """

    def __init__(self, row: Row, leaves: Leaves) -> None:
        super().__init__()
        self.scale, self.bias = _freeze(leaves["scale"]), _freeze(leaves["bias"])
        self.epsilon = row["epsilon"]

    def forward(self, x: Tensor) -> Tensor:
        """Returns the normalised map `[N, C, h, w]` or vector `[N, C]`."""
        last = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
        last = functional.layer_norm(
            last, self.scale.shape, self.scale, self.bias, eps=self.epsilon
        )
        return last.permute(0, 3, 1, 2) if x.ndim == 4 else last


class InstanceNorm(nn.Module):
    """Instance norm: every image is normalised by its own statistics."""

    def __init__(self, row: Row, leaves: Leaves) -> None:
        super().__init__()
        self.scale, self.bias = _freeze(leaves["scale"]), _freeze(leaves["bias"])
        self.epsilon = row["epsilon"]

    def forward(self, x: Tensor) -> Tensor:
        """Returns the normalised map `[N, C, h, w]`."""
        return functional.instance_norm(x, weight=self.scale, bias=self.bias, eps=self.epsilon)


class Gain(nn.Module):
    """A factor for every channel, ConvNeXt's scale of a layer."""

    def __init__(self, leaves: Leaves) -> None:
        super().__init__()
        self.scale = _freeze(leaves["scale"].reshape(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the map `[N, C, h, w]` times the factors."""
        return x * self.scale


class Accumulation(nn.Module):
    """A sum that overwrites the first of its maps, as in torchvision's `out += identity`."""

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """Returns the sum of maps `[N, C, h, w]`, which is where `x` was."""
        for other in others:
            x += other
        return x


class ResponseNorm(nn.Module):
    """Local response normalisation; its sum over channels is a convolution.

    With a band matrix for a 1x1 kernel, oneDNN takes a third of the time that
    `torch.nn.functional.local_response_norm` takes.
    """

    def __init__(self, row: Row, channels: int) -> None:
        super().__init__()
        half = row["size"] // 2
        offset = np.arange(channels)[None, :] - np.arange(channels)[:, None]
        band = (offset >= -half) & (offset <= row["size"] - 1 - half)
        self.band = _freeze(band[:, :, None, None])
        self.alpha, self.kappa = row["alpha"] / row["size"], row["kappa"]

    def forward(self, x: Tensor) -> Tensor:
        """Returns the normalised map `[N, C, h, w]`."""
        square = functional.conv2d(x * x, self.band)
        root = torch.rsqrt(self.kappa + self.alpha * square)
        return x * (root * torch.sqrt(root))


class Doubling(nn.Module):
    """A transposed convolution that doubles height and width."""

    def __init__(self, row: Row, leaves: Leaves) -> None:
        super().__init__()
        # jaxvis keeps the kernel of the convolution that this one transposes.
        self.weight = _freeze(leaves["kernel"][::-1, ::-1].transpose(2, 3, 0, 1))
        self.first = row["size"] - 1 - row["pad"]

    def forward(self, x: Tensor) -> Tensor:
        """Returns the map `[N, C, 2 h, 2 w]`."""
        whole = functional.conv_transpose2d(x, self.weight, stride=2)
        rows, columns = (slice(self.first, self.first + 2 * side) for side in x.shape[2:])
        return whole[:, :, rows, columns]


class Plain(nn.Module):
    """An op without parameters, as a module, so that hooks may see it."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row, self.op = dict(row), OPS[row["op"]]

    def forward(self, *xs: Tensor) -> Tensor:
        """Returns the op of the maps `[N, C, h, w]` or vectors `[N, C]`."""
        return self.op(self.row, *xs)


def _max_pool(row: Row, x: Tensor) -> Tensor:
    window = (row["size"], row["stride"], row["pad"])
    return functional.max_pool2d(x, *window, ceil_mode=row["ceil"])


def _average_pool(row: Row, x: Tensor) -> Tensor:
    window = (row["size"], row["stride"], row["pad"])
    return functional.avg_pool2d(
        x, *window, ceil_mode=row["ceil"], count_include_pad=row["count_pad"]
    )


def _pad_same(row: Row, x: Tensor) -> Tensor:
    """Adds the zeros that TensorFlow's "SAME" adds before a convolution."""
    pads: list[int] = []
    for side in reversed(x.shape[2:]):
        steps = -(-side // row["stride"]) - 1
        total = max(steps * row["stride"] + row["size"] - side, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


OPS: dict[str, Callable[..., Tensor]] = {
    "relu": lambda row, x: functional.relu(x),
    "relu6": lambda row, x: functional.relu6(x),
    "gelu": lambda row, x: functional.gelu(x),
    "max": _max_pool,
    "avg": _average_pool,
    "gap": lambda row, x: x.mean((2, 3)),
    "softmax": lambda row, x: functional.softmax(x, 1),
    "concat": lambda row, *xs: torch.cat(xs, 1),
    "add": lambda row, x, *others: sum(others, x),
    "same": _pad_same,
    "reflect": lambda row, x: functional.pad(x, (row["pad"],) * 4, mode="reflect"),
    "repeat": lambda row, x: functional.interpolate(x, scale_factor=2, mode="nearest"),
    "tanh": lambda row, x: row["kappa"] + row["alpha"] * torch.tanh(x),
}
"""Ops without parameters: `(row, *maps) -> map`."""


def _make_convolution(row: Row, leaves: Leaves) -> nn.Conv2d:
    kernel = leaves["kernel"].transpose(3, 2, 0, 1)
    out = nn.Conv2d(
        kernel.shape[1] * row["groups"],
        row["width"],
        row["size"],
        row["stride"],
        row["pad"],
        groups=row["groups"],
        bias=row["bias"],
        device="meta",
    )
    out.weight = _freeze(kernel)
    if row["bias"]:
        out.bias = _freeze(leaves["bias"])
    return out


MODULES: dict[str, Callable[[Row, Leaves, Shape], nn.Module]] = {
    "input": lambda row, leaves, shape: Scale(leaves),
    "conv": lambda row, leaves, shape: _make_convolution(row, leaves),
    "fc": lambda row, leaves, shape: Linear(leaves, shape),
    "bn": lambda row, leaves, shape: BatchNorm(row, leaves),
    "ln": lambda row, leaves, shape: LayerNorm(row, leaves),
    "inorm": lambda row, leaves, shape: InstanceNorm(row, leaves),
    "gain": lambda row, leaves, shape: Gain(leaves),
    "lrn": lambda row, leaves, shape: ResponseNorm(row, shape[-1]),
    "up": lambda row, leaves, shape: Doubling(row, leaves),
}
"""Ops that have tensors of their own: `(row, its parameters, shape of what it reads) -> module`."""


def make_layer(row: Row, leaves: Leaves | None, shape: Shape) -> nn.Module:
    """Makes the module of one row.

    Args:
      row: the row.
      leaves: its parameters; None where it has none.
      shape: of the first map or vector that it reads.
    """
    if row["op"] in MODULES:
        return MODULES[row["op"]](row, leaves or {}, shape)
    return Plain(row)
