"""How a network computes: the precision of its products, its convolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxvis.convolution import conv
from jaxvis.network import Forward
from jaxvis.types import Array, Params, Taps

PRECISIONS = {
    "float32": lax.Precision.HIGHEST,
    "tf32": lax.Precision.HIGH,
    "bfloat16": lax.Precision.DEFAULT,
}
"""Name -> what it means to a GPU's or TPU's matrix units; a CPU's tf32 is float32."""

CONVOLUTIONS = {
    "fast": conv.conv_general_dilated,
    "direct": lax.conv_general_dilated,
}
"""Name -> the convolution; "direct" is XLA's own, for forward-mode differentiation."""


@dataclass(frozen=True)
class Compute:
    """Returns how a network computes.

    Args:
      precision: "float32"; "tf32", float32 with products of 10 bits of mantissa (three
        bfloat16 passes on a TPU); or "bfloat16", activations too. The image, the taps,
        the loss and the optimizer's state are float32 always.
      convolution: "fast" or "direct".

    Raises:
      ValueError: for another name of either.
    """

    precision: str = "float32"
    convolution: str = "fast"

    def __post_init__(self) -> None:
        """Raises ValueError for unknown names."""
        for option, names in (("precision", PRECISIONS), ("convolution", CONVOLUTIONS)):
            if getattr(self, option) not in names:
                raise ValueError(
                    f"{option} is one of {', '.join(names)}, not {getattr(self, option)!r}"
                )

    def options(self) -> dict[str, Any]:
        """Returns the keywords that Flax's layers take: dtype and precision."""
        # Products on a CPU are float32 anyway, and fuse less when asked to be.
        plain = jax.default_backend() == "cpu"
        return {
            "dtype": jnp.bfloat16 if self.precision == "bfloat16" else None,
            "precision": None if plain else PRECISIONS[self.precision],
        }


@dataclass(frozen=True)
class Cast(Forward):
    """Returns the taps of a user's own forward pass, run in bfloat16 or TF32.

    Args:
      forward: the forward pass.
      precision: a name of `PRECISIONS`.
    """

    forward: Forward
    precision: str

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps, float32."""
        if self.precision == "bfloat16":
            params, values = low((params, dict(values)))
        with jax.default_matmul_precision(str(PRECISIONS[self.precision])):
            return high(self.forward(params, values, wanted))


def low(tree: Any) -> Any:
    """Returns the float32 arrays of a pytree as bfloat16.

    Args:
      tree: any pytree.
    """
    return _cast(tree, jnp.float32, jnp.bfloat16)


def high(tree: Any) -> Any:
    """Returns the bfloat16 arrays of a pytree as float32.

    Args:
      tree: any pytree.
    """
    return _cast(tree, jnp.bfloat16, jnp.float32)


def _cast(tree: Any, old: Any, new: Any) -> Any:
    return jax.tree.map(
        lambda leaf: leaf.astype(new) if jnp.result_type(leaf) == old else leaf, tree
    )
