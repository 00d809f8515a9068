"""Pictures that every machine with the peers has: those that come with scikit-image."""

import numpy as np

from jaxvis.output.resample import crop_to


def load_photograph(name: str, side: int) -> np.ndarray:
    """Loads the middle of a picture of `skimage.data`, `[side, side, 3]` in [0, 1].

    Args:
      name: such as "astronaut", "brick" or "grass", 512 pixels a side.
      side: pixels.
    """
    from skimage import data

    picture = np.asarray(getattr(data, name)(), np.float32) / 255
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, -1)
    return crop_to(picture, side)
