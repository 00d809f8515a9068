"""Statistics of a layer, and the objectives that match them.

A statistic keeps what is in a picture and forgets where it is: the Gram matrix keeps which
channels fire together, the energy how much each channel fires, the moments its mean and
spread. All are means over positions, so images of different sizes can be compared; a mask
gives the positions weights. `Code` matches a whole layer instead. Targets, weights and
masks are leaves of the objectives, so new ones never compile again.
"""

from collections.abc import Sequence
from dataclasses import field

import jax
import jax.numpy as jnp

from jaxvis.compiler import jit
from jaxvis.loss.algebra import Algebra, OneTap, Sum, register_objective
from jaxvis.network import Network
from jaxvis.types import Array, Image, Params, Taps

NORMS = ("positions", "size", "sum")
"""What a Gram matrix is divided by: M, N M, or nothing (N channels, M positions)."""


def flatten(values: Array) -> Array:
    """Returns a tap as the matrix F of positions and channels, `[M, N]`.

    Args:
      values: a tap `[h, w, c]`, which becomes `[h * w, c]`, or `[d]`, which becomes one
        position `[1, d]`.
    """
    return values.reshape(-1, values.shape[-1])


def _weigh_positions(values: Array, mask: Array | None) -> Array:
    """Gives the weights of the positions, `[M]`; they sum to 1."""
    count = flatten(values).shape[0]
    if mask is None:
        return jnp.full(count, 1.0 / count, values.dtype)
    weights = jnp.ravel(mask)
    return weights / jnp.maximum(jnp.sum(weights), jnp.finfo(values.dtype).tiny)


def gram(values: Array, *, mask: Array | None = None, norm: str = "positions") -> Array:
    """Computes the Gram matrix G_ij = sum_p F_pi F_pj / M, `[c, c]`.

    Args:
      values: a tap, `[h, w, c]` or `[d]`.
      mask: weights of the positions, `[h, w]`, for a weighted mean over them.
      norm: "positions" divides by M, as above; "size" divides by N M, as in fast neural
        style; "sum" does not divide, as in the papers' formula.

    Raises:
      ValueError: for an unknown norm.

    Source: Gatys, Ecker & Bethge (2015), Eq. 1; Lecture 21, 21.11.2; Gatys et al.
      (2017) for masks.
    """
    if norm not in NORMS:
        raise ValueError(f"norm is one of {', '.join(NORMS)}, not {norm!r}")
    found = flatten(values)
    root = jnp.sqrt(_weigh_positions(values, mask))[:, None] * found
    # Full precision costs little next to the convolutions; TF32 would show in G - G0.
    product = jnp.matmul(root.T, root, precision=jax.lax.Precision.HIGHEST)
    scale = {"positions": 1.0, "size": 1.0 / found.shape[1], "sum": found.shape[0]}
    return product * scale[norm]


def energy(values: Array, *, mask: Array | None = None) -> Array:
    """Computes the mean activation of every channel, `[c]`.

    Args:
      values: a tap, `[h, w, c]` or `[d]`.
      mask: weights of the positions, `[h, w]`.

    Source: Xia et al., 2.2, "sum of feature maps". Departures: the mean, not the sum.
    """
    return _weigh_positions(values, mask) @ flatten(values)


def moments(values: Array, *, mask: Array | None = None) -> tuple[Array, Array]:
    """Computes the mean and the standard deviation of every channel, `[c]` each.

    Args:
      values: a tap, `[h, w, c]` or `[d]`.
      mask: weights of the positions, `[h, w]`.
    """
    mean = energy(values, mask=mask)
    variance = _weigh_positions(values, mask) @ (flatten(values) - mean) ** 2
    # A channel that never fires has variance 0, where the root has no gradient.
    return mean, jnp.sqrt(jnp.maximum(variance, 1e-12))


def measure(
    net: Network,
    params: Params,
    image: Image,
    taps: Sequence[str],
    *,
    kind: str = "code",
) -> Taps:
    """Measures a statistic of an image at several taps.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1].
      taps: the names of the taps.
      kind: "code" for the taps themselves, "gram" or "energy".

    Returns:
      dict: tap -> the statistic, `[h, w, c]` or `[d]`, `[c, c]`, or `[c]`.

    Raises:
      ValueError: as `Network.apply`, and for an unknown kind.
    """
    if kind not in _KINDS:
        raise ValueError(f"kind is one of {', '.join(_KINDS)}, not {kind!r}")
    return _measure(net, net.check_taps(tuple(taps)), kind, params, image)


_KINDS = {"code": lambda values: values, "gram": gram, "energy": energy}


@jit(static_argnums=(0, 1, 2))
def _measure(net: Network, taps: tuple[str, ...], kind: str, params: Params, image: Image) -> Taps:
    values = net.apply(params, image, stop=taps)
    return {tap: _KINDS[kind](values[tap]) for tap in taps}


@register_objective(("target", "weight", "mask"), ("tap",))
class GramMatch(OneTap):
    """The texture loss of one layer: weight / (4 N^2) |G - G0|^2.

    With G = F^T F / M on both sides this is 1 / (4 N^2 M^2) |F^T F - F0^T F0|^2 where
    the two images have one size. A tap of rank 2 is taken to be G itself.

    Args:
      tap: the tap's name.
      target: G0 `[c, c]`, see `gram`.
      weight: of the layer, or of every entry `[c, c]`.
      mask: `[h, w]`, where the layer should have these statistics; None everywhere.

    Source: Gatys, Ecker & Bethge (2015), Eq. 2; He, Wang & Hopcroft, Eq. 6; Lecture 21,
      21.11.2.
    """

    tap: str
    target: Array
    weight: float | Array = field(default=1.0, kw_only=True)
    mask: Array | None = field(default=None, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        values = taps[self.tap]
        found = values if values.ndim == 2 else gram(values, mask=self.mask)
        return jnp.mean(self.weight * (found - self.target) ** 2) / 4


@register_objective(("target", "weight", "mask"), ("tap",))
class EnergyMatch(OneTap):
    """The squared distance of the channels' mean activations e: weight M / (2 N) |e - e0|^2.

    With s = M e, the sums over positions, this is |s - s0|^2 / (2 N M).

    Args:
      tap: the tap's name.
      target: e0 `[c]`, see `energy`.
      weight: of the layer.
      mask: weights of the positions, `[h, w]`.

    Source: Xia et al., Eq. 5. Departures: the factor 1 / (N M) of the authors' code.
    """

    tap: str
    target: Array
    weight: float | Array = field(default=1.0, kw_only=True)
    mask: Array | None = field(default=None, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        values = taps[self.tap]
        count, channels = flatten(values).shape
        apart = energy(values, mask=self.mask) - self.target
        return self.weight * count * jnp.sum(apart**2) / (2 * channels)


@register_objective(("mean", "spread", "weight", "mask"), ("tap",))
class MomentMatch(OneTap):
    """The squared distance of means and spreads: weight / N (|m - m0|^2 + |s - s0|^2).

    Args:
      tap: the tap's name.
      mean, spread: the targets m0 and s0, `[c]` each, see `moments`.
      weight: of the layer.
      mask: weights of the positions, `[h, w]`.

    Source: Huang & Belongie, AdaIN (2017), Eq. 13; Li et al., Demystifying neural style
      transfer (2017).
    """

    tap: str
    mean: Array
    spread: Array
    weight: float | Array = field(default=1.0, kw_only=True)
    mask: Array | None = field(default=None, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        mean, spread = moments(taps[self.tap], mask=self.mask)
        apart = (mean - self.mean) ** 2 + (spread - self.spread) ** 2
        return self.weight * jnp.mean(apart)


@register_objective(("target", "weight"), ("tap",))
class Code(OneTap):
    """The content loss of one layer: weight / (2 N M) |F - F0|^2.

    Args:
      tap: the tap's name.
      target: F0, of the tap's shape.
      weight: omega of Eq. 1; N M makes it Gatys' content loss, |F - F0|^2 / 2.

    Source: He, Wang & Hopcroft, Eq. 1; Gatys et al. (2016), Eq. 1.
    """

    tap: str
    target: Array
    weight: float | Array = field(default=1.0, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Computes the objective, a scalar `[]`."""
        return self.weight * jnp.mean((taps[self.tap] - self.target) ** 2) / 2


def add_weighted(parts: Sequence[Algebra], *, weights: Sequence[float] | None = None) -> Sum:
    """Adds objectives to one: sum_k weights[k] * parts[k].

    Args:
      parts: the objectives, at least one.
      weights: of each; None takes 1.

    Returns:
      Sum: an objective, a scalar `[]` of the taps.

    Raises:
      ValueError: if there is none.
    """
    if not parts:
        raise ValueError("an objective needs at least one tap: name one")
    return Sum(tuple(parts), tuple(weights or [1.0] * len(parts)))
