"""DeepDream in torch: the octaves and steps of `jaxvis.dream`.

Neither JAX nor jaxvis is imported here.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


class Dreamt(NamedTuple):
    """The outcome of a dream: losses `[octaves * steps]` and the picture `[H, W, 3]`."""

    losses: np.ndarray
    image: np.ndarray


def dream(
    module: Callable[[Tensor], Tensor],
    image: Tensor,
    sizes: Sequence[tuple[int, int]],
    *,
    steps: int,
    rate: float,
    jitter: int,
    form: torch.memory_format,
) -> Dreamt:
    """Amplifies the activations of a layer in an image, octave by octave.

    Args:
      module: images `[1, 3, h, w]` -> the layer.
      image: `[1, 3, H, W]` in [0, 1].
      sizes: (H, W) of the octaves, smallest first.
      steps: updates of each octave.
      rate: mean change of a step.
      jitter: largest circular shift, in pixels.
      form: memory format of what the network is shown.
    """
    losses: list[Tensor] = []
    x = _resize(image, sizes[0])
    for octave, size in enumerate(sizes):
        if octave:
            detail = x - _resize(image, sizes[octave - 1])
            x = (_resize(image, size) + _resize(detail, size)).clamp(0, 1)
        for _ in range(steps):
            x.requires_grad_()
            shift = np.random.randint(-jitter, jitter + 1, 2).tolist()
            seen = x.roll(shift, (2, 3)) if jitter else x
            loss = -module(seen.contiguous(memory_format=form)).square().sum() / 2
            (slope,) = torch.autograd.grad(loss, x)
            with torch.no_grad():
                x = (x - rate * slope / slope.abs().mean()).clamp_(0, 1)
            losses.append(loss.detach())
    picture = x[0].permute(1, 2, 0).contiguous().cpu().numpy()
    return Dreamt(torch.stack(losses).cpu().numpy(), picture)


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes linearly, with a wider kernel where the image shrinks."""
    return functional.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
