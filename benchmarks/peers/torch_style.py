"""Gatys' style transfer in torch: autograd with Adam, or with `torch.optim.LBFGS`."""

from collections.abc import Mapping

import numpy as np
import torch

from benchmarks.peers import torch_peer
from benchmarks.peers.torch_lbfgs import minimize
from benchmarks.peers.torch_texture import Found, Texture


class Style(Texture):
    """The loss of content and style: sum_l u_l mean (F_l - F0_l)^2 / 2 + the texture loss.

    Args:
      fastest: the network up to the last tap, in torch's fastest memory format.
      network: the module itself, on whose layers hooks are put.
      content: `[H, W, 3]` in [0, 1], whose activations F0 are wanted.
      style: `[H', W', 3]` in [0, 1], whose Gram matrices are wanted.
      content_weights: tap -> u.
      style_weights: tap -> w; see `Texture`.
    """

    def __init__(
        self,
        fastest: torch_peer.Fastest,
        network: torch.nn.Module,
        content: np.ndarray,
        style: np.ndarray,
        *,
        content_weights: Mapping[str, float],
        style_weights: Mapping[str, float],
    ) -> None:
        super().__init__(fastest, network, list(style_weights), style, style_weights)
        self.content_weights = dict(content_weights)
        self.hooks += [
            network.layer(tap).register_forward_hook(self._make_hook(tap))
            for tap in content_weights
            if tap not in style_weights
        ]
        with torch.no_grad():
            self._compute_grams(torch_peer.to_torch(content[None]))
            self.contents = {tap: self.seen[tap].clone() for tap in content_weights}

    def compute_loss(self, image: torch.Tensor) -> torch.Tensor:
        """Computes the loss of `[1, 3, H, W]`."""
        loss = super().compute_loss(image)
        for tap, weight in self.content_weights.items():
            loss = loss + weight * ((self.seen[tap] - self.contents[tap]) ** 2).mean() / 2
        return loss

    def paint_by_adam(self, start: np.ndarray, *, steps: int, rate: float) -> Found:
        """Paints by Adam; the image stays in [0, 1].

        Args:
          start: `[H, W, 3]`.
          steps: updates.
          rate: Adam's learning rate.
        """
        image = torch_peer.to_torch(start[None]).requires_grad_()
        adam, losses = torch.optim.Adam([image], lr=rate, fused=True), []
        for _ in range(steps):
            adam.zero_grad()
            loss = self.compute_loss(image)
            loss.backward()  # the fused step needs gradients in the image's own layout
            adam.step()
            with torch.no_grad():
                image.clamp_(0, 1)
            losses.append(loss.detach())
        return self._make_found(losses, image)

    def paint_by_lbfgs(self, start: np.ndarray, *, steps: int, memory: int) -> Found:
        """Paints by L-BFGS with a strong Wolfe search, without bounds.

        Args:
          start: `[H, W, 3]`.
          steps: evaluations of the loss and its gradient, exactly.
          memory: pairs kept.
        """
        image = torch_peer.to_torch(start[None]).requires_grad_()
        losses = minimize(
            lambda: self.compute_loss(image),
            image,
            evaluations=steps,
            memory=memory,
            exactly=True,
        )
        return self._make_found(losses, image)

    def _make_found(self, losses: list[torch.Tensor], image: torch.Tensor) -> Found:
        picture = image.detach()[0].permute(1, 2, 0).contiguous().cpu().numpy()
        return Found(torch.stack(losses).cpu().numpy(), picture)
