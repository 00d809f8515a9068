"""The objective of a single feature map: its value and gradient by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.methods.style.single_map import SingleMap

SHAPE = (4, 6, 5)


def test_single_map_is_half_the_squared_distance_to_its_code():
    rng = np.random.default_rng(1)
    values, total = rng.normal(size=SHAPE), np.abs(rng.normal(size=SHAPE[:2]))
    target = np.zeros(SHAPE)
    target[..., 3] = total
    objective = SingleMap("relu1", 3, jnp.asarray(total, jnp.float32))
    value, grad = jax.value_and_grad(objective)({"relu1": jnp.asarray(values, jnp.float32)})
    assert float(value) == pytest.approx(((values - target) ** 2).sum() / 2, rel=1e-5)
    np.testing.assert_allclose(grad["relu1"], values - target, rtol=1e-5, atol=1e-6)
