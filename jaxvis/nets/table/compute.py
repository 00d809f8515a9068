"""How a network computes: the precision of its products and the form of its convolution."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxvis.convolution import conv
from jaxvis.network import Forward, LayerDescription
from jaxvis.types import Array, Params, Taps

PRECISIONS = {
    "float32": lax.Precision.HIGHEST,
    "tf32": lax.Precision.HIGH,
    "bfloat16": lax.Precision.DEFAULT,
}
"""Name -> what the matrix units of a GPU or TPU are asked for. A CPU multiplies in float32
whatever it is asked for."""

CONVOLUTIONS: dict[str, Callable[..., Array]] = {
    "fast": conv.conv_general_dilated,
    "direct": lax.conv_general_dilated,
}
"""Name -> the convolution. "direct" is XLA's own, which forward-mode differentiation needs."""


class Undrawn:
    """What Flax's layers take for random numbers: a table's parameters come from outside.

    Flax's own generators make the construction of a deep network take ten times as long.
    """

    def params(self) -> None:
        """Returns no key: the layers begin with constants."""


@dataclass(frozen=True)
class Compute:
    """The choices of how a network computes.

    Args:
      precision: "float32"; "tf32", which is float32 with products of 10 bits of mantissa
        (three bfloat16 passes on a TPU); or "bfloat16", where the activations are
        bfloat16 too. The image, the taps, the loss and the optimizer's state are always
        float32.
      convolution: "fast" or "direct".

    Raises:
      ValueError: for another name of either.
    """

    precision: str = "float32"
    convolution: str = "fast"

    def __post_init__(self) -> None:
        """Checks both names, and raises ValueError for an unknown one."""
        _check_name("precision", self.precision, PRECISIONS)
        _check_name("convolution", self.convolution, CONVOLUTIONS)

    def options(self) -> dict[str, Any]:
        """Returns the keywords that Flax's layers take: dtype and precision."""
        return {
            "dtype": jnp.bfloat16 if self.precision == "bfloat16" else None,
            "precision": PRECISIONS[self.precision],
        }

    def layer_options(self) -> dict[str, Any]:
        """Returns the keywords of Flax's layers with a kernel, which begins with zeros."""
        zeros = nnx.initializers.zeros_init()
        return {"rngs": Undrawn(), "kernel_init": zeros, **self.options()}

    def norm_options(self) -> dict[str, Any]:
        """Returns the keywords of Flax's norms."""
        return {"rngs": Undrawn(), "dtype": self.options()["dtype"]}


def _check_name(option: str, name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        raise ValueError(f"{option} is one of {', '.join(known)}, not {name!r}")


@dataclass(frozen=True)
class CastForward(Forward):
    """A user's own forward pass, computed in bfloat16 or TF32.

    Args:
      forward: the forward pass.
      precision: a name of `PRECISIONS`.
    """

    forward: Forward
    precision: str

    def __call__(
        self, params: Params, values: Mapping[str, Array], wanted: tuple[str, ...]
    ) -> Taps:
        """Returns the taps as float32 arrays of the forward pass's shapes."""
        if self.precision == "bfloat16":
            params, values = to_bfloat16((params, dict(values)))
        with jax.default_matmul_precision(PRECISIONS[self.precision].name.lower()):
            return to_float32(self.forward(params, values, wanted))

    def prepare(self, params: Params, size: tuple[int, int]) -> Params:
        """Returns the parameters as the forward pass prepares them, in its precision.

        Args:
          params: the network's parameters.
          size: (H, W) of the images to come.
        """
        own = self.forward.prepare(params, size)
        return to_bfloat16(own) if self.precision == "bfloat16" else own

    def rematerialise(self) -> "CastForward":
        """Returns this forward pass around one whose gradient takes less memory.

        Raises:
          ValueError: where the user's own forward pass cannot be cut.
        """
        return replace(self, forward=self.forward.rematerialise())

    def describe_layers(self) -> tuple[LayerDescription, ...]:
        """Describes the layers as the network's own forward pass does."""
        return self.forward.describe_layers()


def to_bfloat16(tree: Any) -> Any:
    """Returns a pytree whose float32 arrays, of any shapes, are converted to bfloat16.

    Args:
      tree: any pytree.
    """
    return _cast(tree, jnp.float32, jnp.bfloat16)


def to_float32(tree: Any) -> Any:
    """Returns a pytree whose bfloat16 arrays, of any shapes, are converted to float32.

    Args:
      tree: any pytree.
    """
    return _cast(tree, jnp.bfloat16, jnp.float32)


def _cast(tree: Any, old: Any, new: Any) -> Any:
    return jax.tree.map(
        lambda leaf: leaf.astype(new) if jnp.result_type(leaf) == old else leaf, tree
    )
