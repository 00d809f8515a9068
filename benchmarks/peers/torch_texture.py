"""Gatys' texture synthesis in torch: autograd and `torch.optim.LBFGS`."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.peers import torch_peer
from benchmarks.peers.torch_lbfgs import minimize


class Found(NamedTuple):
    """The end of torch's optimisation.

    Attributes:
      losses: of every evaluation, in turn.
      image: `[H, W, 3]` of the last one.
    """

    losses: np.ndarray
    image: np.ndarray


class Texture:
    """The texture loss of one source: sum_l w_l / (4 N_l^2) |G_l - G0_l|^2.

    Args:
      fastest: the network up to the last tap, in torch's fastest memory format.
      network: the module itself, on whose layers hooks are put.
      taps: the layers.
      source: `[H, W, 3]` in [0, 1].
      weights: tap -> w.
    """

    def __init__(
        self,
        fastest: torch_peer.Fastest,
        network: torch.nn.Module,
        taps: Sequence[str],
        source: np.ndarray,
        weights: Mapping[str, float],
    ) -> None:
        self.module, self.form = fastest.module, fastest.form
        self.weights, self.seen = dict(weights), {}
        self.hooks = [
            network.layer(tap).register_forward_hook(self._make_hook(tap)) for tap in taps
        ]
        with torch.no_grad():
            self.targets = self._compute_grams(torch_peer.to_torch(source[None]))

    def close(self) -> None:
        """Takes the hooks off the network, which others use too."""
        for hook in self.hooks:
            hook.remove()

    def _make_hook(self, tap: str) -> Callable:
        def keep(module: torch.nn.Module, given: tuple, out: torch.Tensor) -> None:
            del module, given
            self.seen[tap] = out

        return keep

    def _compute_grams(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        self.module(image.contiguous(memory_format=torch_peer.format_of(self.form)))
        return {tap: self._compute_gram(self.seen[tap]) for tap in self.weights}

    def _compute_gram(self, values: torch.Tensor) -> torch.Tensor:
        _, channels, height, width = values.shape
        if self.form == "channels_last":  # neither way copies the map
            flat = values.permute(0, 2, 3, 1).reshape(-1, channels).T
        else:
            flat = values.reshape(channels, -1)
        return flat @ flat.T / (height * width)

    def compute_loss(self, image: torch.Tensor) -> torch.Tensor:
        """Computes the loss of `[1, 3, H, W]`."""
        found = self._compute_grams(image)
        return sum(
            self.weights[tap] * ((found[tap] - target) ** 2).mean() / 4
            for tap, target in self.targets.items()
        )

    def value_and_grad(self, start: np.ndarray) -> tuple[float, np.ndarray]:
        """Computes the loss of an image and its gradient `[H, W, 3]`.

        Args:
          start: `[H, W, 3]`.
        """
        image = torch_peer.to_torch(start[None]).requires_grad_()
        loss = self.compute_loss(image)
        loss.backward()
        return loss.item(), image.grad[0].permute(1, 2, 0).cpu().numpy()

    def optimize(self, start: np.ndarray, *, evaluations: int, memory: int) -> Found:
        """Optimises an image by L-BFGS with a strong Wolfe search, without bounds.

        Args:
          start: `[H, W, 3]`.
          evaluations: of the loss and its gradient, exactly.
          memory: pairs kept.
        """
        image = torch_peer.to_torch(start[None]).requires_grad_()
        losses = minimize(
            lambda: self.compute_loss(image),
            image,
            evaluations=evaluations,
            memory=memory,
            exactly=True,
        )
        found = image.detach()[0].permute(1, 2, 0).cpu().numpy()
        return Found(torch.stack(losses).cpu().numpy(), found)
