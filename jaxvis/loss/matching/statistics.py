"""Statistics of a layer, and the objectives that match them.

A statistic forgets where things are: the Gram matrix keeps which channels fire
together, the energy how much each fires, the moments its mean and spread. All are means
over positions, so images of different sizes compare; a mask gives positions weights.
`Code` keeps everything, `SingleMap` one channel. Targets, weights and masks are leaves
of the objectives, so new ones never compile again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp

from jaxvis.loss.objectives import Algebra, Sum
from jaxvis.network import Network
from jaxvis.types import Array, Image, Params, Taps

NORMS = ("positions", "size", "sum")
"""What a Gram matrix is divided by: M, N M, or nothing (N channels, M positions)."""


def _pytree(data: tuple[str, ...], static: tuple[str, ...]) -> Callable[[type], type]:
    def register(cls: type) -> type:
        cls = dataclass(frozen=True, eq=False)(cls)
        return jax.tree_util.register_dataclass(cls, data, static)

    return register


def flat(values: Array) -> Array:
    """Returns a tap as F: `[h, w, c]` as `[h * w, c]`, `[d]` as one position `[1, d]`.

    Args:
      values: the tap.
    """
    return values.reshape(-1, values.shape[-1])


def _shares(values: Array, mask: Array | None) -> Array:
    """Returns the weights of the positions `[M]`, which sum to 1."""
    count = flat(values).shape[0]
    if mask is None:
        return jnp.full(count, 1.0 / count, values.dtype)
    weights = jnp.ravel(mask)
    return weights / jnp.maximum(jnp.sum(weights), jnp.finfo(values.dtype).tiny)


def gram(values: Array, *, mask: Array | None = None, norm: str = "positions") -> Array:
    """Returns the Gram matrix G_ij = sum_p F_pi F_pj / M, `[c, c]`.

    Args:
      values: a tap, `[h, w, c]` or `[d]`.
      mask: `[h, w]`, weights of the positions; their mean is then a weighted one.
      norm: "positions" divides by M, as above; "size" by N M as in fast neural style;
        "sum" by nothing, as the formula of the papers.

    Raises:
      ValueError: for an unknown norm.

    Source: Gatys, Ecker & Bethge (2015), Eq. 1; Lecture 21, 21.11.2; Gatys et al.
      (2017) for masks.
    """
    if norm not in NORMS:
        raise ValueError(f"norm is one of {', '.join(NORMS)}, not {norm!r}")
    found = flat(values)
    root = jnp.sqrt(_shares(values, mask))[:, None] * found
    # Full precision costs little next to the convolutions; TF32 would show in G - G0.
    product = jnp.matmul(root.T, root, precision=jax.lax.Precision.HIGHEST)
    scale = {"positions": 1.0, "size": 1.0 / found.shape[1], "sum": found.shape[0]}
    return product * scale[norm]


def energy(values: Array, *, mask: Array | None = None) -> Array:
    """Returns the mean activation of every channel, `[c]`.

    Args:
      values: a tap, `[h, w, c]` or `[d]`.
      mask: `[h, w]`, weights of the positions.

    Source: Xia et al., 2.2, "sum of feature maps": here the mean.
    """
    return _shares(values, mask) @ flat(values)


def moments(values: Array, *, mask: Array | None = None) -> tuple[Array, Array]:
    """Returns mean and standard deviation of every channel, `[c]` each.

    Args:
      values: a tap, `[h, w, c]` or `[d]`.
      mask: `[h, w]`, weights of the positions.
    """
    mean = energy(values, mask=mask)
    variance = _shares(values, mask) @ (flat(values) - mean) ** 2
    # The root of an exact zero, a channel that never fires, has no gradient.
    return mean, jnp.sqrt(jnp.maximum(variance, 1e-12))


def measured(
    net: Network,
    params: Params,
    image: Image,
    taps: Sequence[str],
    *,
    kind: str = "code",
) -> Taps:
    """Returns a statistic of an image at several taps, compiled once for its size.

    Args:
      net, params: the network.
      image: `[H, W, 3]` in [0, 1].
      taps: the layers.
      kind: "code", the taps themselves, "gram" or "energy".

    Raises:
      ValueError: as `Network.apply`, and for an unknown kind.
    """
    if kind not in _KINDS:
        raise ValueError(f"kind is one of {', '.join(_KINDS)}, not {kind!r}")
    return _measured(net, net.named(tuple(taps)), kind, params, image)


_KINDS = {"code": lambda values: values, "gram": gram, "energy": energy}


@partial(jax.jit, static_argnums=(0, 1, 2))
def _measured(net: Network, taps: tuple[str, ...], kind: str, params: Params, image: Image) -> Taps:
    values = net.apply(params, image, stop=taps)
    return {tap: _KINDS[kind](values[tap]) for tap in taps}


class _OneTap(Algebra):
    tap: str

    @property
    def taps(self) -> tuple[str, ...]:
        """The tap names read."""
        return (self.tap,)


@_pytree(("target", "weight", "mask"), ("tap",))
class GramMatch(_OneTap):
    """Returns weight / (4 N^2) |G - G0|^2, the texture loss of one layer.

    With G = F^T F / M on both sides this is 1 / (4 N^2 M^2) |F^T F - F0^T F0|^2 where
    the two images have one size. A tap of rank 2 is taken as G itself.

    Args:
      tap: the layer.
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
        """Returns the objective, `[]`."""
        values = taps[self.tap]
        found = values if values.ndim == 2 else gram(values, mask=self.mask)
        return jnp.mean(self.weight * (found - self.target) ** 2) / 4


@_pytree(("target", "weight", "mask"), ("tap",))
class EnergyMatch(_OneTap):
    """Returns weight M / (2 N) |e - e0|^2 of the channels' mean activations e.

    With s = M e, the sums over positions, this is |s - s0|^2 / (2 N M).

    Args:
      tap: the layer.
      target: e0 `[c]`, see `energy`.
      weight: of the layer.
      mask: `[h, w]`, weights of the positions.

    Source: Xia et al., Eq. 5. Departures: the factor 1 / (N M) of the authors' code.
    """

    tap: str
    target: Array
    weight: float | Array = field(default=1.0, kw_only=True)
    mask: Array | None = field(default=None, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        values = taps[self.tap]
        count, channels = flat(values).shape
        apart = energy(values, mask=self.mask) - self.target
        return self.weight * count * jnp.sum(apart**2) / (2 * channels)


@_pytree(("mean", "spread", "weight", "mask"), ("tap",))
class MomentMatch(_OneTap):
    """Returns weight / N (|mean - mean0|^2 + |std - std0|^2) over the channels.

    Args:
      tap: the layer.
      mean, spread: the targets `[c]`, see `moments`.
      weight: of the layer.
      mask: `[h, w]`, weights of the positions.

    Source: Huang & Belongie, AdaIN (2017), Eq. 13; Li et al., Demystifying neural style
      transfer (2017).
    """

    tap: str
    mean: Array
    spread: Array
    weight: float | Array = field(default=1.0, kw_only=True)
    mask: Array | None = field(default=None, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        mean, spread = moments(taps[self.tap], mask=self.mask)
        apart = (mean - self.mean) ** 2 + (spread - self.spread) ** 2
        return self.weight * jnp.mean(apart)


@_pytree(("target", "weight"), ("tap",))
class Code(_OneTap):
    """Returns weight / (2 N M) |F - F0|^2: the content of one layer.

    Args:
      tap: the layer.
      target: F0, of the tap's shape.
      weight: omega of Eq. 1; N M makes it Gatys' content loss, |F - F0|^2 / 2.

    Source: He, Wang & Hopcroft, Eq. 1; Gatys et al. (2016), Eq. 1.
    """

    tap: str
    target: Array
    weight: float | Array = field(default=1.0, kw_only=True)

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        return self.weight * jnp.mean((taps[self.tap] - self.target) ** 2) / 2


@_pytree(("index", "total"), ("tap",))
class SingleMap(_OneTap):
    """Returns |F - T|^2 / 2, T zero but for channel `index`, which is `total`.

    Args:
      tap: the layer, `[h, w, c]`.
      index: the channel l, an integer (traced, may carry the sweep).
      total: `[h, w]`, the sum over the image's channels at every position.

    Source: Xia et al., Eq. 1-2. Departures: the factor 1/2 of the authors' code.
    """

    tap: str
    index: int | Array
    total: Array

    def __call__(self, taps: Taps) -> Array:
        """Returns the objective, `[]`."""
        values = taps[self.tap]
        own = jax.nn.one_hot(self.index, values.shape[-1], dtype=values.dtype)
        return jnp.sum((values - self.total[..., None] * own) ** 2) / 2


def weighted_sum(parts: Sequence[Algebra], *, weights: Sequence[float] | None = None) -> Sum:
    """Returns sum_k weights[k] * parts[k], one objective of many.

    Args:
      parts: the objectives, at least one.
      weights: of each; None takes 1.

    Raises:
      ValueError: if there is none.
    """
    if not parts:
        raise ValueError("an objective needs at least one tap: name one")
    return Sum(tuple(parts), tuple(weights or [1.0] * len(parts)))
