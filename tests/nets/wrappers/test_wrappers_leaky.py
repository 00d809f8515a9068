"""A network with leaky ReLUs lets the negative through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_nets import conv_net, counted_net

from jaxvis.nets.wrappers.leaky import with_leaky_relus


def test_a_leak_lets_the_negative_through_and_none_is_the_net_itself(taps_of):
    net, params = conv_net()
    image = jax.random.uniform(jax.random.key(0), (*net.input_size, 3))
    dripping = with_leaky_relus(net, 0.1)
    before, plain = (taps_of(n, params, image, "relu1") for n in (dripping, net))
    np.testing.assert_allclose(
        before["relu1"],
        np.where(before["conv1"] > 0, 1, 0.1) * before["conv1"],
        rtol=1e-5,
    )
    assert float(jnp.min(plain["relu1"])) == 0 > float(jnp.min(before["relu1"]))
    assert with_leaky_relus(net, 0.0) is net and with_leaky_relus(net, 0.1) == dripping


def test_what_cannot_leak_is_refused():
    net, _ = conv_net()
    with pytest.raises(ValueError, match="at least 0 and below 1, not 1.5"):
        with_leaky_relus(net, 1.5)
    with pytest.raises(ValueError, match="ReLUs cannot be replaced"):
        with_leaky_relus(counted_net()[0], 0.1)
