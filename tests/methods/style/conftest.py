"""A network and a painting for tests of style."""

import numpy as np
import pytest
from tiny_nets import SIDE, relu_net


@pytest.fixture(scope="module")
def net():
    """Returns (net, params) of two rectified convolutions."""
    return relu_net(SIDE, depth=2)


@pytest.fixture(scope="module")
def painting():
    """Returns a picture of stripes, not square."""
    x = np.linspace(0, 9, 24)[None, :] + np.linspace(0, 4, 14)[:, None]
    colours = np.stack([np.sin(x), np.cos(x), np.sin(2 * x)], -1)
    return (0.5 + 0.45 * colours).astype(np.float32)
