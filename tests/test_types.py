"""Random keys: what may be given as one, and what it becomes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvis.types import as_key


@pytest.mark.parametrize(
    "key",
    [
        3,
        np.arange(4)[3],
        np.int64(3),
        np.uint8(3),
        np.array(3),
        jnp.int32(3),
        jax.random.key(3),
        jax.random.PRNGKey(3),
        np.asarray(jax.random.PRNGKey(3)),
    ],
    ids=lambda key: type(key).__name__,
)
def test_a_seed_or_a_key_of_either_style_is_a_typed_key(key):
    found = as_key(key)
    assert jnp.issubdtype(found.dtype, jax.dtypes.prng_key) and found.shape == ()
    assert jax.random.key_data(found).tolist() == jax.random.key_data(jax.random.key(3)).tolist()


@pytest.mark.parametrize("key", [-1, 2**32, 10**20, 1.0, True, "3", None, np.ones(2), np.arange(3)])
def test_anything_else_is_refused_in_words(key):
    with pytest.raises(ValueError, match="seed"):
        as_key(key)
