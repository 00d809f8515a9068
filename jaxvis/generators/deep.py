"""The deep generator of Despraz et al.: a table of rows, both variants.

A fixed vector of ones goes through one scale alpha an entry, then through convolutions
and nearest-neighbour upsampling to an image. What is learned is the network itself, or,
where a decoder was trained before, alpha alone.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.generators.layers import convolved, glorot, normed
from jaxvis.types import Array, Key

STAGES = ((512, 2), (256, 3), (256, 3), (128, 3), (128, 4))
"""(channels, kernel side) of the paper's stages 3 to 7. The paper prints 3 for the last
one, with which neither the output size nor the number of parameters would be right."""


@dataclass(frozen=True)
class Row:
    """Returns one row of a generator's table.

    Args:
      name: of its parameters and statistics.
      op: "scale", "reshape", "up", "conv", "relu" or "bn".
      width: channels of a convolution.
      size: kernel side.
      same: whether a convolution keeps the size; with an even kernel the row and column
        more are added below and on the right.
    """

    name: str
    op: str
    width: int = 0
    size: int = 0
    same: bool = False


@dataclass(frozen=True)
class DeepGenerator:
    """Returns the generator's table, static and hashable.

    Args:
      wide: whether two 64-channel convolutions come before the image, as in the
        pretrained variant (and in the paper's table 2).
      rectified_code: whether alpha's product is rectified: in the pretrained variant.
      rectified: whether the last convolution is.
      start: (h, w, c) that the code is shaped to.
      stages: (channels, kernel side) of the stages between.
      epsilon: of batch norm: Keras 1.1's.
    """

    wide: bool = False
    rectified_code: bool = False
    rectified: bool = True
    start: tuple[int, int, int] = (5, 5, 128)
    stages: tuple[tuple[int, int], ...] = STAGES
    epsilon: float = 1e-5

    @property
    def code(self) -> int:
        """The number of entries of the code."""
        return prod(self.start)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The table."""
        return _rows(self)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Row -> shape of its output, `(h, w, c)` or `(d,)`."""
        return dict(_shapes(self))

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the image in pixels."""
        return self.shapes["image"][:2]

    def parameter_shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Returns the shape of every trained parameter, by row and name."""
        shapes, width, found = self.shapes, self.start[-1], {}
        for row in self.rows:
            if row.op == "scale":
                found[row.name] = {"alpha": (self.code,)}
            elif row.op == "conv":
                kernel = (row.size, row.size, width, row.width)
                found[row.name] = {"kernel": kernel, "bias": (row.width,)}
            elif row.op == "bn":
                found[row.name] = {"scale": (width,), "bias": (width,)}
            if row.op != "scale":
                width = shapes[row.name][-1]
        return found

    def init(self, key: Key, *, alpha: float | None = None) -> dict[str, Any]:
        """Returns {"params": ..., "statistics": ...}: Keras' Glorot uniform, untrained.

        Args:
          key: a typed random key.
          alpha: what alpha starts at; None draws it as Keras does, in +-0.23 for the
            3200 of the paper.
        """
        params: dict[str, dict[str, Array]] = {}
        spec = self.parameter_shapes()
        for number, (name, leaves) in enumerate(spec.items()):
            own, params[name] = jax.random.fold_in(key, number), {}
            for leaf, shape in leaves.items():
                if leaf == "kernel":
                    field = shape[0] * shape[1]
                    fans = field * shape[2], field * shape[3]
                    value = glorot(own, shape, fan_in=fans[0], fan_out=fans[1])
                elif leaf == "alpha" and alpha is None:
                    # Keras 1 takes (n, 1, 1) for fans of sqrt(n) each.
                    root = shape[0] ** 0.5
                    value = glorot(own, shape, fan_in=root, fan_out=root)
                else:
                    ones = {"alpha": alpha, "scale": 1.0, "bias": 0.0}
                    value = jnp.full(shape, ones[leaf], jnp.float32)
                params[name][leaf] = value
        statistics = {
            name: {"mean": jnp.zeros(leaves["scale"]), "var": jnp.ones(leaves["scale"])}
            for name, leaves in spec.items()
            if "scale" in leaves
        }
        return {"params": params, "statistics": statistics}

    def apply(
        self, params: Any, statistics: Any, z: Array, *, train: bool = False
    ) -> tuple[Array, Any]:
        """Returns (output `[H, W, 3]`, the statistics of this very output).

        Args:
          params, statistics: as `init` returns them.
          z: `[d]`, the input of the scale: ones, with noise where there is some.
          train: whether batch norm takes the output's own mean and variance over
            positions, as in the original (a batch of one); else `statistics`.
        """
        return self.decode(params, statistics, self.scaled(params, z), train=train)

    def scaled(self, params: Any, z: Array) -> Array:
        """Returns the code alpha * z, `[d]`, rectified where the variant says so.

        Args:
          params: as `init` returns them.
          z: `[d]`.
        """
        code = params["alpha"]["alpha"] * z
        return jax.nn.relu(code) if self.rectified_code else code

    def decode(
        self, params: Any, statistics: Any, code: Array, *, train: bool = False
    ) -> tuple[Array, Any]:
        """Returns what `apply` does, from the scaled code, or from a batch of codes.

        Args:
          params, statistics: as `init` returns them; alpha is not read.
          code: `[d]`, or `[B, d]`, whose images `[B, H, W, 3]` share one mean and
            variance in training.
          train: as for `apply`.
        """
        x, found, repeated = code.reshape(-1, self.code), {}, False
        for row in self.rows:
            if row.op == "reshape":
                x = x.reshape(-1, *self.start)
            elif row.op == "up":
                repeated = True  # by the convolution, which always follows
            elif row.op == "conv":
                x = convolved(
                    x,
                    params[row.name],
                    repeated=repeated,
                    padding="SAME" if row.same else "VALID",
                )
                repeated = False
            elif row.op == "relu":
                x = jax.nn.relu(x)
            elif row.op == "bn":
                x, found[row.name] = normed(
                    x,
                    params[row.name],
                    statistics[row.name],
                    train=train,
                    epsilon=self.epsilon,
                )
        return (x if code.ndim == 2 else x[0]), found


def untrained() -> DeepGenerator:
    """Returns the generator that is learned from nothing: 5,240,841 parameters."""
    return DeepGenerator()


def pretrained(*, rectified: bool = False) -> DeepGenerator:
    """Returns the decoder that alpha drives: 5,350,089 parameters.

    Args:
      rectified: whether the last convolution is, as while the autoencoder is trained.
    """
    return DeepGenerator(wide=True, rectified_code=True, rectified=rectified)


GENERATORS = {"despraz": untrained, "despraz_decoder": pretrained}
"""Name -> the function that returns the table."""


def generator_table(generator: DeepGenerator) -> str:
    """Returns the generator as a text table, one line a row, the total at the end.

    Args:
      generator: the table.
    """
    shapes, spec = generator.shapes, generator.parameter_shapes()
    counts = {n: sum(map(prod, leaves.values())) for n, leaves in spec.items()}
    lines = [("name", "op", "shape", "parameters")]
    lines += [
        (
            row.name,
            row.op,
            "x".join(map(str, shapes[row.name])),
            f"{counts[row.name]:,}" if row.name in counts else "",
        )
        for row in generator.rows
    ]
    lines.append(("total", "", "", f"{sum(counts.values()):,}"))
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join(
            [*(c.ljust(w) for c, w in zip(line, widths[:3])), line[3].rjust(widths[3])]
        ).rstrip()
        for line in lines
    )


@lru_cache(maxsize=64)
def _rows(generator: DeepGenerator) -> tuple[Row, ...]:
    rows = [Row("alpha", "scale")]
    if generator.rectified_code:
        rows.append(Row("relu_code", "relu"))
    rows.append(Row("map", "reshape"))
    for number, (width, size) in enumerate(generator.stages, 3):
        rows.append(Row(f"up{number}", "up"))
        rows += _conv(f"{number}_1", width, size, same=False)
        rows += _conv(f"{number}_2", width, size, same=True)
    last = len(generator.stages) + 3
    rows.append(Row(f"up{last}", "up"))
    if generator.wide:
        rows += _conv(f"{last}_1", 64, 3, same=False)
        rows += _conv(f"{last}_2", 64, 3, same=True)
    rows.append(Row("rgb", "conv", 3, 3, generator.wide))
    rows += [Row("relu_rgb", "relu")] * generator.rectified
    return (*rows, Row("image", "bn"))


def _conv(name: str, width: int, size: int, *, same: bool) -> list[Row]:
    return [
        Row(f"conv{name}", "conv", width, size, same),
        Row(f"relu{name}", "relu"),
        Row(f"bn{name}", "bn"),
    ]


@lru_cache(maxsize=64)
def _shapes(generator: DeepGenerator) -> tuple[tuple[str, tuple[int, ...]], ...]:
    shape, found = (generator.code,), []
    for row in generator.rows:
        if row.op == "reshape":
            shape = generator.start
        elif row.op == "up":
            shape = (2 * shape[0], 2 * shape[1], shape[2])
        elif row.op == "conv":
            cut = 0 if row.same else row.size - 1
            shape = (shape[0] - cut, shape[1] - cut, row.width)
        found.append((row.name, shape))
    return tuple(found)
