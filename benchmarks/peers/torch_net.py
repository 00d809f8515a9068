"""The peer: a torch module built from a network's rows and its parameters.

It knows rows as plain dicts and parameters as NumPy arrays, and imports neither JAX nor
jaxvis, so that a process that measures torch alone holds nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

BN_EPSILON = 1e-5

Rows = Sequence[Mapping[str, Any]]
"""`dataclasses.asdict` of every row of a table, the input row first."""
Arrays = Mapping[str, Mapping[str, np.ndarray]]
"""Row -> {"kernel", "bias", ...} -> array, in jaxvis's layout."""


def reads(rows: Rows) -> dict[str, tuple[str, ...]]:
    """Returns the names of the rows that each row reads.

    Args:
      rows: the table.
    """
    above = [None, *(row["name"] for row in rows)]
    return {
        row["name"]: () if row["op"] == "input" else tuple(row["inputs"]) or (above[i],)
        for i, row in enumerate(rows)
    }


def needed(rows: Rows, tap: str) -> list[Mapping[str, Any]]:
    """Returns the rows that `tap` needs, in order.

    Args:
      rows: the table.
      tap: the last row wanted.
    """
    sources, queue, found = reads(rows), [tap], set()
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += sources[name]
    return [row for row in rows if row["name"] in found]


def _tensor(array: np.ndarray) -> nn.Parameter:
    # Frozen: torch then neither computes nor keeps what weights' gradients need.
    tensor = torch.from_numpy(np.array(array, np.float32))
    return nn.Parameter(tensor, requires_grad=False)


class Scale(nn.Module):
    """Returns x * scale + shift, by colour."""

    def __init__(self, leaves: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.scale = _tensor(leaves["scale"].reshape(3, 1, 1))
        self.shift = _tensor(leaves["shift"].reshape(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the image `[N, 3, H, W]` as the first layer wants it."""
        return x * self.scale + self.shift


def _conv(row: Mapping[str, Any], leaves: Mapping[str, np.ndarray]) -> nn.Module:
    kernel = np.ascontiguousarray(leaves["kernel"].transpose(3, 2, 0, 1))
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
    out.weight = _tensor(kernel)
    if row["bias"]:
        out.bias = _tensor(leaves["bias"])
    return out


class Linear(nn.Module):
    """Returns a fully connected layer whose columns follow torch's order, C, H, W."""

    def __init__(self, leaves: Mapping[str, np.ndarray], shape: tuple[int, ...] | None) -> None:
        super().__init__()
        kernel = leaves["kernel"]
        if shape is not None:  # ours flattens H, W, C
            kernel = kernel.reshape(*shape, -1).transpose(2, 0, 1, 3)
            kernel = kernel.reshape(-1, kernel.shape[-1])
        self.weight = _tensor(np.ascontiguousarray(kernel.T))
        self.bias = _tensor(leaves["bias"]) if "bias" in leaves else None

    def forward(self, x: Tensor) -> Tensor:
        """Returns `[N, width]`."""
        return functional.linear(x.flatten(1), self.weight, self.bias)


class BatchNorm(nn.Module):
    """Returns batch norm with its running statistics."""

    def __init__(self, leaves: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.mean, self.var = _tensor(leaves["mean"]), _tensor(leaves["var"])
        self.scale, self.bias = _tensor(leaves["scale"]), _tensor(leaves["bias"])

    def forward(self, x: Tensor) -> Tensor:
        """Returns the normalised map `[N, C, h, w]`."""
        return functional.batch_norm(x, self.mean, self.var, self.scale, self.bias, eps=BN_EPSILON)


class ResponseNorm(nn.Module):
    """Returns local response normalisation; its sum over channels is a convolution.

    With a band matrix for a 1x1 kernel, oneDNN takes a third of the time that
    `torch.nn.functional.local_response_norm` takes.
    """

    def __init__(self, row: Mapping[str, Any], channels: int) -> None:
        super().__init__()
        half = row["size"] // 2
        offset = np.arange(channels)[None, :] - np.arange(channels)[:, None]
        band = (offset >= -half) & (offset <= row["size"] - 1 - half)
        self.band = _tensor(band.astype(np.float32)[:, :, None, None])
        self.alpha, self.kappa = row["alpha"] / row["size"], row["kappa"]

    def forward(self, x: Tensor) -> Tensor:
        """Returns the normalised map `[N, C, h, w]`."""
        square = functional.conv2d(x * x, self.band)
        root = torch.rsqrt(self.kappa + self.alpha * square)
        return x * (root * torch.sqrt(root))


class Plain(nn.Module):
    """Returns an op without parameters, as a module, so that hooks may see it."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        super().__init__()
        self.row = dict(row)

    def forward(self, *xs: Tensor) -> Tensor:
        """Returns the op of the maps `[N, C, h, w]` or vectors `[N, C]`."""
        row, x = self.row, xs[0]
        if row["op"] == "relu":
            return functional.relu(x)
        if row["op"] == "gap":
            return x.mean((2, 3))
        if row["op"] == "softmax":
            return functional.softmax(x, 1)
        if row["op"] == "concat":
            return torch.cat(xs, 1)
        if row["op"] == "add":
            return sum(xs[1:], x)
        window = (row["size"], row["stride"], row["pad"])
        if row["op"] == "max":
            return functional.max_pool2d(x, *window, ceil_mode=row["ceil"])
        return functional.avg_pool2d(x, *window, ceil_mode=row["ceil"], count_include_pad=False)


class Net(nn.Module):
    """Returns one tap of a network, `[N, C, h, w]` or `[N, d]`, of images in [0, 1].

    Args:
      rows: the table.
      params: its parameters, those of the rows that `tap` needs at least.
      tap: where it stops.
      shapes: row -> `(h, w, c)` or `(d,)` of an image of the size it is used at.
      inplace: whether ReLUs overwrite what nothing else reads, as torch's own
        networks do.
    """

    def __init__(
        self,
        rows: Rows,
        params: Arrays,
        tap: str,
        shapes: Mapping[str, Sequence[int]],
        *,
        inplace: bool = True,
    ) -> None:
        super().__init__()
        used = needed(rows, tap)
        sources = reads(rows)
        self.plan = [(row["name"], sources[row["name"]]) for row in used]
        readers = [name for _, names in self.plan for name in names]
        modules = {}
        for row in used:
            name, of = row["name"], sources[row["name"]]
            module = _module(row, params.get(name), [shapes[source] for source in of])
            alone = len(of) == 1 and readers.count(of[0]) == 1
            if inplace and row["op"] == "relu" and alone:
                module = nn.ReLU(inplace=True)
            modules[_key(name)] = module
        self.layers = nn.ModuleDict(modules)
        self.last = {of: at for at, (_, names) in enumerate(self.plan) for of in names}

    def layer(self, tap: str) -> nn.Module:
        """Returns the module of one row.

        Args:
          tap: the row's name.
        """
        return self.layers[_key(tap)]

    def forward(self, x: Tensor) -> Tensor:
        """Returns the tap of images `[N, 3, H, W]` in [0, 1]."""
        values: dict[str, Tensor] = {}
        for at, (name, names) in enumerate(self.plan):
            given = [values[source] for source in names] or [x]
            values[name] = self.layers[_key(name)](*given)
            for source in names:
                if self.last[source] == at:  # autograd keeps what it needs
                    values.pop(source, None)
        return values[self.plan[-1][0]]


def _key(name: str) -> str:
    return name.replace(".", "_")


def _module(
    row: Mapping[str, Any],
    leaves: Mapping[str, np.ndarray] | None,
    given: Sequence[Sequence[int]],
) -> nn.Module:
    """Returns the module of one row; `given` are the shapes that it reads."""
    if row["op"] == "input":
        return Scale(leaves)
    if row["op"] == "conv":
        return _conv(row, leaves)
    if row["op"] == "fc":
        return Linear(leaves, tuple(given[0]) if len(given[0]) == 3 else None)
    if row["op"] == "bn":
        return BatchNorm(leaves)
    if row["op"] == "lrn":
        return ResponseNorm(row, given[0][-1])
    return Plain(row)
