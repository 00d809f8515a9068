"""Colour statistics of natural images, as figures: means and decorrelation."""

import numpy as np

MEAN = (0.485, 0.456, 0.406)
"""Mean RGB of ImageNet photographs, in [0, 1]."""

_SQRT_COVARIANCE = np.array(
    [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32
)
"""Square root of the RGB covariance of ImageNet (rows R, G, B; Olah et al. 2017)."""

RECORRELATE = (
    _SQRT_COVARIANCE / np.linalg.norm(_SQRT_COVARIANCE, axis=0).max()
).T.copy()
"""`decorrelated @ RECORRELATE` is RGB: the largest axis is scaled to length 1."""
DECORRELATE = np.linalg.inv(RECORRELATE)
