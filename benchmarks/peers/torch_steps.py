"""Gradient steps in torch: of one module for a batch, and of many modules at once.

Neither JAX nor jaxvis is imported here, so that a process that measures torch alone
holds nothing else.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

Found = tuple[Tensor, Tensor]
"""Scores `[N]`, and their gradients `[N, 3, H, W]`."""
State = Mapping[str, Tensor]
"""The parameters of many modules, leaves `[N, ...]`."""


def compute_scores(values: Tensor, index: Tensor) -> Tensor:
    """Computes the scores `[N]` of images: see `benchmarks.harness.subjects.make_gradient`.

    Args:
      values: the tap, `[N, d]` or `[N, C, h, w]`.
      index: `[N]`.
    """
    values = values.mean((2, 3)) if values.ndim == 4 else values
    return values.gather(1, index[:, None])[:, 0]


def take_step(module: Callable, images: Tensor, index: Tensor) -> Found:
    """Takes one gradient step and waits for it.

    Args:
      module: images -> tap, compiled or not.
      images: `[N, 3, H, W]`.
      index: `[N]`.
    """
    given = images.detach().requires_grad_()
    scores = compute_scores(module(given), index)
    (gradients,) = torch.autograd.grad(scores.sum(), given)
    if gradients.is_cuda:
        torch.cuda.synchronize()
    return scores.detach(), gradients


def stack_modules(modules: Sequence[nn.Module]) -> tuple[nn.Module, State]:
    """Stacks the parameters of equal modules; returns one of them for their structure.

    Args:
      modules: without ReLUs in place, which under `vmap` would overwrite what all share.
    """
    state, _ = torch.func.stack_module_state(list(modules))
    return modules[0], state


def take_stacked_step(module: nn.Module, state: State, images: Tensor, index: Tensor) -> Found:
    """Takes the gradient step of many modules, one image each, and waits for it.

    Args:
      module, state: as `stack_modules` returns them.
      images: `[N, 3, H, W]`.
      index: `[N]`.
    """

    def score(image: Tensor, own: State, at: Tensor) -> Tensor:
        values = torch.func.functional_call(module, own, (image[None],))
        return compute_scores(values, at[None])[0]

    every = torch.func.vmap(torch.func.grad_and_value(score))
    gradients, scores = every(images, state, index)
    if gradients.is_cuda:
        torch.cuda.synchronize()
    return scores.detach(), gradients


def to_arrays(found: Found) -> tuple[np.ndarray, np.ndarray]:
    """Converts a step's outputs to NumPy: scores `[N]` and gradients `[N, H, W, 3]`.

    Args:
      found: what a step returns.
    """
    scores, gradients = found
    return scores.cpu().numpy(), gradients.permute(0, 2, 3, 1).contiguous().cpu().numpy()
