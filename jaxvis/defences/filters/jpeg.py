"""JPEG as arithmetic: what a file of some quality loses, with a gradient."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.defences.filters.filtered import Filter
from jaxvis.types import Array, Image

LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
CHROMA = np.full((8, 8), 99)
CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
"""How coarsely the frequencies of brightness and colours are kept at quality 50: Annex K."""
TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
"""RGB to brightness and two colour differences (JFIF)."""
TO_RGB = np.linalg.inv(TO_YCC).astype(np.float32)

Rounding = Literal["straight", "soft"]


@dataclass(frozen=True)
class Jpeg(Filter):
    """A filter that loses what a JPEG file loses.

    Colours are turned into brightness and colour differences, which are halved in size;
    squares of 8 x 8 pixels become cosines, whose amounts are rounded.

    Args:
      quality: from 1 to 100, as for libjpeg.
      halve: whether the colour differences are halved in size (4:2:0).
      rounding: of the amounts: "straight" rounds in earnest and takes it for the identity
        on the way back; "soft" is round(x) + (x - round(x))^3, which has a slope, and differs
        from a real file a little. All other rounding is straight.

    Source: ITU-T T.81; Shin & Song, JPEG-resistant adversarial images, 2017, for "soft".

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> dot = jnp.zeros((16, 16, 3)).at[4, 4].set(1)
    >>> good, bad = (jaxvis.defences.Jpeg(quality=quality)(dot) for quality in (95, 5))
    >>> bool(abs(good - dot).max() < abs(bad - dot).max())
    True
    """

    straight: bool = False
    quality: int = 75
    halve: bool = True
    rounding: Rounding = "straight"

    def __post_init__(self) -> None:
        """Raises ValueError for a quality outside 1..100, or an unknown rounding."""
        check_quality(self.quality)
        if self.rounding not in ("straight", "soft"):
            raise ValueError(f"rounding is 'straight' or 'soft', not {self.rounding!r}")

    def apply(self, image: Image) -> Image:
        """Computes what is read back from the file, `[H, W, C]`.

        Raises:
          ValueError: for another number of channels than 1 or 3.
        """
        if image.shape[-1] not in (1, 3):
            raise ValueError(f"JPEG takes images of 1 or 3 channels, not {image.shape[-1]}")
        levels = _round(_clip(image * 255))
        if image.shape[-1] == 1:
            return _clip(_round(self._code(levels[..., 0], LUMA)))[..., None] / 255
        colours = _round(levels @ TO_YCC.T + np.array([0, 128, 128], np.float32))
        planes = [self._code(colours[..., 0], LUMA)]
        for channel in (1, 2):
            plane = colours[..., channel]
            if self.halve:
                small = self._code(_round(_halve(plane)), CHROMA)
                planes.append(_double(small, plane.shape))
            else:
                planes.append(self._code(plane, CHROMA))
        found = jnp.stack(planes, -1) - np.array([0, 128, 128], np.float32)
        return _clip(_round(found @ TO_RGB.T)) / 255

    def _round_amounts(self, x: Array) -> Array:
        if self.rounding == "straight":
            return _round(x)
        nearest = jax.lax.stop_gradient(jnp.round(x))
        return nearest + (x - nearest) ** 3

    def _code(self, plane: Array, table: np.ndarray) -> Array:
        """Returns a plane of levels `[h, w]` as its rounded cosines give it back."""
        height, width = plane.shape
        down, across = -height % 8, -width % 8
        blocks = jnp.pad(plane, ((0, down), (0, across)), mode="edge") - 128
        rows, columns = blocks.shape[0] // 8, blocks.shape[1] // 8
        blocks = blocks.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
        steps = _scale_table(table, self.quality)
        amounts = self._round_amounts(_COSINES @ blocks @ _COSINES.T / steps) * steps
        blocks = _COSINES.T @ amounts @ _COSINES + 128
        whole = blocks.transpose(0, 2, 1, 3).reshape(rows * 8, columns * 8)
        return _clip(_round(whole[:height, :width]))


def check_quality(quality: int) -> None:
    """Refuses what is no quality of JPEG.

    Args:
      quality: the number to check.

    Raises:
      ValueError: unless it is a whole number from 1 to 100.
    """
    if quality not in range(1, 101):
        raise ValueError(f"the quality of JPEG is a whole number from 1 to 100, not {quality}")


def _make_cosines() -> np.ndarray:
    """Returns the orthonormal matrix of the cosine transform of 8 values, `[8, 8]`."""
    at = np.arange(8)
    waves = np.cos(np.pi * np.outer(at, 2 * at + 1) / 16) / 2
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


_COSINES = _make_cosines()


def _scale_table(table: np.ndarray, quality: int) -> np.ndarray:
    """Returns the steps of the amounts at a quality, as libjpeg scales them."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((table * scale + 50) // 100, 1, 255).astype(np.float32)


def _round(x: Array) -> Array:
    """Rounds, and lets gradients pass."""
    return x + jax.lax.stop_gradient(jnp.round(x) - x)


def _clip(levels: Array) -> Array:
    """Clips to 0..255, and lets gradients pass where it cuts."""
    return levels + jax.lax.stop_gradient(jnp.clip(levels, 0, 255) - levels)


def _halve(plane: Array) -> Array:
    """Returns the means of squares of 2 x 2 pixels."""
    height, width = plane.shape
    wide = jnp.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    return wide.reshape(wide.shape[0] // 2, 2, wide.shape[1] // 2, 2).mean((1, 3))


def _double(plane: Array, shape: tuple[int, ...]) -> Array:
    """Returns a plane twice as large, three parts the nearest pixel and one part the next."""
    for axis in (0, 1):
        pads = [(0, 0), (0, 0)]
        pads[axis] = (1, 1)
        wide = jnp.pad(plane, pads, mode="edge")
        before, after = (
            jax.lax.slice_in_dim(wide, first, first + plane.shape[axis], axis=axis)
            for first in (0, 2)
        )
        pair = jnp.stack([(3 * plane + before) / 4, (3 * plane + after) / 4], axis + 1)
        sides = list(plane.shape)
        sides[axis] *= 2
        plane = pair.reshape(sides)
    return plane[: shape[0], : shape[1]]
