"""GELU and its gradient against the definition in float64."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxvis.compiler import jit
from jaxvis.nets.gelu import gelu

X = np.linspace(-9, 9, 2001)
PHI = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in X])


def test_values_and_gradients_are_those_of_float64():
    found, pull = jit(lambda x: jax.vjp(gelu, x))(jnp.float32(X))
    np.testing.assert_allclose(found, X * PHI, rtol=1e-6, atol=1e-6)
    density = np.exp(-0.5 * X * X) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(pull(jnp.ones(X.shape))[0], PHI + X * density, atol=2e-6)


def test_the_type_stays():
    assert gelu(jnp.ones(2, jnp.bfloat16)).dtype == jnp.bfloat16
    assert gelu(jnp.ones(2, jnp.float32)).dtype == jnp.float32
