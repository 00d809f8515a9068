"""Maximally activating patches in torch, by forward hooks, as they are usually written.

Neither JAX nor jaxvis is imported here.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

Found = dict[str, np.ndarray]
"""Layer -> the largest values of each channel `[c, k]`, the largest first."""


def loop_over_channels(
    module: nn.Module, layers: Mapping[str, nn.Module], images: Tensor, top: int
) -> Found:
    """Shows one image at a time, and looks for the maximum of one channel at a time.

    Args:
      module: the network, whose result is not used.
      layers: name -> module with maps.
      images: `[N, 3, H, W]`.
      top: values of each channel.
    """
    lists: dict[str, list[list[tuple[float, int, int]]]] = {}
    for number in range(len(images)):
        for name, maps in _collect(module, layers, images[number : number + 1]).items():
            kept = lists.setdefault(name, [[] for _ in range(maps.shape[1])])
            for channel in range(maps.shape[1]):
                value, place = maps[0, channel].flatten().max(0)
                kept[channel].append((value.item(), number, int(place.item())))
    for kept in lists.values():
        for one in kept:
            one.sort(key=lambda entry: -entry[0])
            del one[top:]
    return {
        name: np.array([[value for value, _, _ in one] for one in kept])
        for name, kept in lists.items()
    }


def loop_over_batches(
    module: nn.Module, layers: Mapping[str, nn.Module], images: Tensor, top: int, *, batch: int
) -> Found:
    """Shows images in batches, and finds the maxima of all channels of a layer at once.

    Args:
      module, layers, images, top: as for `loop_over_channels`.
      batch: images at a time.
    """
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for first in range(0, len(images), batch):
        for name, maps in _collect(module, layers, images[first : first + batch]).items():
            parts.setdefault(name, []).append(tuple(maps.flatten(2).max(-1)))
    found = {}
    for name, kept in parts.items():
        values = torch.cat([one for one, _ in kept])
        found[name] = values.topk(min(top, len(values)), dim=0).values.T.cpu().numpy()
    return found


def _collect(
    module: nn.Module, layers: Mapping[str, nn.Module], images: Tensor
) -> dict[str, Tensor]:
    """Runs the network, and collects what hooks see of the layers, on the host."""
    seen: dict[str, Tensor] = {}

    def make_hook(name: str):
        def hook(_: nn.Module, __: Sequence[Tensor], output: Tensor) -> None:
            seen[name] = output.detach().cpu()

        return hook

    handles = [layer.register_forward_hook(make_hook(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            module(images)
    finally:
        for handle in handles:
            handle.remove()
    return seen
