"""Total variation denoising, what the last image may be put through."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxvis.types import Array, Image, Key


def _divergence(p: Array) -> Array:
    """Returns -div p of the dual field `[2, H, W]`."""
    down = jnp.pad(p[0, :-1], ((1, 0), (0, 0)))
    across = jnp.pad(p[1, :, :-1], ((0, 0), (1, 0)))
    return down + across - p[0] - p[1]


def _gradient(image: Array) -> Array:
    """Returns forward differences `[2, H, W]`, the last row and column without."""
    dy = jnp.pad(jnp.diff(image, axis=0), ((0, 1), (0, 0)))
    dx = jnp.pad(jnp.diff(image, axis=1), ((0, 0), (0, 1)))
    return jnp.stack([dy, dx])


@dataclass(frozen=True)
class Chambolle:
    """Returns argmin over u of |u - x|^2 / 2 + weight |grad u|, channel by channel.

    A problem's `finish`. The image is clipped to [0, 1] first.

    Args:
      weight: how much is smoothed; 0.2 blurs, as the published feature map inversions.
      steps: at most so many.
      tolerance: stops when the energy changes by less than this part of the first.

    Source: Chambolle (2004); Xia et al., the authors' code (`denoise_tv_chambolle` of
      scikit-image, weight 0.2; not in the paper).
    """

    weight: float = 0.2
    steps: int = 200
    tolerance: float = 2e-4

    def __post_init__(self) -> None:
        """Raises ValueError if `weight` is not above 0."""
        if not self.weight > 0:
            raise ValueError(f"weight must be above 0, got {self.weight}: 0 is None")

    def __call__(self, key: Key, image: Image) -> Image:
        """Returns the denoised image `[H, W, 3]`."""
        del key
        return jax.vmap(self._plane, -1, -1)(jnp.clip(image, 0, 1))

    def _plane(self, plane: Array) -> Array:
        def body(state):
            step, p, _, before, first, _ = state
            spread = _divergence(p)
            out = plane + spread
            slope = _gradient(out)
            norm = jnp.sqrt(jnp.sum(slope**2, axis=0))
            now = jnp.sum(spread**2) + self.weight * jnp.sum(norm)
            p = (p - slope / 4) / (1 + norm / (4 * self.weight))
            first = jnp.where(step == 0, now, first)
            settled = (step > 0) & (jnp.abs(before - now) < self.tolerance * first)
            return step + 1, p, out, now, first, settled

        def going(state):
            return (state[0] < self.steps) & ~state[-1]

        zero = jnp.zeros((), plane.dtype)
        dual = jnp.zeros((2, *plane.shape), plane.dtype)
        start = (0, dual, plane, zero, zero, jnp.array(False))
        return jax.lax.while_loop(going, body, start)[2]
