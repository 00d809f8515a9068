"""Total variation denoising, a filter for the last image of an optimisation."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxvis.pytrees import register_parts
from jaxvis.types import Array, Image, Key


def _divergence(p: Array) -> Array:
    """Computes -div p of the dual field `[2, H, W]`."""
    down = jnp.pad(p[0, :-1], ((1, 0), (0, 0)))
    across = jnp.pad(p[1, :, :-1], ((0, 0), (1, 0)))
    return down + across - p[0] - p[1]


def _gradient(image: Array) -> Array:
    """Computes forward differences `[2, H, W]`, 0 in the last row and column."""
    dy = jnp.pad(jnp.diff(image, axis=0), ((0, 1), (0, 0)))
    dx = jnp.pad(jnp.diff(image, axis=1), ((0, 0), (0, 1)))
    return jnp.stack([dy, dx])


WHOLE_SIDE = 1024
"""Longer side in pixels of the pictures that are filtered with a published weight as it is.
Those of Xia et al. have 512. Older versions of scikit-image, one of which they may have had,
smoothed half as much at the same weight: their filter for planes divided by 0.5 / weight, with
the same step, where it now divides by 0.25 / weight. Their published pictures look like the
half."""


def build_filter(weight: float, size: tuple[int, int]) -> "Chambolle | None":
    """Builds the filter that smooths a picture of any size by the same part of its side.

    What the filter blurs is a number of pixels that grows with its weight: one weight would
    blur a picture of a fourth of the side four times as much, seen side by side. The filter
    therefore has weight max(H, W) / WHOLE_SIDE.

    Args:
      weight: as published, such as 0.2; 0 has no filter.
      size: (H, W) of the picture in pixels.
    """
    return Chambolle(weight * max(size) / WHOLE_SIDE) if weight else None


@register_parts("weight", "tolerance")
@dataclass(frozen=True)
class Chambolle:
    """A filter that smooths and keeps edges: argmin_u |u - x|^2 / 2 + weight |grad u|.

    It serves as the `finish` of a problem. The image is clipped to [0, 1] first, and its
    channels are filtered one by one.

    Args:
      weight: the strength; 0.2 blurs, as in the published feature map inversions.
      steps: the largest number of iterations.
      tolerance: the iteration stops when the energy changes by less than this part of
        its first value.

    Source: Chambolle (2004); Xia et al., the authors' code (`denoise_tv_chambolle` of
      scikit-image, weight 0.2; not in the paper).
    """

    weight: float = 0.2
    steps: int = 200
    tolerance: float = 2e-4

    def __post_init__(self) -> None:
        """Raises ValueError if `weight` is not above 0."""
        if not self.weight > 0:
            raise ValueError(
                f"weight must be above 0, got {self.weight}: leave the filter out instead"
            )

    def __call__(self, key: Key, image: Image) -> Image:
        """Denoises the image, `[H, W, C]`."""
        del key
        return jax.vmap(self._denoise_plane, -1, -1)(jnp.clip(image, 0, 1))

    def _denoise_plane(self, plane: Array) -> Array:
        """Denoises one channel, `[H, W]`."""

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

        def is_unfinished(state):
            return (state[0] < self.steps) & ~state[-1]

        zero = jnp.zeros((), plane.dtype)
        dual = jnp.zeros((2, *plane.shape), plane.dtype)
        start = (0, dual, plane, zero, zero, jnp.array(False))
        return jax.lax.while_loop(is_unfinished, body, start)[2]
