"""The autoencoder of Despraz et al., whose decoder becomes a generator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxvis.generators.deep import DeepGenerator, despraz_decoder
from jaxvis.generators.drawing import MOMENTUM, mean_levels, to_image
from jaxvis.generators.layers import convolve, draw_glorot, normalise
from jaxvis.types import Array, Key


@dataclass(frozen=True)
class Autoencoder:
    """An encoder and a decoder, static and hashable.

    The encoder has a block for each width: twice [3x3 convolution without padding, ReLU,
    batch norm], then a 2x2 maximum. A rectified dense layer and the code follow.

    Args:
      decoder: the generator that draws the code.
      widths: channels of the encoder's blocks.
      hidden: units of the dense layer before the code.
      gain: grey levels per unit of the decoder's output.

    Source: Despraz et al., Figure 3; the widths are from the authors' code.
    Departures: a unit of the output is `gain` grey levels (1 in the original), so that
      the optimizer need not first raise the last scale from 1 to 60.
    """

    decoder: DeepGenerator
    widths: tuple[int, ...]
    hidden: int
    gain: float = 64.0

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the images in pixels."""
        return self.decoder.size

    def _count_flat(self) -> int:
        """Returns how many inputs the first dense layer has."""
        side = self.size[0]
        for _ in self.widths:
            side = (side - 4) // 2
        return side * side * self.widths[-1]

    def init(self, key: Key) -> dict[str, Any]:
        """Returns {"params", "statistics"}, each with "encoder" and "decoder".

        The statistics also have "code" `[d]`, of which `update_averages` makes the mean
        code.

        Args:
          key: a typed random key.
        """
        decoder = self.decoder.init(jax.random.fold_in(key, 0), alpha=1.0)
        encoder, statistics, given = {}, {}, self.decoder.channels
        for block, width in enumerate(self.widths, 1):
            for i in (1, 2):
                own = jax.random.fold_in(key, 10 * block + i)
                kernel = draw_glorot(own, (3, 3, given, width), fan_in=9 * given, fan_out=9 * width)
                zeros, ones = jnp.zeros(width), jnp.ones(width)
                name, given = f"{block}_{i}", width
                encoder[f"conv{name}"] = {"kernel": kernel, "bias": zeros}
                encoder[f"bn{name}"] = {"scale": ones, "bias": zeros}
                statistics[f"bn{name}"] = {"mean": zeros, "var": ones}
        widths = (self._count_flat(), self.hidden, self.decoder.code)
        for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:]), 1):
            own = jax.random.fold_in(key, i)
            kernel = draw_glorot(own, (fan_in, fan_out), fan_in=fan_in, fan_out=fan_out)
            encoder[f"dense{i}"] = {"kernel": kernel, "bias": jnp.zeros(fan_out)}
        return {
            "params": {"encoder": encoder, "decoder": decoder["params"]},
            "statistics": {
                "encoder": statistics,
                "decoder": decoder["statistics"],
                "code": jnp.zeros(self.decoder.code),
            },
        }

    def encode(
        self, params: Any, statistics: Any, images: Array, *, train: bool = False
    ) -> tuple[Array, Any]:
        """Returns (codes `[B, d]`, the encoder's own statistics).

        Args:
          params, statistics: of the encoder.
          images: `[B, H, W, C]` in [0, 1].
          train: whether batch norm takes out the batch's own mean and variance.
        """
        x, found = (255 * images - mean_levels(self.decoder.channels)) / self.gain, {}
        for block in range(1, len(self.widths) + 1):
            for i in (1, 2):
                name = f"{block}_{i}"
                x = convolve(x, params[f"conv{name}"], padding="VALID")
                x, found[f"bn{name}"] = normalise(
                    jax.nn.relu(x),
                    params[f"bn{name}"],
                    statistics[f"bn{name}"],
                    train=train,
                    epsilon=self.decoder.epsilon,
                )
            x = _halve(x)
        x = x.reshape(len(x), -1)
        x = jax.nn.relu(x @ params["dense1"]["kernel"] + params["dense1"]["bias"])
        return x @ params["dense2"]["kernel"] + params["dense2"]["bias"], found

    def reconstruct(
        self, params: Any, statistics: Any, images: Array, *, train: bool = False
    ) -> tuple[Array, Any]:
        """Returns (reconstructions `[B, H, W, C]`, the batch's own statistics).

        Good reconstructions are in [0, 1]; they are not clipped to it.

        Args:
          params, statistics: as `init` returns them.
          images: `[B, H, W, C]` in [0, 1].
          train: as for `encode`.
        """
        codes, encoder = self.encode(params["encoder"], statistics["encoder"], images, train=train)
        # Where alpha drives the decoder, no negative code reaches it either.
        codes = jax.nn.relu(codes) if self.decoder.rectified_code else codes
        output, decoder = self.decoder.decode(
            params["decoder"], statistics["decoder"], codes, train=train
        )
        found = to_image(output, self.gain)
        code = lax.stop_gradient(jnp.mean(codes, axis=0))
        return found, {"encoder": encoder, "decoder": decoder, "code": code}


def update_averages(old: Any, own: Any, *, momentum: float = MOMENTUM) -> Any:
    """Returns batch norm's running averages after one more batch.

    Args:
      old: the averages so far, a pytree of arrays of any shapes.
      own: the averages of the batch.
      momentum: the share that the old ones keep.
    """
    return jax.tree.map(lambda a, b: momentum * a + (1 - momentum) * b, old, own)


def despraz_autoencoder() -> Autoencoder:
    """Returns the paper's autoencoder, for images of 224 x 224 pixels."""
    return Autoencoder(despraz_decoder(), (32, 64, 128, 256, 512), 2048)


def small_autoencoder() -> Autoencoder:
    """Returns a small autoencoder of the same kind, for images of 32 x 32 pixels."""
    decoder = DeepGenerator(True, True, False, (5, 5, 16), ((64, 2), (64, 2)))
    return Autoencoder(decoder, (32, 64), 256)


AUTOENCODERS: dict[str, Callable[[], Autoencoder]] = {
    "despraz": despraz_autoencoder,
    "small": small_autoencoder,
}
"""Name -> the function that builds the autoencoder."""


def _halve(x: Array) -> Array:
    """Returns the maxima of 2x2 pixels; the last row or column of an odd map is left out."""
    count, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(count, height // 2, 2, width // 2, 2, channels).max((2, 4))
