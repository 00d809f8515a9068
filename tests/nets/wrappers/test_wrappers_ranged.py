"""A network in a range of its own sees the stretched image."""

import jax.numpy as jnp
import numpy as np

from jaxvis.nets.wrappers.ranged import with_range


def test_a_range_is_stretched(three, taps_of, image_of):
    net, params = three
    low, high = jnp.asarray([0.1, 0.2, 0.0]), jnp.asarray([0.5, 1.0, 0.3])
    seen, full = with_range(net, params, low, high)
    unit = image_of((16, 16))
    found = taps_of(seen, full, unit, "relu2")["relu2"]
    expected = taps_of(net, params, low + (high - low) * unit, "relu2")["relu2"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # Behind the image, there is nothing to stretch.
    inside = seen.apply(full, expected, start="relu2", stop="pool2")["pool2"]
    other = net.apply(params, expected, start="relu2", stop="pool2")["pool2"]
    np.testing.assert_allclose(inside, other, rtol=1e-6)
