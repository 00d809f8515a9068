"""Projected gradient ascent in torch, the same steps as `jaxvis.attacks.pgd`'s.

Neither JAX nor jaxvis is imported here.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def climb(
    module: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    step: float,
    steps: int,
) -> Tensor:
    """Attacks a batch in Linf, from the images themselves; gives the last pictures.

    Args:
      module: images `[N, C, H, W]` -> scores `[N, K]`.
      images: in [0, 1], in the memory format that they are to be computed in.
      labels: `[N]`, the true classes.
      epsilon: how far a value may go.
      step: how far it goes in a step.
      steps: how many gradients there are.
    """
    x = images
    for _ in range(steps):
        x = x.detach().requires_grad_()
        loss = functional.cross_entropy(module(x), labels)
        (slope,) = torch.autograd.grad(loss, x)
        with torch.no_grad():
            delta = (x + step * slope.sign() - images).clamp_(-epsilon, epsilon)
            x = (images + delta).clamp_(0, 1)
    return x.detach()
