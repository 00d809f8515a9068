"""Parameters that are not numbers are found, and their layer named."""

import jax
import jax.numpy as jnp
import pytest
from tiny_nets import compilations, conv_net

from jaxvis.optimize.check import check_finite


def test_good_parameters_pass_and_compile_once():
    _, params = conv_net()
    check_finite(params)
    assert compilations(lambda: check_finite(params)) == 0
    check_finite(1.0)
    check_finite({"rows": {"index": jnp.arange(3)}})
    check_finite({})


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, -jnp.inf])
def test_a_bad_layer_is_named(bad):
    _, params = conv_net()
    params = jax.tree.map(lambda leaf: leaf, params)
    params["conv2"] = {
        **params["conv2"],
        "kernel": params["conv2"]["kernel"].at[0, 0, 0, 0].set(bad),
    }
    with pytest.raises(ValueError, match="infinite in conv2/kernel: the weights"):
        check_finite(params)


def test_many_bad_layers_are_counted():
    params = {f"conv{i}": {"kernel": jnp.full(2, jnp.nan)} for i in range(8)}
    with pytest.raises(ValueError, match="conv4/kernel and 3 more"):
        check_finite(params)
