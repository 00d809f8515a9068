"""Networks of one's own entered in the middle: what follows a layer changes, nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxvis


class Small(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.second = nnx.Conv(4, 5, (3, 3), rngs=rngs)
        self.fc = nnx.Linear(5, 6, rngs=rngs)

    def __call__(self, x):
        return self.fc(nnx.relu(self.second(nnx.relu(self.first(x)))).mean((1, 2)))


class Rematerialised(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.remat(linen.Conv)(4, (3, 3), name="second")(x)
        return linen.Dense(6, name="fc")(linen.relu(x).mean((1, 2)))


def image():
    return jax.random.uniform(jax.random.key(0), (8, 8, 3))


def nnx_net():
    return jaxvis.from_nnx(Small(nnx.Rngs(0)), input_size=(8, 8))


def linen_net():
    variables = Rematerialised().init(jax.random.key(1), image()[None])
    return jaxvis.from_linen(Rematerialised(), variables, input_size=(8, 8))


def planes_net():
    """A function with its channels first, whose layer is computed within a program of its own."""

    @jax.jit
    def compute(params, x):
        first = 2 * x
        maps = jnp.einsum("chw,cd->dhw", first, params["mix"])
        return first, maps, jax.nn.relu(maps).mean((1, 2)) @ params["fc"]

    def run(params, x):
        first, maps, scores = compute(params, x)
        return {"first": first, "second": maps, "output": scores}

    keys = jax.random.split(jax.random.key(2))
    params = {"mix": jax.random.normal(keys[0], (3, 5)), "fc": jax.random.normal(keys[1], (5, 6))}
    return jaxvis.from_function(run, params, input_size=(8, 8), layout="CHW", scores="output")


def read_fc(net, params):
    fc = params["params"]["fc"] if "params" in params else params["fc"]
    return fc if isinstance(fc, dict) else {"kernel": fc, "bias": 0}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(nnx_net, marks=pytest.mark.slow),
        pytest.param(linen_net, marks=pytest.mark.slow),
        planes_net,
    ],
)
def test_what_follows_a_layer_is_computed_from_what_is_put_in_its_place(make):
    net, params = make()

    @jax.jit
    def compute(photo):
        taps = net.apply(params, photo)
        maps = taps["second"]
        other = maps + jnp.linspace(-1, 1, maps.size).reshape(maps.shape)
        same, found = (
            net.apply(params, (photo, one), start=("input", "second")) for one in (maps, other)
        )
        return taps, other, same, found

    taps, other, same, found = compute(image())
    fc = read_fc(net, params)
    wanted = np.maximum(other, 0).mean((0, 1)) @ np.asarray(fc["kernel"]) + fc["bias"]
    np.testing.assert_allclose(found["output"], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["second"], other)
    np.testing.assert_allclose(same["output"], taps["output"], rtol=1e-6, atol=1e-6)


def test_the_layers_before_it_stay_as_they_are():
    net, params = planes_net()

    @jax.jit
    def compute(photo):
        taps = net.apply(params, photo)
        given = (photo, taps["second"] + 1)
        return taps, net.apply(params, given, start=("input", "second"))

    taps, found = compute(image())
    np.testing.assert_array_equal(found["first"], taps["first"])
    assert not np.allclose(found["output"], taps["output"])


def test_without_the_image_a_network_of_ones_own_has_no_other_entry():
    net, params = planes_net()
    maps = jnp.zeros((8, 8, 5))
    with pytest.raises(ValueError, match="runs from the image only"):
        net.apply(params, maps, start="second")
