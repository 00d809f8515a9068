"""`torch.optim.LBFGS` with a strong Wolfe search, and every loss that it evaluates."""

from collections.abc import Callable

import torch
from torch import Tensor


class _Enough(Exception):
    """Raised by the evaluation that is one too many: a search may want more."""


def minimize(
    compute_loss: Callable[[], Tensor],
    z: Tensor,
    *,
    evaluations: int,
    memory: int,
    tolerance: float = 0.0,
    exactly: bool = False,
) -> list[Tensor]:
    """Minimises a loss; returns its value at every evaluation, in turn.

    Args:
      compute_loss: the loss `[]` of z as it is.
      z: what is optimised, in place.
      evaluations: of the loss and its gradient; a line search that has begun ends.
      memory: pairs kept.
      tolerance: stops where an iteration changes the loss or z by less.
      exactly: whether to stop in the middle of a line search, too.
    """
    optimizer = torch.optim.LBFGS(
        [z],
        max_iter=evaluations,
        max_eval=evaluations,
        history_size=memory,
        tolerance_grad=0,
        tolerance_change=tolerance,
        line_search_fn="strong_wolfe",
    )
    losses: list[Tensor] = []

    def evaluate() -> Tensor:
        if exactly and len(losses) == evaluations:
            raise _Enough
        z.grad = None
        loss = compute_loss()
        loss.backward()
        losses.append(loss.detach())
        return loss

    try:
        optimizer.step(evaluate)
    except _Enough:
        pass
    return losses
