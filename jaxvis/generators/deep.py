"""The deep generator of Despraz et al. in both variants, as a table of rows.

A vector of ones is multiplied by a scale alpha for each entry. Convolutions and
upsampling then make an image of it. Either the whole network is learned,
or, where its decoder was trained before, alpha alone.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from jaxvis.generators.layers import convolve, double_smoothly, draw_glorot, normalise
from jaxvis.types import Array, Key

STAGES = ((512, 2), (256, 3), (256, 3), (128, 3), (128, 4))
"""(channels, kernel side) of the paper's stages 3 to 7. The paper prints a side of 3 for the
last one, but then neither the output size nor the number of parameters would be right."""


UPSAMPLINGS = ("nearest", "bilinear")
"""How a map is doubled: every pixel becomes four, or those between are interpolated."""


@dataclass(frozen=True)
class Row:
    """One row of a generator's table.

    Args:
      name: the name of its parameters and statistics.
      op: "scale", "reshape", "up", "conv", "relu" or "bn".
      width: channels of a convolution.
      size: kernel side of a convolution.
      same: whether a convolution keeps the size of the map. With an even kernel, the
        additional row and column of padding are below and on the right.
    """

    name: str
    op: str
    width: int = 0
    size: int = 0
    same: bool = False


@dataclass(frozen=True)
class DeepGenerator:
    """A deep generator, static and hashable.

    Args:
      wide: whether two convolutions of 64 channels come before the image, as in the
        pretrained variant (and in the paper's table 2).
      rectified_code: whether the product with alpha is rectified, as in the pretrained
        variant.
      rectified: whether the last convolution is rectified.
      start: (h, w, c) of the first map, to which the code is reshaped.
      stages: (channels, kernel side) of the stages between.
      epsilon: what batch norm adds to the variance; the default is that of Keras 1.1.
      channels: of the image.
      upsampling: one of `UPSAMPLINGS`: "nearest" as in the paper; "bilinear" draws less of
        a grid.

    Raises:
      ValueError: for an unknown upsampling.
    """

    wide: bool = False
    rectified_code: bool = False
    rectified: bool = True
    start: tuple[int, int, int] = (5, 5, 128)
    stages: tuple[tuple[int, int], ...] = STAGES
    epsilon: float = 1e-5
    channels: int = 3
    upsampling: str = "nearest"

    def __post_init__(self) -> None:
        """Checks the upsampling."""
        if self.upsampling not in UPSAMPLINGS:
            raise ValueError(f"upsampling is {' or '.join(UPSAMPLINGS)}, not {self.upsampling!r}")

    @property
    def code(self) -> int:
        """How many entries the code has."""
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
        height, width, _ = self.shapes["image"]
        return height, width

    def parameter_shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Returns the shape of every trained parameter, by row and name."""
        shapes, width = self.shapes, self.start[-1]
        found: dict[str, dict[str, tuple[int, ...]]] = {}
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
        """Returns {"params": ..., "statistics": ...} before training.

        The kernels are Keras' Glorot uniform.

        Args:
          key: a typed random key.
          alpha: the initial value of alpha. None draws it as Keras does, which is within
            +-0.23 for the paper's 3200 entries.
        """
        params: dict[str, dict[str, Array]] = {}
        spec = self.parameter_shapes()
        constants = {"scale": 1.0, "bias": 0.0}
        if alpha is not None:
            constants["alpha"] = alpha
        for number, (name, leaves) in enumerate(spec.items()):
            own, params[name] = jax.random.fold_in(key, number), {}
            for leaf, shape in leaves.items():
                if leaf == "kernel":
                    field = shape[0] * shape[1]
                    fans = field * shape[2], field * shape[3]
                    value = draw_glorot(own, shape, fan_in=fans[0], fan_out=fans[1])
                elif leaf in constants:
                    value = jnp.full(shape, constants[leaf], jnp.float32)
                else:
                    # Keras 1 takes alpha's shape of (n, 1, 1) to have fans of sqrt(n).
                    root = shape[0] ** 0.5
                    value = draw_glorot(own, shape, fan_in=root, fan_out=root)
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
        """Returns (output `[H, W, channels]`, the statistics of this output).

        Args:
          params, statistics: as `init` returns them.
          z: `[d]`, the input of the scale: ones, with or without noise.
          train: whether batch norm takes out the output's own mean and variance over
            positions, as in the original (a batch of one), instead of `statistics`.
        """
        return self.decode(params, statistics, self.scale_code(params, z), train=train)

    def scale_code(self, params: Any, z: Array) -> Array:
        """Returns the code alpha * z, `[d]`, which some variants rectify.

        Args:
          params: as `init` returns them.
          z: `[d]`.
        """
        code = params["alpha"]["alpha"] * z
        return jax.nn.relu(code) if self.rectified_code else code

    def decode(
        self, params: Any, statistics: Any, code: Array, *, train: bool = False
    ) -> tuple[Array, Any]:
        """Returns what `apply` returns, for a scaled code or for a batch of codes.

        Args:
          params, statistics: as `init` returns them; alpha is not read.
          code: `[d]`, or `[B, d]` for images `[B, H, W, channels]`, which share one
            mean and variance in training.
          train: as for `apply`.
        """
        x, found, repeated = code.reshape(-1, self.code), {}, False
        for row in self.rows:
            if row.op == "reshape":
                x = x.reshape(-1, *self.start)
            elif row.op == "up" and self.upsampling == "bilinear":
                x = double_smoothly(x)
            elif row.op == "up":
                repeated = True  # the convolution that always follows repeats the pixels
            elif row.op == "conv":
                x = convolve(
                    x,
                    params[row.name],
                    repeated=repeated,
                    padding="SAME" if row.same else "VALID",
                )
                repeated = False
            elif row.op == "relu":
                x = jax.nn.relu(x)
            elif row.op == "bn":
                x, found[row.name] = normalise(
                    x,
                    params[row.name],
                    statistics[row.name],
                    train=train,
                    epsilon=self.epsilon,
                )
        return (x if code.ndim == 2 else x[0]), found


def despraz_generator() -> DeepGenerator:
    """Returns the generator that is learned as a whole; it has 5,240,841 parameters."""
    return DeepGenerator()


def despraz_decoder(*, rectified: bool = False) -> DeepGenerator:
    """Returns the decoder that alpha drives; it has 5,350,089 parameters.

    Args:
      rectified: whether the last convolution is rectified, as in the autoencoder's
        training.
    """
    return DeepGenerator(wide=True, rectified_code=True, rectified=rectified)


GENERATORS = {"despraz": despraz_generator, "despraz_decoder": despraz_decoder}
"""Name -> the function that builds the generator."""


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
    rows.append(Row("rgb", "conv", generator.channels, 3, generator.wide))
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
    shape: tuple[int, ...] = (generator.code,)
    found: list[tuple[str, tuple[int, ...]]] = []
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
