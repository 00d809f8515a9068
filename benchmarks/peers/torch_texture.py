"""Gatys' texture synthesis as torch does it: autograd and `torch.optim.LBFGS`."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.peers import torch_peer


class Found(NamedTuple):
    """Where torch ended.

    Attributes:
      losses: of every evaluation, in turn.
      image: `[H, W, 3]` of the last one.
    """

    losses: np.ndarray
    image: np.ndarray


class _Enough(Exception):
    """Raised by the evaluation that is one too many: a search may want more."""


class Texture:
    """Returns the texture loss of one source: sum_l w_l / (4 N_l^2) |G_l - G0_l|^2.

    Args:
      best: the network up to the last tap, in torch's fastest memory format.
      network: the module itself, whose layers are listened to.
      taps: the layers.
      source: `[H, W, 3]` in [0, 1].
      weights: tap -> w.
    """

    def __init__(
        self,
        best: torch_peer.Best,
        network: torch.nn.Module,
        taps: Sequence[str],
        source: np.ndarray,
        weights: Mapping[str, float],
    ) -> None:
        self.module, self.channels_last = best.module, best.channels_last
        self.weights, self.seen = dict(weights), {}
        self.hooks = [network.layer(tap).register_forward_hook(self._keeping(tap)) for tap in taps]
        with torch.no_grad():
            self.targets = self._grams(torch_peer.to_torch(source[None]))

    def close(self) -> None:
        """Takes the hooks off the network, which others use too."""
        for hook in self.hooks:
            hook.remove()

    def _keeping(self, tap: str) -> Callable:
        def keep(module: torch.nn.Module, given: tuple, out: torch.Tensor) -> None:
            del module, given
            self.seen[tap] = out

        return keep

    def _grams(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        last = torch.channels_last if self.channels_last else torch.contiguous_format
        self.module(image.contiguous(memory_format=last))
        return {tap: self._gram(values) for tap, values in self.seen.items()}

    def _gram(self, values: torch.Tensor) -> torch.Tensor:
        _, channels, height, width = values.shape
        if self.channels_last:  # neither way copies the map
            flat = values.permute(0, 2, 3, 1).reshape(-1, channels).T
        else:
            flat = values.reshape(channels, -1)
        return flat @ flat.T / (height * width)

    def loss(self, image: torch.Tensor) -> torch.Tensor:
        """Returns the loss of `[1, 3, H, W]`."""
        found = self._grams(image)
        return sum(
            self.weights[tap] * ((found[tap] - target) ** 2).mean() / 4
            for tap, target in self.targets.items()
        )

    def first(self, start: np.ndarray) -> tuple[float, np.ndarray]:
        """Returns the loss of an image and its gradient `[H, W, 3]`.

        Args:
          start: `[H, W, 3]`.
        """
        image = torch_peer.to_torch(start[None]).requires_grad_()
        loss = self.loss(image)
        loss.backward()
        return loss.item(), image.grad[0].permute(1, 2, 0).cpu().numpy()

    def optimised(self, start: np.ndarray, *, evaluations: int, memory: int) -> Found:
        """Returns what L-BFGS with a strong Wolfe search finds, unbounded.

        Args:
          start: `[H, W, 3]`.
          evaluations: of the loss and its gradient, exactly.
          memory: pairs kept.
        """
        image = torch_peer.to_torch(start[None]).requires_grad_()
        optimizer = torch.optim.LBFGS(
            [image],
            max_iter=evaluations,
            max_eval=evaluations,
            history_size=memory,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )
        losses: list[torch.Tensor] = []

        def closure() -> torch.Tensor:
            if len(losses) == evaluations:
                raise _Enough
            optimizer.zero_grad()
            loss = self.loss(image)
            loss.backward()
            losses.append(loss.detach())
            return loss

        try:
            optimizer.step(closure)
        except _Enough:
            pass
        found = image.detach()[0].permute(1, 2, 0).cpu().numpy()
        return Found(torch.stack(losses).cpu().numpy(), found)
