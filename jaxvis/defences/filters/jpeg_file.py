"""JPEG in earnest: an image is written as a file and read again, in memory."""

import io
from dataclasses import dataclass

import jax
import numpy as np
from PIL import Image as Pillow

from jaxvis.defences.filters.filtered import Filter
from jaxvis.defences.filters.jpeg import check_quality
from jaxvis.types import Image


@dataclass(frozen=True)
class JpegFile(Filter):
    """A filter that writes a JPEG file and reads it again, by Pillow, on the host.

    It is slow where a network runs on an accelerator: attack `Jpeg`, and judge the pictures
    with this. It has no gradient, so it is always passed straight through.

    Args:
      quality: from 1 to 100.

    >>> import jax.numpy as jnp
    >>> import jaxvis
    >>> dot = jnp.zeros((16, 16, 3)).at[4, 4].set(1)
    >>> good, bad = (jaxvis.defences.JpegFile(quality=quality)(dot) for quality in (95, 5))
    >>> bool(abs(good - dot).max() < abs(bad - dot).max())
    True
    """

    quality: int = 75

    def __post_init__(self) -> None:
        """Raises ValueError for a quality outside 1..100, or a gradient of its own."""
        check_quality(self.quality)
        if not self.straight:
            raise ValueError("JpegFile has no gradient: leave straight on, or use Jpeg")

    def apply(self, image: Image) -> Image:
        """Computes what is read back from the file, `[H, W, C]`.

        Raises:
          ValueError: for another number of channels than 1 or 3.
        """
        if image.shape[-1] not in (1, 3):
            raise ValueError(f"JPEG takes images of 1 or 3 channels, not {image.shape[-1]}")
        shape = jax.ShapeDtypeStruct(image.shape, np.float32)
        return jax.pure_callback(self._save_all, shape, image, vmap_method="expand_dims")

    def _save_all(self, images: np.ndarray) -> np.ndarray:
        """Returns images `[..., H, W, C]` as their files show them."""
        levels = np.round(np.clip(np.asarray(images), 0, 1) * 255).astype(np.uint8)
        flat = levels.reshape(-1, *levels.shape[-3:])
        found = np.stack([self._save(one) for one in flat])
        return (found.astype(np.float32) / 255).reshape(levels.shape)

    def _save(self, levels: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Pillow.fromarray(levels.squeeze(-1) if levels.shape[-1] == 1 else levels).save(
            file, "JPEG", quality=self.quality
        )
        return np.asarray(Pillow.open(file)).reshape(levels.shape)
