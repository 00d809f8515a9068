"""The autoencoder whose decoder becomes a generator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxvis.generators.deep import DeepGenerator, pretrained
from jaxvis.generators.drawing import MOMENTUM, VGG_MEAN
from jaxvis.generators.layers import convolved, glorot, normed
from jaxvis.types import Array, Key


@dataclass(frozen=True)
class Autoencoder:
    """Returns the encoder and decoder, static and hashable.

    The encoder is a block for each width, twice [3x3 convolution without padding, ReLU,
    batch norm] and a 2x2 maximum; then a rectified dense layer and the code.

    Args:
      decoder: draws the code.
      widths: channels of the encoder's blocks.
      hidden: units of the dense layer before the code.
      gain: grey levels per unit of the decoder's output.

    Source: Despraz et al., Figure 3; widths from the authors' code. Departures: the
      output counts in `gain` grey levels (1 in the original), so that the optimizer
      need not first raise the last scale from 1 to 60.
    """

    decoder: DeepGenerator
    widths: tuple[int, ...]
    hidden: int
    gain: float = 64.0

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the images in pixels."""
        return self.decoder.size

    def _flat(self) -> int:
        side = self.size[0]
        for _ in self.widths:
            side = (side - 4) // 2
        return side * side * self.widths[-1]

    def init(self, key: Key) -> dict[str, Any]:
        """Returns {"params", "statistics"}, each with "encoder" and "decoder".

        The statistics also have "code" `[d]`, of which `averaged` makes the mean code.

        Args:
          key: a typed random key.
        """
        decoder = self.decoder.init(jax.random.fold_in(key, 0), alpha=1.0)
        encoder, statistics, given = {}, {}, 3
        for block, width in enumerate(self.widths, 1):
            for i in (1, 2):
                own = jax.random.fold_in(key, 10 * block + i)
                kernel = glorot(own, (3, 3, given, width), fan_in=9 * given, fan_out=9 * width)
                zeros, ones = jnp.zeros(width), jnp.ones(width)
                name, given = f"{block}_{i}", width
                encoder[f"conv{name}"] = {"kernel": kernel, "bias": zeros}
                encoder[f"bn{name}"] = {"scale": ones, "bias": zeros}
                statistics[f"bn{name}"] = {"mean": zeros, "var": ones}
        widths = (self._flat(), self.hidden, self.decoder.code)
        for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:]), 1):
            own = jax.random.fold_in(key, i)
            kernel = glorot(own, (fan_in, fan_out), fan_in=fan_in, fan_out=fan_out)
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
          images: `[B, H, W, 3]` in [0, 1].
          train: whether batch norm takes the batch's own mean and variance.
        """
        x, found = (255 * images - jnp.asarray(VGG_MEAN)) / self.gain, {}
        for block in range(1, len(self.widths) + 1):
            for i in (1, 2):
                name = f"{block}_{i}"
                x = convolved(x, params[f"conv{name}"], padding="VALID")
                x, found[f"bn{name}"] = normed(
                    jax.nn.relu(x),
                    params[f"bn{name}"],
                    statistics[f"bn{name}"],
                    train=train,
                    epsilon=self.decoder.epsilon,
                )
            x = _halved(x)
        x = x.reshape(len(x), -1)
        x = jax.nn.relu(x @ params["dense1"]["kernel"] + params["dense1"]["bias"])
        return x @ params["dense2"]["kernel"] + params["dense2"]["bias"], found

    def reconstruct(
        self, params: Any, statistics: Any, images: Array, *, train: bool = False
    ) -> tuple[Array, Any]:
        """Returns (reconstructions `[B, H, W, 3]`, the batch's own statistics).

        The reconstructions are in [0, 1] where they succeed; they are not clipped.

        Args:
          params, statistics: as `init` returns them.
          images: `[B, H, W, 3]` in [0, 1].
          train: as for `encode`.
        """
        codes, encoder = self.encode(params["encoder"], statistics["encoder"], images, train=train)
        # As where alpha drives the decoder: what is negative never reaches it.
        codes = jax.nn.relu(codes) if self.decoder.rectified_code else codes
        output, decoder = self.decoder.decode(
            params["decoder"], statistics["decoder"], codes, train=train
        )
        found = (jnp.asarray(VGG_MEAN) + self.gain * output) / 255
        code = lax.stop_gradient(jnp.mean(codes, axis=0))
        return found, {"encoder": encoder, "decoder": decoder, "code": code}


def averaged(old: Any, own: Any, *, momentum: float = MOMENTUM) -> Any:
    """Returns batch norm's running averages after one more batch.

    Args:
      old: the averages.
      own: the batch's.
      momentum: share of the old ones.
    """
    return jax.tree.map(lambda a, b: momentum * a + (1 - momentum) * b, old, own)


def despraz() -> Autoencoder:
    """Returns the paper's, for 224 x 224 pixels."""
    return Autoencoder(pretrained(), (32, 64, 128, 256, 512), 2048)


def small() -> Autoencoder:
    """Returns a small one of the same kind, for 32 x 32 pixels."""
    decoder = DeepGenerator(True, True, False, (5, 5, 16), ((64, 2), (64, 2)))
    return Autoencoder(decoder, (32, 64), 256)


AUTOENCODERS: dict[str, Callable[[], Autoencoder]] = {
    "despraz": despraz,
    "small": small,
}
"""Name -> the function that returns the autoencoder."""


def _halved(x: Array) -> Array:
    """Returns the maxima of 2x2 pixels; an odd last row or column is left out."""
    count, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(count, height // 2, 2, width // 2, 2, channels).max((2, 4))
