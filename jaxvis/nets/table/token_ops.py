"""The ops of vision transformers, which compute on a sequence of tokens `[tokens, c]`.

The class token comes first, and the patches of the image follow in reading order. A row
whose op makes such a sequence is no tap: two more rows show what is in it, `patches` as a
map `[h, w, c]` and `token` as the vector `[c]` of the class token.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxvis.nets.table.compute import Compute
from jaxvis.nets.table.layers import Layer
from jaxvis.types import Array

VIEWS = ("patches", "token")
"""Ops that show a part of a sequence."""
SHARPNESS = -0.75
"""The constant of the cubic kernel that positions are resized with: torch's."""


class Tokens(nnx.Module):
    """The sequence of tokens of a map: the class token, then its cells; positions are added.

    The positions are those of the map that the network was made for. For a map of another
    size they are resized, bicubically and without smoothing, as torch does.

    Source: Dosovitskiy et al., An image is worth 16x16 words, 2021, Eq. 1 and 3.2.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        height, width, channels = shape
        self.cls_token = nnx.Param(jnp.zeros(channels))
        self.pos_embed = nnx.Param(jnp.zeros((1 + height * width, channels)))
        self.grid = nnx.static((height, width))

    def __call__(self, x: Array) -> Array:
        """Returns the sequence `[1, 1 + h w, c]` of a map `[1, h, w, c]`."""
        batch, height, width, channels = x.shape
        positions = self.pos_embed[...].astype(jnp.float32)
        at = positions[1:].reshape(*self.grid, channels)
        at = resize_positions(at, (height, width)).reshape(-1, channels)
        first = self.cls_token[...].astype(jnp.float32) + positions[0]
        cells = x.reshape(batch, height * width, channels) + at.astype(x.dtype)
        first = jnp.broadcast_to(first.astype(x.dtype), (batch, 1, channels))
        return jnp.concatenate([first, cells], axis=1)


class Attention(nnx.Module):
    """Self-attention of several heads: softmax(q k^T / sqrt(d)) v for each.

    It has no parameters: the row before it computes queries, keys and values. The softmax
    is computed in float32.

    Source: Vaswani et al., Attention is all you need, 2017, Eq. 1.
    """

    def __init__(self, heads: int, compute: Compute) -> None:
        self.heads = heads
        self.compute = nnx.static(compute)

    def __call__(self, x: Array) -> Array:
        """Returns the heads side by side `[1, t, c]`.

        Args:
          x: queries, keys and values side by side `[1, t, 3 c]`, in each of them the heads.
        """
        precision = self.compute.options()["precision"]
        weights, value = attend(x, self.heads, precision)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value, precision=precision)
        return mixed.reshape(*x.shape[:2], x.shape[2] // 3)


def attend(x: Array, heads: int, precision: Any) -> tuple[Array, Array]:
    """Computes what an attention multiplies: its weights and the values.

    Args:
      x: queries, keys and values side by side `[n, t, 3 c]`, in each of them the heads.
      heads: how many there are.
      precision: of the products, as JAX takes it.

    Returns:
      (weights, values): `[n, heads, t, t]`, of which each row sums to 1, and
      `[n, t, heads, c / heads]`.
    """
    batch, count, width = x.shape
    parts = x.reshape(batch, count, 3, heads, width // 3 // heads)
    query, key, value = (parts[:, :, i] for i in range(3))
    scores = jnp.einsum(
        "bqhd,bkhd->bhqk",
        query,
        key,
        precision=precision,
        preferred_element_type=jnp.float32,
    )
    weights = jax.nn.softmax(scores * query.shape[-1] ** -0.5, axis=-1).astype(x.dtype)
    return weights, value


def resize_positions(positions: Array, size: tuple[int, int]) -> Array:
    """Returns position embeddings for a map of another size, resized bicubically.

    This is torch's `interpolate(mode="bicubic", align_corners=False)` without smoothing.

    Args:
      positions: `[h, w, c]`, those of the map that the network was made for.
      size: (h, w) of the map to come.
    """
    for axis in (0, 1):
        old, new = positions.shape[axis], size[axis]
        if old != new:
            weights = jnp.asarray(weigh_cubically(old, new), positions.dtype)
            moved = jnp.tensordot(
                weights, positions, axes=(1, axis), precision=jax.lax.Precision.HIGHEST
            )
            positions = jnp.moveaxis(moved, 0, axis)
    return positions


def weigh_cubically(old: int, new: int) -> np.ndarray:
    """Returns the matrix `[new, old]` that resizes one side by cubic convolution.

    A new cell reads the four old ones around its centre; beyond the ends the last is repeated.

    Args:
      old, new: cells along the side before and after.

    Source: Keys, Cubic convolution interpolation for digital image processing, 1981, Eq. 4,
      with -0.75 in place of -0.5, as torch has it.
    """
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    first = np.floor(centres).astype(int)
    weights = np.zeros((new, old))
    for step in (-1, 0, 1, 2):
        at = np.clip(first + step, 0, old - 1)
        np.add.at(weights, (np.arange(new), at), _cubic(np.abs(centres - first - step)))
    return weights


def _cubic(x: np.ndarray) -> np.ndarray:
    """Returns the cubic kernel at distances x in [0, 2]."""
    a = SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, far)


def find_views(rows: tuple[Layer, ...], known: frozenset[str]) -> frozenset[str]:
    """Returns the names of the rows that show a part of a sequence that is known.

    Args:
      rows: the table.
      known: names of the rows that are computed or given.
    """
    found: set[str] = set()
    for row in rows:
        if row.op in ("outline", *VIEWS) and (known | found).issuperset(row.inputs):
            found.add(row.name)
    return frozenset(found)


def join_views(rows: tuple[Layer, ...], values: Mapping[str, Array]) -> dict[str, Array]:
    """Returns activations from which a network of tokens can go on.

    The views of a sequence are not read by any row. Where both of them are given, the
    sequence takes their place; other activations stay as they are.

    Args:
      rows: the table.
      values: the activations that are given, `[h, w, c]` or `[d]` each.

    Raises:
      ValueError: if only one view of a sequence is given; names the other.
    """
    views: dict[str, dict[str, str]] = {}
    for row in rows:
        if row.op in VIEWS:
            views.setdefault(row.inputs[0], {})[row.op] = row.name
    outlines = {row.inputs[1] for row in rows if row.op == "patches"}
    found = dict(values)
    for sequence, pair in views.items():
        given = [name for name in pair.values() if name in values]
        if len(given) == 1:
            raise ValueError(
                f"{given[0]!r} is only a part of the tokens: give the patches and the class "
                f"token, start={(pair['patches'], pair['token'])}"
            )
        if given:
            patches, token = values[pair["patches"]], values[pair["token"]]
            cells = patches.reshape(-1, patches.shape[-1])
            found[sequence] = jnp.concatenate([token[None], cells])
            found |= {name: patches[..., 0] for name in outlines}
    return found


def _show_patches(x: Array, outline: Array, row: Layer) -> Array:
    return x[:, 1:].reshape(*outline.shape, x.shape[-1])


MODULES: dict[str, Callable[[Layer, tuple[int, ...], Compute], nnx.Module]] = {
    "tokens": lambda row, shape, compute: Tokens(shape),
    "dense": lambda row, shape, compute: nnx.Linear(
        shape[-1], row.width, use_bias=row.bias, **compute.layer_options()
    ),
    "attention": lambda row, shape, compute: Attention(row.groups, compute),
}
"""Op -> its Flax module, for ops that have parameters or products."""

OPS: dict[str, Callable[..., Any]] = {
    "outline": lambda x, row: x[..., 0],
    "patches": _show_patches,
    "token": lambda x, row: x[:, 0],
    "quick_gelu": lambda x, row: x * jax.nn.sigmoid(1.702 * x),
}
"""Op -> its function of `[1, t, c]`, for ops without parameters. An outline `[1, h, w]` only
carries the size of the map of patches."""
