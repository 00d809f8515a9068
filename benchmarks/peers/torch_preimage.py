"""Inversion in torch: Algorithm 1 on the objective of natural pre-images, in batches.

It takes the steps of `jaxvis.invert` without jitter. Neither JAX nor jaxvis is imported
here.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

ALPHA, BOUND, RADIUS, RHO = 6, 80.0, 160.0, 0.9
SLOPE = BOUND / 6.5


def compute_priors(z: Tensor) -> Tensor:
    """Computes R_alpha + R_TV of every image `[N]`.

    Args:
      z: `[N, 3, H, W]`, grey levels around the mean colour.
    """
    bounded = ((z * z).sum(1) / BOUND**2).pow(ALPHA // 2).mean((1, 2))
    pixels = z.shape[2] * z.shape[3]
    down, across = z.diff(dim=2) / SLOPE, z.diff(dim=3) / SLOPE
    variation = (down * down).sum((1, 2, 3)) + (across * across).sum((1, 2, 3))
    return bounded + variation / pixels


def invert(
    module: Callable[[Tensor], Tensor],
    targets: Tensor,
    start: Tensor,
    *,
    center: Sequence[float],
    fidelity: float,
    steps: int,
) -> Tensor:
    """Inverts codes: returns z after `steps` updates, all images of the batch at once.

    Args:
      module: images `[N, 3, H, W]` in [0, 1] -> codes.
      targets: the codes to match, `[N, ...]`.
      start: the first z, `[N, 3, H, W]`.
      center: RGB in [0, 1] at z = 0.
      fidelity: C.
      steps: updates.
    """
    middle = torch.tensor(center, device=start.device)[:, None, None]
    scale = fidelity / targets.square().flatten(1).sum(1)
    rate = 0.05 * BOUND**2 / ALPHA * start.shape[2] * start.shape[3]
    z, squares, momentum = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for _ in range(steps):
        z.requires_grad_()
        apart = (module(middle + z / 255) - targets).square().flatten(1).sum(1)
        (grad,) = torch.autograd.grad((scale * apart + compute_priors(z)).sum(), z)
        with torch.no_grad():
            squares.mul_(RHO).addcmul_(grad, grad)
            momentum.mul_(RHO).sub_(grad / (1 / rate + squares.sqrt()))
            z = z.detach() + momentum
            z = z * (RADIUS / z.norm(dim=1, keepdim=True).clamp(min=RADIUS))
    if z.is_cuda:
        torch.cuda.synchronize()
    return z
